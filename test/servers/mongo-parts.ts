import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DryMongoBinary, MongoBinary } from 'mongodb-memory-server-core'
import { find } from '../../src/demo/parts.ts'

/** What the tests' server is: somebody's own, a mongod of this machine, or the independent server in Java. */
export type MongoParts =
  | { kind: 'given'; uri: string }
  | { kind: 'mongod'; program: string }
  | { kind: 'java'; java: string; classPath: string }

const run = promisify(execFile)
const source = fileURLToPath(new URL('./mongo-java/', import.meta.url))
const cache = fileURLToPath(new URL('../../node_modules/.cache/rollcall-mongo-java/', import.meta.url))

/** Fetching with Maven on a fresh machine, from a slow mirror. */
const fetchMs = 240_000

let found: Promise<MongoParts> | undefined

/** The first that can be had of: MONGODB_URI, mongod, a mongod that mongodb-memory-server has, Java with Maven, a mongod that it fetches. */
export function mongoParts(): Promise<MongoParts> {
  // What could not be had may have been installed since.
  found ??= look().catch((error) => {
    found = undefined
    throw error
  })
  return found
}

async function look(env: NodeJS.ProcessEnv = process.env): Promise<MongoParts> {
  if (env.MONGODB_URI) return { kind: 'given', uri: env.MONGODB_URI }
  const installed = find('mongod', env)
  if (installed !== undefined) return { kind: 'mongod', program: installed }
  const fetched = await DryMongoBinary.locateBinary(DryMongoBinary.getEnsuredOptions()).catch(() => undefined)
  if (fetched !== undefined) return { kind: 'mongod', program: fetched }
  const java = find('java', env)
  const why: string[] = []
  if (java !== undefined) {
    try {
      return { kind: 'java', java, classPath: await javaServer(env) }
    } catch (error) {
      why.push(`the server in Java cannot be had: ${text(error)}`)
    }
  } else why.push('java is not on PATH')
  if (await answers('https://fastdl.mongodb.org/')) {
    try {
      return { kind: 'mongod', program: await MongoBinary.getPath() }
    } catch (error) {
      why.push(`mongod cannot be fetched: ${text(error)}`)
    }
  } else why.push('fastdl.mongodb.org does not answer')
  throw new Error(
    `The tests find no MongoDB server (${why.join('; ')}). Set MONGODB_URI, or install mongod, or get Java and Maven ` +
      '(Debian, Ubuntu: apt-get install -y --no-install-recommends default-jdk-headless maven).',
  )
}

/**
 * Class path of `de.bwaldvogel:mongo-java-server` and our launcher: fetched by Maven and compiled once, into a folder named for
 * what it is made of. Several test files may do so at once: each makes its own folder, the first to finish names it.
 * `repository`: another local repository of Maven than the user's. `into`: another folder than the cache.
 */
export async function javaServer(
  env: NodeJS.ProcessEnv = process.env,
  { repository, into = cache }: { repository?: string; into?: string } = {},
): Promise<string> {
  const pom = join(source, 'pom.xml')
  const launcher = join(source, 'Launcher.java')
  const key = createHash('sha256').update(readFileSync(pom)).update(readFileSync(launcher)).digest('hex').slice(0, 16)
  const folder = join(into, key)
  const classPath = [join(folder, 'lib', '*'), join(folder, 'classes')].join(':')
  if (existsSync(folder)) return classPath
  const [mvn, javac] = ['mvn', 'javac'].map((program) => find(program, env))
  if (mvn === undefined || javac === undefined) {
    throw new Error(`${mvn === undefined ? 'Maven (mvn)' : 'a Java compiler (javac)'} is not on PATH`)
  }
  await mkdir(into, { recursive: true })
  const made = await mkdtemp(join(into, 'made-'))
  try {
    const where = repository === undefined ? [] : [`-Dmaven.repo.local=${repository}`]
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${join(made, 'lib')}`]
    await run(mvn, ['-q', '-B', '-f', pom, ...where, ...goal], { env, timeout: fetchMs })
    await run(javac, ['-cp', join(made, 'lib', '*'), '-d', join(made, 'classes'), launcher], { env, timeout: 60_000 })
    // Fails when another was quicker: that one is the same.
    await rename(made, folder).catch((error) => {
      if (!existsSync(folder)) throw error
    })
    return classPath
  } finally {
    await rm(made, { recursive: true, force: true })
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(2_000) })
    return true
  } catch {
    return false
  }
}

function text(error: unknown): string {
  const output = error instanceof Error && 'stdout' in error ? `${error.stdout}`.trim() : ''
  const said = error instanceof Error ? error.message : String(error)
  return (output === '' ? said : output).split('\n').slice(0, 3).join(' ').slice(0, 400)
}
