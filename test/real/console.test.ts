import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../demo/needs.ts'
import { userService } from '../scenarios/packages.ts'
import { loadOn, measuredPolicy, type Steered, steeredPrometheus } from '../scenarios/prometheus.ts'
import { type Sandbox, startSandbox } from '../scenarios/sandbox.ts'
import { colours, type Look, PHONE, type Seat, sitDown, startBrowser } from './console-kit.ts'

// Releases with windows of eight seconds, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

/** Alice may approve, only never what she requested. */
const people = [
  { id: 'alice', roles: ['operator', 'approver'] },
  { id: 'bob', roles: ['approver'] },
  { id: 'carol', roles: ['operator', 'approver'] },
  { id: 'vera', roles: ['viewer'] },
]

/** Longer than a rollout over both hosts takes. */
const ROLLOUT = { timeout: 60_000 }

describe.skipIf(skipReal)('the console on a measured fleet', () => {
  let folder: string
  let prometheus: Steered
  let bot: Sandbox
  let load: () => Promise<void>
  let browser: Browser
  const seats: Seat[] = []
  const sit = async (path = '/', look?: Look): Promise<Seat> => {
    const seat = await sitDown(browser, `${bot.app().url}${path}`, look)
    seats.push(seat)
    return seat
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-console-'))
    prometheus = await steeredPrometheus(folder)
    ;[bot, browser] = await Promise.all([
      startSandbox({
        prometheus: { url: prometheus.url },
        policy: measuredPolicy,
        console: { demo: true },
        sections: { people },
      }),
      startBrowser(),
      prometheus.start(),
    ])
    load = loadOn(bot.hosts, 40)
    await prometheus.aim(bot.hosts)
    for (const version of ['v1.1.0', 'v1.3.0']) bot.packages.publish(version, { body: userService(version) })
    const failing = userService('v1.2.0', { behaviour: { errorRate: 0.08 } })
    bot.packages.publish('v1.2.0', { body: failing })
  })
  afterAll(async () => {
    await browser?.close()
    await load?.()
    await bot?.close()
    await prometheus?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    const trouble = seats.flatMap((seat) => seat.trouble)
    await Promise.all(seats.splice(0).map((seat) => seat.close()))
    // A test that failed half-way leaves its release running; the next one must find the service free.
    await bot.settle()
    expect(trouble).toEqual([])
  })

  test('a request typed with completion, refused to its author, approved by another, and followed to its end on a page that is never loaded again', async () => {
    const { page, box, card, press, pressInVain, actAs, go, loads } = await sit()
    await box.pressSequentially('/rel')
    await page.getByRole('option', { name: /\/release/ }).waitFor()
    await box.press('Tab')
    expect(await box.inputValue()).toBe('/release ')
    await box.pressSequentially('use')
    await page.getByRole('option', { name: /user-service/ }).waitFor()
    await box.press('Tab')
    expect(await box.inputValue()).toBe('/release user-service ')
    await box.pressSequentially('v1.1.0')
    await box.press('Enter')
    const mine = card('R-1')
    await mine.getByText('Waits for 1 approval').waitFor()

    expect(await pressInVain(mine, 'Approve')).toContain('You requested R-1; somebody else has to approve it.')
    await mine.getByText('Waits for 1 approval').waitFor()
    expect((await bot.app().desk.releases.need('R-1')).approvals).toEqual([])

    await actAs('bob')
    await mine.getByRole('button', { name: 'Approve', exact: true }).click()
    const question = page.getByRole('dialog')
    await question.getByText('Release user-service v1.1.0 to 2 hosts?').waitFor()
    await question.getByRole('button', { name: 'Cancel' }).click()
    await question.waitFor({ state: 'hidden' })
    expect((await bot.app().desk.releases.need('R-1')).state.at).toBe('awaiting approval')
    await press(mine, 'Approve')
    await mine.getByText('Approve: it counted').waitFor()

    await mine.getByRole('link', { name: 'Release page R-1' }).click()
    const hosts = page.getByRole('table', { name: 'Hosts' })
    const { plan } = await bot.app().desk.releases.need('R-1')
    const [first = '', second = ''] = plan?.batches.flatMap((batch) => batch.hosts.map(({ id }) => id)) ?? []
    await row(page, first, 'healthy', 'v1.1.0').waitFor()
    await row(page, second, 'pending', 'v1.0.0').waitFor()
    await page.getByText(/Batch 1 of 2: observing, \d+ s left/).waitFor()
    await row(page, second, 'healthy', 'v1.1.0').waitFor(ROLLOUT)
    await expect.poll(() => hosts.getByRole('row').count()).toBe(3)
    await page
      .getByText(/^done$/)
      .first()
      .waitFor()
    await go('Channel')
    await mine.getByText(/Done/).first().waitFor()
    expect(loads()).toBe(1)
    expect(await bot.running()).toEqual({ 'bj-1': 'v1.1.0 running', 'sh-1': 'v1.1.0 running' })
  })

  test('what a browser loads before the channel is there: at most 400 kB of scripts, and no charts', async () => {
    const { page, box } = await sit()
    await box.waitFor()
    const scripts = await page.evaluate<{ name: string; bytes: number }[]>(
      `performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js'))
        .map(({ name, encodedBodySize }) => ({ name, bytes: encodedBodySize }))`,
    )
    const bytes = scripts.reduce((sum, script) => sum + script.bytes, 0)
    expect(bytes).toBeGreaterThan(100_000)
    expect(bytes).toBeLessThanOrEqual(400_000)
    expect(scripts.filter(({ name }) => /chart/i.test(name))).toEqual([])
  })

  test('a release that is done is taken back by its button', async () => {
    const { card, press, actAs } = await sit()
    await actAs('bob')
    const done = card('R-1')
    await press(done, 'Roll back')
    await done.getByText('Roll back: it counted').waitFor()
    await done
      .getByText(/^Rolled back/)
      .first()
      .waitFor()
    await bot.reach('R-1', 'rolled back')
    expect(await bot.running()).toEqual({ 'bj-1': 'v1.0.0 running', 'sh-1': 'v1.0.0 running' })
  })

  test('a version that fails its gate: the card says so with the numbers, and the Gate tab draws both groups', async () => {
    const { page, send, card, press, actAs, loads } = await sit()
    await send('/release user-service v1.2.0')
    const bad = card('R-2')
    await bad.getByText('Waits for 1 approval').waitFor()
    await actAs('bob')
    await press(bad, 'Approve')
    await bad
      .getByText(/^Rolled back/)
      .first()
      .waitFor(ROLLOUT)
    // What was measured, and what the limit is.
    await bad
      .getByText(/Error Rate.* \d+(\.\d+)? %.*limit 5(\.0)? %/i)
      .first()
      .waitFor()
    await bot.reach('R-2', 'rolled back')

    await bad.getByRole('link', { name: 'Release page R-2' }).click()
    await page.getByRole('tab', { name: 'Gate' }).click()
    const chart = page.getByRole('img', { name: /^Error Rate during .*upgraded hosts.*waiting ones/ })
    await chart.waitFor()
    await expect.poll(() => colours(chart.locator('canvas'))).toBeGreaterThan(2)
    const levels = page.getByRole('table', { name: 'Error Rate: median of the hosts' })
    const [upgraded, waiting] = await Promise.all(
      ['upgraded hosts', 'waiting hosts'].map((group) =>
        levels
          .getByRole('row')
          .filter({ has: page.getByText(group, { exact: true }) })
          .getByRole('cell')
          .allInnerTexts(),
      ),
    )
    // Before, after, change: 8 % of the answers of the new version are errors, none of the old one.
    expect(Number.parseFloat(upgraded?.[2] ?? '')).toBeGreaterThan(4)
    expect(Number.parseFloat(waiting?.[2] ?? '')).toBe(0)
    expect(loads()).toBe(1)
    expect(await bot.running()).toEqual({ 'bj-1': 'v1.0.0 running', 'sh-1': 'v1.0.0 running' })
  })

  test('two people who press Approve at once: one press counts, both are answered, both see the same', async () => {
    const id = await bot.request('v1.3.0')
    await bot.reach(id, 'awaiting approval')
    const pair = await Promise.all(
      ['bob', 'carol'].map(async (person) => {
        const seat = await sit()
        await seat.actAs(person)
        await seat.card(id).getByRole('button', { name: 'Approve', exact: true }).click()
        await seat.page.getByRole('dialog').waitFor()
        return seat
      }),
    )
    await Promise.all(
      pair.map(({ page }) => page.getByRole('dialog').getByRole('button', { name: 'Approve', exact: true }).click()),
    )
    const answers = await Promise.all(
      pair.map(({ card }) =>
        card(id)
          .getByText(/^Approve: it (counted|did not count)$/)
          .innerText(),
      ),
    )
    expect(answers.toSorted()).toEqual(['Approve: it counted', 'Approve: it did not count'])
    const { approvals } = await bot.app().desk.releases.need(id)
    expect(approvals).toHaveLength(1)
    const winner = approvals[0]?.by ?? ''
    expect(answers[['bob', 'carol'].indexOf(winner)]).toBe('Approve: it counted')
    const [loser] = pair.filter((_, place) => ['bob', 'carol'][place] !== winner)
    await loser
      ?.card(id)
      .getByText(new RegExp(`^${id} .*\\b${winner}\\b`))
      .first()
      .waitFor()
    for (const { card } of pair) {
      await card(id).getByRole('button', { name: 'Pause', exact: true }).waitFor()
      expect(await card(id).getByRole('button', { name: 'Approve', exact: true }).count()).toBe(0)
    }
  })

  test('on a phone: request, approval, thread and release page, and nothing is cut off or too small to hit', async () => {
    const { page, send, card, press, actAs, go, narrowness } = await sit('/', { size: PHONE, touch: true })
    const found: string[] = []
    const look = async (where: string) => found.push(...(await narrowness()).map((each) => `${where}: ${each}`))
    const answer = await send('/release user-service v1.3.0')
    const id = /R-\d+/.exec(answer)?.[0] ?? ''
    const asked = card(id)
    await asked.getByText('Waits for 1 approval').waitFor()
    await look('channel')
    await actAs('bob')
    await asked.getByRole('button', { name: 'Approve', exact: true }).click()
    await page.getByRole('dialog').waitFor()
    await look('question')
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await press(asked, 'Approve')
    await asked.getByText('Approve: it counted').waitFor()

    await asked.getByRole('button', { name: /repl(y|ies)/ }).click()
    await page.getByRole('heading', { name: 'Thread' }).waitFor()
    await page.getByRole('list', { name: 'Replies' }).getByRole('article').first().waitFor()
    await look('thread')
    await page.getByRole('button', { name: 'Back to the channel' }).click()
    await asked.getByRole('link', { name: `Release page ${id}` }).click()
    for (const tab of ['Progress', 'Gate', 'Plan', 'Thread']) {
      await page.getByRole('tab', { name: tab }).click()
      await page.getByRole('tabpanel', { name: tab }).waitFor()
      await look(tab)
    }
    for (const place of ['Releases', 'Fleet', 'Audit'] as const) {
      await go(place)
      await page.getByRole('heading', { level: 1 }).waitFor()
      await look(place)
    }
    expect(found).toEqual([])
  })

  test('by keyboard alone: to the command box, a completed command, another person, Approve and its question', async () => {
    const { page, box, card } = await sit()
    await box.waitFor()
    const reach = async (step: 'Tab' | 'Shift+Tab', name: RegExp, within = '') => {
      for (let times = 0; times < 80; times++) {
        await page.keyboard.press(step)
        const focused = page.locator(`${within} *:focus`)
        if ((await focused.count()) === 1 && name.test((await nameOf(page)) ?? '')) return
      }
      throw new Error(`not reached by ${step}: ${name}`)
    }
    await reach('Tab', /^Command$/)
    await page.keyboard.type('/rele')
    await page.getByRole('option', { name: /\/release/ }).waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    expect(await box.inputValue()).toBe('/release ')
    await page.keyboard.type('user-service v1.3.0')
    await page.keyboard.press('Enter')
    const answer = page.getByRole('region', { name: 'Only you see this' })
    const id = /R-\d+/.exec(await answer.getByText(/R-\d+: preparing/).innerText())?.[0] ?? ''
    await card(id).getByText('Waits for 1 approval').waitFor()

    await reach('Shift+Tab', /Act as/, 'header')
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: /^bob\b/ }).waitFor()
    // Into the menu, where the arrows go from one person to the next.
    if (!/^(alice|bob|vera|carol) (?!Act as)/.test((await nameOf(page)) ?? '')) await page.keyboard.press('Tab')
    for (let times = 0; times < 6 && !/^bob\b/.test((await nameOf(page)) ?? ''); times++) {
      const before = await nameOf(page)
      await page.keyboard.press('ArrowDown')
      await expect.poll(() => nameOf(page)).not.toBe(before)
    }
    expect(await nameOf(page)).toMatch(/^bob\b/)
    await page.keyboard.press('Enter')
    await page
      .getByRole('banner')
      .getByRole('button', { name: /^bob\b/ })
      .waitFor()

    await reach('Tab', /^Command$/)
    await reach('Shift+Tab', /^Approve$/, `[data-key^="${id}"]`)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    // The focus is inside, and stays there.
    expect(await nameOf(page)).toBe('Approve')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await expect.poll(() => nameOf(page), { message: 'the focus goes back to the button' }).toBe('Approve')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Enter')
    await card(id).getByText('Approve: it counted').waitFor()
  })

  test('no view has a serious barrier for those who use a screen reader or need contrast, in light and in dark', async () => {
    const { page, actAs, barriers } = await sit()
    await actAs('bob')
    const list = page.getByRole('list', { name: /^Messages in / })
    await list.getByRole('article').first().waitFor()
    const { url } = bot.app()
    const key =
      (await page
        .locator('[data-key]', { has: page.getByRole('heading', { name: /^R-2 / }) })
        .getAttribute('data-key')) ?? ''
    const views: [path: string, ready: () => Promise<void>][] = [
      ['/', () => list.getByRole('article').first().waitFor()],
      [
        `/?thread=${encodeURIComponent(key)}`,
        () => page.getByRole('list', { name: 'Replies' }).getByRole('article').first().waitFor(),
      ],
      ['/releases', () => page.getByRole('region', { name: 'List of releases' }).getByText('R-2').first().waitFor()],
      ['/releases/R-2?tab=progress', () => page.getByRole('table', { name: 'Hosts' }).waitFor()],
      [
        '/releases/R-2?tab=gate',
        () =>
          page
            .getByRole('img', { name: /during/ })
            .locator('canvas')
            .waitFor(),
      ],
      ['/releases/R-2?tab=plan', () => page.getByRole('table').first().waitFor()],
      ['/releases/R-2?tab=thread', () => page.getByRole('article').first().waitFor()],
      ['/releases/R-2?tab=progress&host=bj-1', () => page.getByRole('log').waitFor()],
      ['/fleet', () => page.getByText('user-service').first().waitFor()],
      ['/audit', () => page.getByText('release.approve').first().waitFor()],
      ['/nowhere', () => page.getByText('There is no such page.').waitFor()],
    ]
    const found: string[] = []
    for (const [path, ready] of views) {
      await page.goto(`${url}${path}`)
      await ready()
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await page.locator(`html[data-theme=${colorScheme}]`).waitFor()
        found.push(...(await barriers()).map((each) => `${path} ${colorScheme}: ${each}`))
      }
    }
    expect(found).toEqual([])
  })
})

function row(page: Page, host: string, state: string, version: string) {
  return page
    .getByRole('table', { name: 'Hosts' })
    .getByRole('row')
    .filter({ has: page.getByRole('button', { name: host, exact: true }) })
    .filter({ has: page.getByText(state, { exact: true }) })
    .filter({ has: page.getByText(version, { exact: true }) })
}

/** What a screen reader would call what has the focus; undefined when nothing has it. */
async function nameOf(page: Page): Promise<string | undefined> {
  const focused = page.locator('body *:focus')
  if ((await focused.count()) === 0) return undefined
  const [line = ''] = (await focused.ariaSnapshot()).split('\n')
  return /"(.*)"/.exec(line)?.[1] ?? /^- \w+: (.*)/.exec(line)?.[1]
}
