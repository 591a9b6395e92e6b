import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../demo/needs.ts'
import { userService } from '../scenarios/packages.ts'
import { type Sandbox, startSandbox } from '../scenarios/sandbox.ts'
import { type Seat, sitDown, startBrowser } from './console-kit.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 })

/** Each of them would call `ran` if the place where it is shown read it as markup, as a link, as a template or as a script. */
const corpus = [
  `<script>ran('script')</script>`,
  `<img src=x onerror=ran('img')>`,
  `<svg/onload=ran('svg')>`,
  `"><iframe srcdoc="<script>parent.ran('frame')</script>">`,
  `'" autofocus onfocus=ran('attribute') x='`,
  `<details open ontoggle=ran('toggle')>`,
  `<a href="javascript:ran('link')">press</a>`,
  `[press](javascript:ran('markdown'))`,
  `javascript:ran('address')`,
  `&lt;img src=x onerror=ran('entity')&gt;`,
  `\${ran('template')}{{constructor.constructor('ran(1)')()}}`,
  `</textarea></title></style><b onmouseover=ran('closing')>b</b>`,
  `<math><mtext><style><img src=x onerror=ran('mutation')></style></mtext></math>`,
  `<style>@import'data:text/css,*{background:red}'</style>`,
  `<base href=//127.0.0.1:9><form action=/><button formaction="javascript:ran('form')">go</button></form>`,
]
const [, img = '', svg = '', iframe = ''] = corpus

const NOT_FOUND = /status of (400|404)/

/** What of the corpus has become an element of the page. */
const FOREIGN =
  'img[src=x], svg[onload], iframe, details[ontoggle], [autofocus], [onmouseover], [onfocus], a[href^="javascript:"], base, form[action="/"], math, script:not([src])'

describe.skipIf(skipReal)('what people and hosts write, in the console', () => {
  let bot: Sandbox
  let browser: Browser
  const seats: Seat[] = []
  const sit = async (path = '/'): Promise<Seat> => {
    const seat = await sitDown(browser, `${bot.app().url}${path}`)
    seats.push(seat)
    return seat
  }
  /** Nothing of it is an element, and nothing has run. What the browser says about an answer of 400 or 404 may be `expected`. */
  const harmless = async ({ page, trouble }: Seat, where: string, expected?: RegExp) => {
    const elements = await page.locator(FOREIGN).evaluateAll((found) => found.map(String))
    const unexpected = trouble.filter((line) => expected?.test(line) !== true)
    expect({ where, elements, trouble: unexpected }).toEqual({ where, elements: [], trouble: [] })
  }

  beforeAll(async () => {
    ;[bot, browser] = await Promise.all([startSandbox(), startBrowser()])
    const knowledge = join(bot.folder, 'knowledge')
    await mkdir(knowledge)
    const head = (title: string, type: string) =>
      `---\ntitle: ${JSON.stringify(title)}\nservice: user-service\ntags: [http]\ntype: ${type}\nmitigation: rollback\n---\n${corpus.join('\n')}\n`
    await writeFile(join(knowledge, `${img}.md`), head(svg, 'disk_full'))
    await writeFile(join(knowledge, `'" autofocus onfocus=ran('file') x='.md`), head(iframe, 'memory_leak'))
    const { people, hosts } = bot.config() as { people: { id: string }[]; hosts: object[] }
    await bot.restart({
      console: { demo: true },
      sections: {
        knowledge,
        people: people.map((person, place) => ({ ...person, name: `${person.id} ${corpus[place + 1]}` })),
        hosts: hosts.map((host, place) => ({
          ...host,
          region: corpus[place + 1]?.slice(0, 64),
          labels: { rack: corpus[place + 3] ?? '', [svg]: img },
        })),
      },
    })
  })
  afterAll(async () => {
    await browser?.close()
    await bot?.close()
  })
  afterEach(async () => {
    await Promise.all(seats.splice(0).map((seat) => seat.close()))
    await bot.settle()
  })

  test('the trap closes: the same strings, in a page that reads them as markup, are found', async () => {
    const { page, trouble } = await sit()
    await page.goto('about:blank')
    // One in which all of it is read, before a style or a frame swallows the rest.
    await page.setContent([0, 1, 2, 5, 6].map((place) => corpus[place]).join('\n'))
    await expect
      .poll(() => trouble.filter((line) => line.startsWith('ran: ')))
      .toEqual(expect.arrayContaining(['ran: script', 'ran: img', 'ran: svg']))
    expect(await page.locator(FOREIGN).count()).toBeGreaterThan(3)
  })

  test('typed commands: each is shown to its author as it was typed, and so is what Rollcall answers', async () => {
    const seat = await sit()
    for (const line of corpus.flatMap((text) => [text, `/${text}`, `/release user-service ${text}`])) {
      expect(await seat.send(line)).toContain(line)
      await harmless(seat, line)
    }
    // What was typed is brought back, and completed, as text as well.
    for (const _ of corpus) await seat.box.press('ArrowUp')
    await harmless(seat, 'typed before')
  })

  test('names, labels, knowledge files, and what a version prints that does not start', async () => {
    bot.packages.publish('v1.1.0', {
      body: userService('v1.1.0', {
        files: { 'bin/start': `#!/bin/sh\ncat <<'END' >&2\n${corpus.join('\n')}\nEND\nexit 3\n` },
      }),
    })
    const id = await bot.approved('v1.1.0')
    await bot.becomes(id, ({ state }) => ['held', 'rolled back', 'aborted'].includes(state.at))
    const seat = await sit()
    const { page, card } = seat
    await card(id)
      .getByText(/^Rolled back/)
      .first()
      .waitFor()
    await harmless(seat, 'channel')
    await page
      .getByRole('banner')
      .getByRole('button', { name: /Act as/ })
      .click()
    await page
      .getByRole('menuitem')
      .filter({ hasText: `bob ${svg}` })
      .waitFor()
    await harmless(seat, 'person menu')
    await page
      .getByRole('menuitem')
      .filter({ hasText: `bob ${svg}` })
      .click()
    await page.getByRole('banner').getByRole('button', { name: /^bob / }).waitFor()

    await card(id)
      .getByRole('button', { name: /repl(y|ies)/ })
      .click()
    // What the host printed last stands there, as its own.
    const said = page.getByRole('list', { name: 'Replies' }).locator('pre')
    await expect.poll(async () => (await said.allInnerTexts()).join('\n')).toContain(corpus.slice(-3).join('\n'))
    await harmless(seat, 'thread')
    await card(id)
      .getByRole('link', { name: `Release page ${id}` })
      .click()
    await page.getByRole('table', { name: 'Hosts' }).getByRole('button', { name: 'bj-1' }).click()
    // The newest job is the way back; the first one printed it.
    await page.getByRole('dialog').getByRole('combobox').first().click()
    await page.locator('.ant-select-item-option[aria-selected=false]').first().click()
    const log = page.getByRole('log')
    await expect.poll(() => log.innerText()).toContain(corpus.join('\n'))
    await harmless(seat, 'output')
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
    await page.getByRole('tab', { name: 'Plan' }).click()
    await page.getByText(`${img}.md`).first().waitFor()
    await harmless(seat, 'plan')
    for (const [place, shown] of [
      ['Releases', id],
      ['Fleet', img],
      ['Audit', 'release.approve'],
    ] as const) {
      await seat.go(place)
      await page.getByText(shown).first().waitFor()
      await harmless(seat, place)
    }
  })

  test('a checksum, a path and a search that are markup', async () => {
    bot.packages.publish('v1.2.0', { body: userService('v1.2.0'), sha256: img })
    const id = await bot.request('v1.2.0')
    await bot.reach(id, 'refused')
    const seat = await sit()
    await seat.card(id).getByText('v1.2.0').first().waitFor()
    await harmless(seat, 'channel')
    const { page } = seat
    for (const text of corpus) {
      const word = encodeURIComponent(text)
      for (const path of [
        `/?channel=${word}&thread=${word}`,
        `/releases/${word}`,
        `/releases/${id}?tab=${word}&host=${word}`,
        `/fleet?service=${word}&q=${word}`,
        `/${word}`,
      ]) {
        await page.goto(`${bot.app().url}${path}`)
        const said = page.locator('main, pre').first()
        await expect.poll(() => said.innerText(), { timeout: 15_000 }).not.toMatch(/^\s*(Loading…)?\s*$/)
        // What is not there is not found; nothing else may have gone wrong.
        await harmless(seat, path, NOT_FOUND)
      }
    }
    await page.goto(`${bot.app().url}/fleet`)
    const search = page.getByLabel('Host, address, label')
    for (const text of corpus) {
      await search.fill(text)
      await harmless(seat, `search for ${text}`, NOT_FOUND)
    }
  })
})
