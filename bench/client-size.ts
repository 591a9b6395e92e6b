/**
 * `node bench/client-size.ts`
 *
 * What a browser has to load before the console is there, and how long that takes. Sizes are of the built files, gzipped as the
 * server sends them. Times are of Chromium with an empty cache against the real server on loopback, once as this machine is, and
 * once as Lighthouse judges phones: a processor four times slower, 1.6 Mbit/s, 150 ms per round trip. The median of five runs.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import Table from 'cli-table3'
import { type Browser, chromium } from 'playwright-core'
import { clientFolder } from '../src/app.ts'
import { needs } from '../test/demo/needs.ts'
import { startSandbox } from '../test/scenarios/sandbox.ts'

const LIMIT_KB = 400
const RUNS = 5

/** One entry of Vite's manifest. */
interface Part {
  file: string
  imports?: string[]
  dynamicImports?: string[]
  css?: string[]
  isEntry?: boolean
}

/** Files that are loaded before anything is shown, and the others. */
async function filesOf(webRoot: string): Promise<{ first: string[]; later: string[] }> {
  const manifest = JSON.parse(await readFile(join(webRoot, '.vite/manifest.json'), 'utf8')) as Record<string, Part>
  const parts = new Set<Part>()
  const add = (part: Part | undefined) => {
    if (part === undefined || parts.has(part)) return
    parts.add(part)
    for (const name of part.imports ?? []) add(manifest[name])
  }
  for (const part of Object.values(manifest)) if (part.isEntry) add(part)
  const first = [...new Set([...parts].flatMap(({ file, css }) => [file, ...(css ?? [])]))]
  const all = (await readdir(join(webRoot, 'assets'))).map((name) => `assets/${name}`)
  return { first, later: all.filter((name) => !first.includes(name)) }
}

async function sizeOf(webRoot: string, files: string[], ending: string): Promise<number> {
  const bodies = await Promise.all(
    files.filter((name) => name.endsWith(ending)).map((name) => readFile(join(webRoot, name))),
  )
  return bodies.reduce((sum, body) => sum + gzipSync(body).byteLength, 0)
}

interface Times {
  painted: number
  ready: number
  bytes: number
}

/** Milliseconds from the request of the page to the first paint of anything, and until one can type; bytes over the line. */
async function open(browser: Browser, url: string, slow: boolean): Promise<Times> {
  const context = await browser.newContext({
    viewport: slow ? { width: 360, height: 740 } : { width: 1280, height: 800 },
  })
  try {
    const page = await context.newPage()
    const line = await context.newCDPSession(page)
    await line.send('Network.enable')
    let bytes = 0
    line.on('Network.loadingFinished', ({ encodedDataLength }) => {
      bytes += encodedDataLength
    })
    if (slow) {
      await line.send('Emulation.setCPUThrottlingRate', { rate: 4 })
      const speed = (1.6e6 / 8) * 0.9
      await line.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 150 * 3.75,
        downloadThroughput: speed,
        uploadThroughput: speed,
      })
    }
    const began = performance.now()
    await page.goto(url, { waitUntil: 'commit' })
    await page.getByRole('combobox', { name: 'Command' }).waitFor()
    const ready = performance.now() - began
    const painted = await page.evaluate<number>(
      "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN",
    )
    return { painted, ready, bytes }
  } finally {
    await context.close()
  }
}

async function median(browser: Browser, url: string, slow: boolean): Promise<Times> {
  const runs: Times[] = []
  for (let run = 0; run < RUNS; run++) runs.push(await open(browser, url, slow))
  const middle = (pick: (times: Times) => number) => runs.map(pick).toSorted((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0
  return {
    painted: middle(({ painted }) => painted),
    ready: middle(({ ready }) => ready),
    bytes: middle(({ bytes }) => bytes),
  }
}

const webRoot = await clientFolder((line) => console.log(line))
const { first, later } = await filesOf(webRoot)
const kb = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`
const script = await sizeOf(webRoot, first, '.js')
const sizes = new Table({ head: ['gzipped', 'scripts', 'styles'], style: { head: [] } })
sizes.push(
  ['before anything is shown', kb(script), kb(await sizeOf(webRoot, first, '.css'))],
  ['when a view is opened', kb(await sizeOf(webRoot, later, '.js')), kb(await sizeOf(webRoot, later, '.css'))],
)
console.log(sizes.toString())
const largest = await Promise.all(
  [...first, ...later]
    .filter((name) => name.endsWith('.js'))
    .map(async (name) => ({ name, bytes: await sizeOf(webRoot, [name], '.js') })),
)
for (const { name, bytes } of largest.toSorted((a, b) => b.bytes - a.bytes).slice(0, 6)) {
  console.log(`  ${kb(bytes).padStart(9)}  ${name}${first.includes(name) ? '' : ' (later)'}`)
}

const { chromium: executablePath } = await needs('chromium')
const sandbox = await startSandbox({ ids: ['bj-1'], console: { demo: true } })
const browser = await chromium.launch({ executablePath })
try {
  const times = new Table({
    head: [`median of ${RUNS}`, 'first paint', 'one can type', 'over the line'],
    style: { head: [] },
  })
  for (const [name, slow] of [
    ['this machine', false],
    ['a slow phone', true],
  ] as const) {
    const { painted, ready, bytes } = await median(browser, sandbox.app().url ?? '', slow)
    times.push([name, `${painted.toFixed(0)} ms`, `${ready.toFixed(0)} ms`, kb(bytes)])
  }
  console.log(times.toString())
} finally {
  await browser.close()
  await sandbox.close()
}
const fits = script <= LIMIT_KB * 1000
console.log(
  `Scripts before anything is shown: ${kb(script)}, at most ${LIMIT_KB} kB wanted: ${fits ? 'fits' : 'TOO MUCH'}.`,
)
if (!fits) process.exitCode = 1
