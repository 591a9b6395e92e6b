import { missingLine, obtain } from '../src/demo/parts.ts'

/**
 * Gets the system parts of the real suites once, before any of them starts. One that cannot be had fails its suite, with the
 * line that says what to install; ROLLCALL_SKIP_REAL=1 leaves those suites out.
 */
export default async function setup(): Promise<void> {
  if (process.env.ROLLCALL_SKIP_REAL === '1') return
  const { missing } = await obtain(['prometheus', 'sshd', 'ssh', 'curl', 'tar', 'flock', 'setsid', 'sha256sum'], {
    say: (line) => console.error(line),
  })
  for (const part of missing) console.error(missingLine(part))
}
