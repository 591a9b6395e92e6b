import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Locator, type Page } from 'playwright-core'
import { needs } from '../demo/needs.ts'
import { until } from '../demo/until.ts'

/** Nothing that a person waits for takes longer here; windows and rollouts have their own bounds. */
const PATIENCE_MS = 15_000

export const DESKTOP = { width: 1280, height: 800 }
export const PHONE = { width: 360, height: 740 }

/** The system's Chromium without a window. */
export async function startBrowser(): Promise<Browser> {
  const { chromium: executablePath } = await needs('chromium')
  return chromium.launch({ executablePath, args: ['--disable-dev-shm-usage'] })
}

export interface Look {
  size?: { width: number; height: number }
  dark?: boolean
  /** What the browser says its person reads; default en-US. */
  locale?: string
  touch?: boolean
}

/** One person at one browser: cookies and storage of their own. */
export interface Seat {
  page: Page
  /** Script errors, dialogs, refusals of the content security policy, calls of `ran`, as they happened. */
  trouble: string[]
  /** How often a document was loaded: once, and again with each reload. */
  loads(): number
  box: Locator
  /** The channel's card of this release. */
  card(release: string): Locator
  /** Types the line as it is, sends it, and waits for the answer; resolves with its words. */
  send(line: string): Promise<string>
  /** Through the person menu of the sandbox. */
  actAs(person: string): Promise<void>
  /** Presses a button of a card, and the same word in the question that comes. */
  press(where: Locator, label: string): Promise<void>
  /** Presses a button of a card whose press cannot count: that is said in words, and nothing is asked first. Resolves with them. */
  pressInVain(where: Locator, label: string): Promise<string>
  /** By the link in the page: nothing is loaded anew. */
  go(place: 'Channel' | 'Releases' | 'Fleet' | 'Audit'): Promise<void>
  /** What has to be scrolled sideways, and what a finger cannot hit. */
  narrowness(): Promise<string[]>
  /** What axe-core calls serious or critical on the page as it is now, with the elements. */
  barriers(): Promise<string[]>
  close(): Promise<void>
}

export async function sitDown(browser: Browser, url: string, look: Look = {}): Promise<Seat> {
  const context = await browser.newContext({
    viewport: look.size ?? DESKTOP,
    colorScheme: look.dark === true ? 'dark' : 'light',
    locale: look.locale ?? 'en-US',
    reducedMotion: 'reduce',
    hasTouch: look.touch ?? false,
  })
  context.setDefaultTimeout(PATIENCE_MS)
  const trouble: string[] = []
  let loads = 0
  // What is meant to run where it may not calls `ran`: it is there from the first moment on.
  await context.exposeFunction('ran', (what: unknown) => void trouble.push(`ran: ${String(what)}`))
  await context.exposeFunction('violated', (what: string) => void trouble.push(`policy: ${what}`))
  await context.addInitScript({ path: join(import.meta.dirname, 'console-page.js') })
  const page = await context.newPage()
  page.on('dialog', (dialog) => {
    trouble.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('pageerror', (error) => void trouble.push(`error: ${error.message}`))
  page.on('console', (line) => {
    if (line.type() === 'error') trouble.push(`console: ${line.text()}`)
  })
  page.on('domcontentloaded', () => {
    loads += 1
  })
  await page.goto(url)

  const box = page.getByRole('combobox', { name: 'Command' })
  const banner = page.getByRole('banner')
  const answer = page.getByRole('region', { name: 'Only you see this' })
  return {
    page,
    trouble,
    loads: () => loads,
    box,
    card: (release) =>
      page.getByRole('list', { name: /^Messages in / }).getByRole('article', { name: new RegExp(`^${release}\\s`) }),
    async send(line) {
      await box.fill(line)
      await box.press('Enter')
      await answer.getByRole('code').getByText(line, { exact: true }).waitFor()
      await page.getByRole('button', { name: 'Send', exact: true }).waitFor()
      return answer.innerText()
    },
    async actAs(person) {
      await banner.getByRole('button', { name: /Act as/ }).click()
      await page.getByRole('menuitem', { name: new RegExp(`^${person}\\b`) }).click()
      await banner.getByRole('button', { name: new RegExp(`^${person}\\b`) }).waitFor()
    },
    async press(where, label) {
      await where.getByRole('button', { name: label, exact: true }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByRole('button', { name: label, exact: true }).click()
      await dialog.waitFor({ state: 'hidden' })
    },
    async pressInVain(where, label) {
      await where.getByRole('button', { name: label, exact: true }).click()
      const words = where.locator('.told', { hasText: `${label}: it did not count` })
      await words.waitFor()
      if (await page.getByRole('dialog').isVisible()) throw new Error('asked all the same')
      return words.innerText()
    },
    async go(place) {
      const places = page.getByRole('navigation', { name: 'Main' })
      await places.getByRole('link', { name: place, exact: true }).click()
      await places.locator('[aria-current=page]').getByText(place, { exact: true }).waitFor()
    },
    narrowness: () => page.evaluate<string[]>('[...eyes.tooWide(), ...eyes.unreachable()]'),
    async barriers() {
      // A colour that is still on its way is judged as what it comes to.
      await until('nothing moves', () => page.evaluate<boolean>('eyes.still()'))
      await page.evaluate(axe.source)
      return page.evaluate<string[]>('eyes.barriers()')
    },
    close: () => context.close(),
  }
}

/** How many colours a drawn canvas shows; an empty one has one or none. */
export function colours(canvas: Locator): Promise<number> {
  return canvas.evaluate((element) => {
    const { eyes } = globalThis as unknown as { eyes: { colours(canvas: unknown): number } }
    return eyes.colours(element)
  })
}
