import { missingLine, obtain, type Part } from '../src/demo/parts.ts'
import { clientFolder } from '../src/entry/http/client.ts'
import { mongoParts } from './servers/mongo-parts.ts'

const parts: Part[] = [
  'prometheus',
  'alertmanager',
  'sshd',
  'ssh',
  'curl',
  'tar',
  'flock',
  'setsid',
  'sha256sum',
  'chromium',
]

/**
 * Gets the system parts of the real suites once, before any of them starts. One that cannot be had fails its suite, with the
 * line that says what to install; ROLLCALL_SKIP_REAL=1 leaves those suites out.
 */
export default async function setup(): Promise<void> {
  if (process.env.ROLLCALL_SKIP_REAL === '1') return
  const say = (line: string) => console.error(line)
  // A browser is a large package.
  const { missing } = await obtain(parts, { say, ms: 300_000 })
  for (const part of missing) console.error(missingLine(part))
  await mongo(say)
  // Once, before the browser suites ask for it side by side.
  if (process.env.CI) await clientFolder(say)
}

/** The MongoDB suites start their servers themselves; what these are made of is fetched here, once, and named. */
async function mongo(say: (line: string) => void): Promise<void> {
  const look = () => mongoParts().catch((error: Error) => error)
  let parts = await look()
  if (parts instanceof Error) {
    await obtain(['javac', 'mvn'], { say, ms: 300_000 })
    parts = await look()
  }
  // Each of the suites fails with this line, too.
  if (parts instanceof Error) return say(parts.message)
  say(
    `The MongoDB suites run on ${{ given: 'the server of MONGODB_URI', mongod: 'mongod', java: 'mongo-java-server 1.47.0' }[parts.kind]}.`,
  )
}
