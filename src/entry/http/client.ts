import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { Fault } from '../../lib/fault.ts'
import { LEAST_BYTES } from './compress.ts'

const root = join(import.meta.dirname, '../../..')
const source = join(root, 'src/web')
const built = join(root, 'dist/web')
/** Holds the digest of what the folder was built from. */
const stamp = '.built-from'

/**
 * The folder with the console's client, built first when it is missing or its sources have changed since. Fault
 * `console.not-built` when that is not possible, as in an installation without development packages.
 */
export async function clientFolder(say: (line: string) => void): Promise<string> {
  const wanted = await digestOfSources()
  const mark = join(built, stamp)
  const present = existsSync(mark) ? await readFile(mark, 'utf8') : undefined
  if (present === wanted) return built
  const vite = viteProgram()
  if (vite === undefined) {
    // Sources newer than the build are odd, but a client that works is better than none.
    if (present !== undefined) return built
    throw new Fault('console.not-built', {
      say: 'The console has not been built, and its build tools are not installed.',
      next: 'run npm ci && npm run build where development packages may be installed, and copy dist/ here',
    })
  }
  say('Building the console once (about 20 s) …')
  // Beside it, so that a build that is interrupted leaves the old one, and two at the same time do not mix.
  const fresh = `${built}.${process.pid}`
  try {
    await promisify(execFile)(process.execPath, [vite, 'build', source, '--outDir', fresh, '--logLevel', 'warn'], {
      cwd: root,
      env: { ...process.env, NODE_ENV: 'production' },
      maxBuffer: 1e7,
    })
    await packFiles(fresh)
    await writeFile(join(fresh, stamp), wanted)
    await mkdir(join(root, 'dist'), { recursive: true })
    await swap(fresh, wanted)
  } catch (cause) {
    await rm(fresh, { recursive: true, force: true })
    throw new Fault('console.not-built', {
      say: 'The console could not be built.',
      next: 'run npm run build and read what it says',
      cause,
    })
  }
  return built
}

/** Another process may have built the same at the same time, and put it there first: then its build is as good. */
async function swap(fresh: string, wanted: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await rm(built, { recursive: true, force: true })
      await rename(fresh, built)
      return
    } catch (error) {
      const there = await readFile(join(built, stamp), 'utf8').catch(() => undefined)
      if (there === wanted) return rm(fresh, { recursive: true, force: true })
      if (tries === 5) throw error
    }
  }
}

/** Beside every text file of some length its gzip and brotli: packed once and well, and served as it is. The page is made anew each time. */
export async function packFiles(folder: string): Promise<void> {
  for (const file of await filesBelow(folder)) {
    if (!/\.(js|css|svg|json|txt)$/.test(file)) continue
    const plain = await readFile(file)
    if (plain.byteLength < LEAST_BYTES) continue
    await writeFile(`${file}.gz`, await promisify(gzip)(plain, { level: 9 }))
    // 9 of 11: of our files 8 % larger than the best, in an eighth of the time.
    const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: plain.byteLength }
    await writeFile(`${file}.br`, await promisify(brotliCompress)(plain, { params }))
  }
}

/** sha256 over the names and contents of the client's sources, the types it shares, the locked versions of its packages, and this file. */
async function digestOfSources(): Promise<string> {
  const hash = createHash('sha256')
  const files = [
    ...(await filesBelow(source)),
    ...(await filesBelow(join(root, 'src/ports'))),
    join(root, 'package-lock.json'),
    // How it is built and packed.
    import.meta.filename,
  ].filter((file) => existsSync(file))
  for (const file of files.toSorted()) hash.update(`${file.slice(root.length)}\0`).update(await readFile(file))
  return hash.digest('hex')
}

async function filesBelow(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return []
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

function viteProgram(): string | undefined {
  try {
    return join(createRequire(import.meta.url).resolve('vite/package.json'), '../bin/vite.js')
  } catch {
    return undefined
  }
}
