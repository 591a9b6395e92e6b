/**
 * `npm run screenshots [-- --out docs/screenshots]`
 *
 * Plays the sandbox in the console as people would (a good release, then one that its gate takes back, then one that waits for
 * its approval, and then is held by an alert) and takes the README's pictures of it. It takes about three minutes.
 */
import { mkdir, mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type App, clientFolder, createApp, readConfig } from '../src/app.ts'
import { obtain } from '../src/demo/parts.ts'
import { startWorld } from '../src/demo/world.ts'
import { createLog } from '../src/lib/log.ts'

const { values } = parseArgs({ options: { out: { type: 'string', default: 'docs/screenshots' } } })

const DESKTOP = { width: 1280, height: 800 }
/** A whole card that waits for approval. */
const TALL = { width: 1280, height: 1130 }
const PHONE = { width: 390, height: 844 }
/** A report with its chart. */
const REPORT = { width: 1100, height: 1500 }
/** Preparation and three windows with their deploys. */
const ROLLOUT_MS = 180_000
const LIMIT_KB = 200
/** Charts stand in it. */
const REPORT_KB = 400
/** Limits are derived from what the service did before: it gets that much of a past first. */
const HISTORY_MS = 20_000

/** Twice the sandbox's hosts: a fleet, not a handful. */
const hosts = ['beijing', 'shanghai', 'shenzhen'].flatMap((region) =>
  [1, 2, 3, 4].map((n) => ({ id: `${{ beijing: 'bj', shanghai: 'sh', shenzhen: 'sz' }[region]}-${n}`, region })),
)

interface Look {
  person?: string
  size?: { width: number; height: number }
  dark?: boolean
  /** In pixels of the picture per pixel of the page. */
  scale?: number
}

async function main(app: App, browser: Browser): Promise<void> {
  await mkdir(values.out, { recursive: true })
  const seat = async (path: string, { person = 'bob', size = DESKTOP, dark = false, scale = 1 }: Look = {}) => {
    const context = await browser.newContext({
      viewport: size,
      deviceScaleFactor: scale,
      colorScheme: dark ? 'dark' : 'light',
      locale: 'en-US',
      reducedMotion: 'reduce',
    })
    const headers = { origin: app.url ?? '' }
    const answer = await context.request.post(`${app.url}/api/v1/session`, { data: { person }, headers })
    if (!answer.ok()) throw new Error(`${person} was not let in: ${answer.status()}`)
    const page = await context.newPage()
    await page.goto(`${app.url}${path}`)
    return page
  }
  const take = async (page: Page, name: string, limit = LIMIT_KB) => {
    await page.evaluate('document.fonts.ready')
    // The caret and the pointer are nowhere in particular.
    await page.mouse.move(0, 0)
    const path = join(values.out, `${name}.png`)
    await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
    const kb = (await stat(path)).size / 1000
    console.log(`${path}  ${kb.toFixed(0)} kB${kb > limit ? ', TOO LARGE' : ''}`)
    if (kb > limit) process.exitCode = 1
    await page.context().close()
  }
  const request = async (page: Page, version: string): Promise<string> => {
    const box = page.getByRole('combobox', { name: 'Command' })
    await box.fill(`/release user-service ${version}`)
    await box.press('Enter')
    const told = await page.getByText(/^R-\d+: preparing/).innerText()
    await page.getByRole('button', { name: 'Dismiss the answer' }).click()
    return told.split(':')[0] ?? ''
  }
  const cardOf = (page: Page, id: string) =>
    page.getByRole('list', { name: /^Messages in/ }).getByRole('article', { name: new RegExp(`^${id} `) })
  const approve = async (page: Page, id: string) => {
    await cardOf(page, id).getByRole('button', { name: 'Approve', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Approve', exact: true }).click()
  }

  const alice = await seat('/', { person: 'alice' })
  const bob = await seat('/')
  for (const page of [alice, bob]) await page.getByRole('button', { name: 'Hide the guide' }).click()

  const good = await request(alice, 'v1.1.0')
  await approve(bob, good)
  await cardOf(bob, good).getByText('Batch 2 of 3: observing', { exact: false }).waitFor({ timeout: ROLLOUT_MS })
  const progress = await seat(`/releases/${good}?tab=progress`)
  await progress.getByRole('table', { name: 'Hosts' }).waitFor()
  await take(progress, 'progress')
  // A dozen hosts fill the upper half.
  const mixed = await seat('/fleet', { dark: true, size: { width: 1280, height: 420 } })
  await mixed.getByText('v1.1.0').first().waitFor()
  await take(mixed, 'fleet-dark')
  await cardOf(bob, good).getByText(/^Done/).first().waitFor({ timeout: ROLLOUT_MS })

  const bad = await request(alice, 'v1.2.0')
  await approve(bob, bad)
  await cardOf(bob, bad)
    .getByText(/^Rolled back/)
    .first()
    .waitFor({ timeout: ROLLOUT_MS })
  for (const dark of [false, true]) {
    const gate = await seat(`/releases/${bad}?tab=gate`, { dark })
    await gate
      .getByRole('img', { name: /during/ })
      .locator('canvas')
      .waitFor()
    // The chart is what the picture is about: it stands whole in it.
    await gate.evaluate("document.querySelector('.rel-tab').scrollIntoView({ block: 'start' })")
    await take(gate, dark ? 'gate-dark' : 'gate')
  }

  const waiting = await request(alice, 'v1.2.0')
  await cardOf(bob, waiting).getByRole('button', { name: 'Approve', exact: true }).waitFor({ timeout: ROLLOUT_MS })
  for (const [name, look] of [
    ['channel', { size: TALL }],
    ['channel-dark', { size: TALL, dark: true }],
    ['phone', { size: PHONE }],
    ['phone-dark', { size: PHONE, dark: true }],
  ] as const) {
    const page = await seat('/', look)
    const approval = cardOf(page, waiting).getByRole('button', { name: 'Approve', exact: true })
    await approval.waitFor()
    await approval.scrollIntoViewIfNeeded()
    await take(page, name)
  }
  const thread = await seat(`/?thread=${encodeURIComponent(`${bad}/card`)}`)
  await thread.getByRole('list', { name: 'Replies' }).getByRole('article').first().waitFor()
  await take(thread, 'thread')
  const history = await seat('/releases')
  await history.getByText(waiting).first().waitFor()
  await take(history, 'history')

  // The same version, promoted past its gate: an alert holds it, and the report says why.
  await approve(bob, waiting)
  await cardOf(alice, waiting).getByRole('button', { name: 'Promote', exact: true }).click({ timeout: ROLLOUT_MS })
  await alice.getByRole('dialog').getByRole('button', { name: 'Promote', exact: true }).click()
  const incident = await reported(app)
  const report = await seat(`/alerts/${incident}`, { size: REPORT })
  const message = report.getByRole('article', { name: /^Diagnosis of / })
  await message.getByRole('img').first().waitFor()
  await message.evaluate('(element) => element.scrollIntoView({ block: "start" })')
  await take(report, 'report', REPORT_KB)
  await alice.context().close()
  await bob.context().close()
}

/** The first incident whose report is complete. */
async function reported({ desk }: App): Promise<string> {
  const until = Date.now() + ROLLOUT_MS
  for (;;) {
    for await (const { id, report } of desk.incidents.newest()) {
      if (report !== undefined && (await desk.reports.get(report))?.status === 'completed') return id
    }
    if (Date.now() > until) throw new Error('no alert was diagnosed')
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

const abort = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => abort.abort(new Error(name)))
const say = (line: string) => console.log(line)
const { found } = await obtain(['chromium'], { say })
if (found.chromium === undefined) throw new Error('no chromium')
const webRoot = await clientFolder(say)
const folder = await mkdtemp(join(tmpdir(), 'rollcall-screenshots-'))
const world = await startWorld({ folder, say, signal: abort.signal, hosts, rps: 15 })
const browser = await chromium.launch({ executablePath: found.chromium })
let app: App | undefined
try {
  app = await createApp(readConfig({ ...world.config, console: { port: 0 } }), {
    write: () => {},
    log: createLog({ level: 'warn' }),
    console: { webRoot, demo: true },
  })
  await app.start()
  await world.alertsTo(`${app.url}/api/v1/alertmanager`)
  await new Promise((resolve) => setTimeout(resolve, HISTORY_MS))
  await main(app, browser)
} finally {
  await browser.close()
  await app?.stop(5000)
  await world.stop()
}
