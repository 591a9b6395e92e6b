import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { stringify } from 'yaml'
import { clientFolder } from '../../src/app.ts'
import { freePorts } from '../../src/demo/processes.ts'
import { skipReal } from '../demo/needs.ts'
import { until } from '../demo/until.ts'
import { startThatWaits, userService } from '../scenarios/packages.ts'
import { type Sandbox, startSandbox } from '../scenarios/sandbox.ts'
import { type Seat, sitDown, startBrowser } from './console-kit.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 })

const root = join(import.meta.dirname, '..', '..')
const main = join(root, 'src/main.ts')
const PATIENCE_MS = 30_000
/** While it works, and a moment longer, its sign stands before the words. */
const SIGN_IN = /Sign in$/

describe.skipIf(skipReal)('the console of a bot that serves', () => {
  let world: Sandbox
  let config: string
  let url: string
  let bot: ChildProcess | undefined
  let browser: Browser
  const seats: Seat[] = []

  /** The bot in a process of its own, as people start it; resolves when it listens. */
  const serve = async () => {
    const child = spawn(process.execPath, [main, 'serve', '--config', config], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    bot = child
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part) => {
        said += part
      })
    await until('listens', () => said.includes('Rollcall listens: ') || child.exitCode !== null, PATIENCE_MS)
    if (child.exitCode !== null) throw new Error(`the bot ended: ${said}`)
  }
  const kill = async () => {
    const child = bot
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
  const tokenOf = async (person: string): Promise<string> => {
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'token', person, '--config', config], {
      cwd: root,
    })
    return stdout.split('\n')[0] ?? ''
  }
  const sit = async (): Promise<Seat> => {
    const seat = await sitDown(browser, url)
    seats.push(seat)
    return seat
  }
  const signIn = async ({ page }: Seat, token: string) => {
    await page.getByLabel('Personal token').fill(token)
    await page.getByRole('button', { name: SIGN_IN }).click()
  }
  const asPerson = async (person: string): Promise<Seat> => {
    const seat = await sit()
    await signIn(seat, await tokenOf(person))
    await seat.box.waitFor()
    return seat
  }

  beforeAll(async () => {
    await clientFolder(() => {})
    ;[world, browser] = await Promise.all([startSandbox({ recipe: { commandTimeout: '60s' } }), startBrowser()])
    world.packages.publish('v1.1.0', { body: userService('v1.1.0', { files: startThatWaits }) })
    await world.leave()
    const [port] = await freePorts(1)
    url = `http://127.0.0.1:${port}`
    config = join(world.folder, 'rollcall.yaml')
    await writeFile(config, stringify({ ...world.config(), console: { port } }))
    await serve()
  })
  afterAll(async () => {
    await browser?.close()
    await kill()
    await world?.close()
  })
  afterEach(() => Promise.all(seats.splice(0).map((seat) => seat.close())))

  test('signing in: a wrong token is refused in words, a right one opens the console until one signs out', async () => {
    const seat = await sit()
    const { page } = seat
    await page.getByRole('button', { name: SIGN_IN }).click()
    await page.getByText('Paste your token first.').waitFor()
    await signIn(seat, `rct_${'x'.repeat(43)}`)
    await page
      .getByRole('alert')
      .getByText(/token|sign-in|sign in/i)
      .first()
      .waitFor()
    expect(await seat.box.count()).toBe(0)
    expect(await seat.barriers()).toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.locator('html[data-theme=dark]').waitFor()
    expect(await seat.barriers()).toEqual([])

    await signIn(seat, await tokenOf('vera'))
    await seat.box.waitFor()
    const person = page.getByRole('banner').getByRole('button', { name: /^vera/ })
    expect(await page.context().cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }])
    await page.reload()
    await person.click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByLabel('Personal token').waitFor()
    expect(await page.context().cookies()).toEqual([])
    await page.goto(`${url}/fleet`)
    await page.getByLabel('Personal token').waitFor()
    expect((await page.request.get(`${url}/api/v1/releases`)).status()).toBe(401)
    // The browser itself reports answers from 400 on; nothing else went wrong.
    expect(seat.trouble.filter((line) => !/status of 401/.test(line))).toEqual([])
  })

  test('Chinese: chosen in the shell, and still there after a reload', async () => {
    const { page, trouble } = await asPerson('vera')
    await page.getByRole('button', { name: 'Language' }).click()
    await page.getByRole('menuitem', { name: '中文' }).click()
    const places = page.getByRole('navigation').first()
    await places.getByRole('link', { name: '频道', exact: true }).waitFor()
    await page.reload()
    await places.getByRole('link', { name: '主机群', exact: true }).waitFor()
    await page.getByRole('button', { name: '发送', exact: true }).waitFor()
    expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
    await places.getByRole('link', { name: '主机群', exact: true }).click()
    // The server answers in the language of the page.
    await page.getByText('运行中').first().waitFor()
    expect(trouble).toEqual([])
  })

  test('the bot is killed in the middle of a rollout and started again: the open pages say so, and then show what is true', async () => {
    const alice = await asPerson('alice')
    const bob = await asPerson('bob')
    const vera = await asPerson('vera')
    await alice.send('/release user-service v1.1.0')
    expect(await vera.pressInVain(vera.card('R-1'), 'Approve')).toContain(
      'needs the role approver or admin; vera has viewer',
    )
    expect(await vera.send('/release user-service v1.1.0')).toMatch(/needs the role operator or admin/)

    await bob.press(bob.card('R-1'), 'Approve')
    await bob.card('R-1').getByRole('link', { name: 'Release page R-1' }).click()
    const row = (state: string) =>
      bob.page
        .getByRole('table', { name: 'Hosts' })
        .getByRole('row')
        .filter({ has: bob.page.getByText(state, { exact: true }) })
    await row('deploying').waitFor()
    await row('pending').waitFor()
    await until(
      'a start that waits',
      () => world.hosts.some((host) => existsSync(join(host.root, 'at-start'))),
      PATIENCE_MS,
    )

    await kill()
    for (const { page } of [alice, bob]) await page.getByText(/^Connection lost\./).waitFor()
    // The host goes on without the bot.
    for (const host of world.hosts) await writeFile(join(host.root, 'go'), '')
    await serve()
    for (const { page } of [alice, bob]) {
      await page.getByText(/^Connection lost\./).waitFor({ state: 'hidden' })
      await page.getByRole('banner').getByText('Live', { exact: true }).waitFor()
    }
    // Nothing measures here: after each batch the gate asks.
    await row('deploying').waitFor({ state: 'hidden' })
    await row('pending').waitFor()
    const asked = alice.card('R-1')
    await asked
      .getByText(/^Held: /)
      .first()
      .waitFor()
    await alice.press(asked, 'Promote')
    await row('pending').waitFor({ state: 'hidden' })
    await asked
      .getByText(/^Held: /)
      .first()
      .waitFor()
    await alice.press(asked, 'Promote')
    await asked.getByText(/^Done/).first().waitFor()
    await row('healthy').nth(1).waitFor()
    for (const each of [alice, bob, vera]) {
      expect(each.loads()).toBe(1)
      // The browser reports each request that nobody answered.
      expect(each.trouble.filter((line) => !/Failed to load resource/.test(line))).toEqual([])
    }
    const [first] = world.hosts
    expect(first && world.starts(first.id)).toEqual(['v1.0.0', 'v1.1.0'])
  })
})
