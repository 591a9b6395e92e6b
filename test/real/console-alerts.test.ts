import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { commands } from '../../commands/index.ts'
import { createChannel } from '../../src/adapters/channel/index.ts'
import { createCharts } from '../../src/adapters/charts/index.ts'
import { clientFolder } from '../../src/entry/http/client.ts'
import { createConsole } from '../../src/entry/http/console.ts'
import type { HttpServer } from '../../src/entry/http/server.ts'
import { EPISODES, type Episode, episodeId, toJson } from '../../src/incident/alert.ts'
import { alertsSchema } from '../../src/incident/config.ts'
import type { Incident } from '../../src/incident/incident.ts'
import type { Message } from '../../src/ports/chat.ts'
import type { Silences } from '../../src/ports/silences.ts'
import { chart } from '../adapters/charts/kit.ts'
import { skipReal } from '../demo/needs.ts'
import { type Console, testConsole } from '../entry/http/kit.ts'
import { type Look, PHONE, type Seat, sitDown, startBrowser } from './console-kit.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const hostile = [
  `<script>ran('script')</script>`,
  `<img src=x onerror=ran('img')>`,
  `"><iframe srcdoc="<script>parent.ran('frame')</script>">`,
  `javascript:ran('address')`,
  `[press](javascript:ran('markdown'))`,
  `【<b onmouseover=ran('heading')>】`,
]
const FOREIGN = 'img[src=x], iframe, [onmouseover], a[href^="javascript:"], script:not([src])'

describe.skipIf(skipReal)('alerts in the console', () => {
  let folder: string
  let world: Console
  let server: HttpServer
  let url: string
  let browser: Browser
  const silences: Parameters<Silences['create']>[1][] = []
  const seats: Seat[] = []
  const channel = () => createChannel({ store: world.desk.store, clock: world.desk.clock, surfaces: [] })
  const sit = async (path = '/', look?: Look): Promise<Seat> => {
    const seat = await sitDown(browser, `${url}${path}`, look)
    seats.push(seat)
    return seat
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-console-alerts-'))
    const config = alertsSchema.parse({ sources: [{ name: 'am', url: 'http://127.0.0.1:9' }], diagnose: [] })
    ;[world, browser] = await Promise.all([
      testConsole({
        incident: {
          config,
          postEveryMs: 1,
          silences: {
            async create(_source, wish) {
              silences.push(wish)
              return `s-${silences.length}`
            },
            async expire() {},
            async firing() {
              return undefined
            },
          },
        },
      }),
      startBrowser(),
    ])
    const { desk, feed } = world
    server = await createConsole({
      desk,
      audit: desk.audit,
      commands,
      log: channel(),
      feed,
      webRoot: await clientFolder(() => {}),
      listen: { host: '127.0.0.1', port: 0 },
      demo: true,
      language: 'en',
      version: '0',
      channels: ['#releases'],
    })
    url = await server.listen()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
    await world?.close()
    await rm(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    const trouble = seats.flatMap((seat) => seat.trouble)
    await Promise.all(seats.splice(0).map((seat) => seat.close()))
    expect(trouble).toEqual([])
  })

  /** An incident as the intake opens one: its alerts, its document, its story. Resolves when its card stands in the channel. */
  const open = async (
    alerts: { labels: Record<string, string>; annotations?: Record<string, string>; url?: string; over?: boolean }[],
    change: Partial<Incident> = {},
  ): Promise<string> => {
    const { desk } = world
    const id = await desk.incidents.newId('group')
    const now = desk.clock().toISOString()
    for (const [n, { labels, annotations = {}, url: generatorUrl, over = false }] of alerts.entries()) {
      const alert = {
        source: 'am',
        fingerprint: `${id}-${String(n).padStart(4, '0')}`,
        status: over ? ('resolved' as const) : ('firing' as const),
        startsAt: now,
        ...(over ? { endsAt: now } : {}),
        receivedAt: now,
        labels,
        annotations,
        ...(generatorUrl === undefined ? {} : { generatorUrl }),
      }
      const episode: Episode = { alert, incident: id, firstHeardAt: now, heard: 1 }
      await desk.store.insert(EPISODES, episodeId(alert), toJson(episode))
    }
    const resolved = alerts.filter(({ over }) => over === true).length
    await desk.incidents.insert({
      id,
      group: {
        source: 'am',
        key: `{}/${id}`,
        labels: {},
        receiver: 'rollcall',
        externalUrl: 'http://alertmanager:9093',
      },
      channel: '#releases',
      since: now,
      openedAt: now,
      title: alerts[0]?.labels.alertname ?? 'alert',
      severity: 'critical',
      firing: alerts.length - resolved,
      resolved,
      truncated: 0,
      service: alerts[0]?.labels.service,
      hosts: alerts.flatMap(({ labels }) => labels.host ?? []),
      state: { at: 'firing' },
      silences: [],
      level: 0,
      turn: 1,
      ...change,
    })
    await desk.flows.start('incident', id, { incident: id })
    await vi.waitUntil(async () => (await channel().one(`${id}/card`)) !== undefined, { timeout: 15_000 })
    return id
  }

  /** What a diagnosis puts into the thread. */
  const report = async (id: string, content: string): Promise<void> => {
    const { desk } = world
    const { png, width, height } = await createCharts().draw(chart({ title: 'Errors of user-service' }))
    const picture = `${id}/report/1/0`
    const stored = { png: Buffer.from(png).toString('base64'), width, height, alt: 'Errors of user-service' }
    await desk.store.insert('pictures', picture, stored)
    const message: Message = {
      title: 'Diagnosis of user-service: release R-7 (v1.2.0) did it',
      tone: 'bad',
      blocks: [
        { type: 'text', text: 'The release did it: errors rose on upgraded hosts only.' },
        ...content.split('\n\n').map((text) => ({ type: 'text' as const, text })),
        { type: 'picture', id: picture, alt: 'Errors of user-service', width, height },
        { type: 'code', text: 'sum by (host) (rate(http_errors_total[1m]))' },
        {
          type: 'fields',
          items: [
            { label: 'written by', value: 'rules (no model configured)' },
            { label: 'took', value: '2 s' },
          ],
        },
      ],
      buttons: [],
    }
    await channel().put({ key: `${id}/report/1`, channel: '#releases', thread: `${id}/card`, message })
  }
  const TEXT = '【Summary】\nErrors are at 8.1 %, before the deploy 0.1 %.\n\n【Root cause】\nv1.2.0 answers with 500.'
  const highErrors = (host: string) => ({
    labels: { alertname: 'HighErrorRate', service: 'user-service', host, severity: 'critical' },
    annotations: { summary: `8.1 % of requests to ${host} fail`, value: '8.1 %' },
    url: 'http://prometheus:9090/graph?g0.expr=errors',
  })

  test('before the first alert, the page says how to connect Alertmanager, with this console’s own address', async () => {
    const { page, barriers } = await sit('/alerts')
    await page.getByText('No alert has come in yet').waitFor()
    const snippet = page.locator('pre').first()
    expect(await snippet.innerText()).toContain(`- url: ${url}/api/v1/alertmanager`)
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.getByRole('button', { name: 'Copy' }).first().click()
    await page.getByText('Copied').waitFor()
    expect(await page.evaluate<string>('navigator.clipboard.readText()')).toContain('send_resolved: true')
    expect(await page.getByRole('link', { name: /^Alerts$/ }).count()).toBe(1)
    expect(await barriers()).toEqual([])
  })

  test('a new incident is counted and listed at once; its page has card, report, chart and every alert', async () => {
    const { page, loads } = await sit('/alerts')
    await page.getByText('No alert has come in yet').waitFor()
    const id = await open(Array.from({ length: 60 }, (_, n) => highErrors(`bj-${n + 1}`)))
    await page.getByRole('link', { name: 'Alerts 1 open' }).waitFor()
    const list = page.getByRole('region', { name: 'List of incidents' })
    await list.getByText('60 firing').waitFor()
    await list.getByRole('link', { name: 'HighErrorRate' }).click()
    await page.getByRole('heading', { level: 1, name: 'HighErrorRate' }).waitFor()
    const card = page.getByRole('article', { name: new RegExp(`^${id} `) })
    await card.getByText('Fires, and nobody has acknowledged it.').waitFor()

    // The report comes while one looks.
    await report(id, TEXT)
    const said = page.getByRole('article', { name: /^Diagnosis of user-service/ })
    await said.getByRole('heading', { level: 4, name: 'Root cause' }).waitFor()
    const image = said.getByRole('img', { name: 'Errors of user-service' })
    await expect
      .poll(() => image.evaluate((each) => (each as unknown as { naturalWidth: number }).naturalWidth))
      .toBe(1080)
    expect(await image.getAttribute('width')).toBe('1080')

    const enlarge = said.getByRole('button', { name: 'Enlarge: Errors of user-service' })
    await enlarge.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'Errors of user-service' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await expect.poll(() => enlarge.evaluate((each) => each.matches(':focus'))).toBe(true)

    const graph = card.getByRole('link', { name: /^Graph prometheus:9090/ })
    expect(await graph.getAttribute('rel')).toBe('noopener noreferrer')
    expect(await graph.getAttribute('target')).toBe('_blank')

    await page.getByRole('tab', { name: 'Alerts (60)' }).click()
    const alerts = page.getByRole('region', { name: `All alerts of ${id}` })
    await alerts.getByText('50 of 60').waitFor()
    await alerts.getByRole('button', { name: 'Load more' }).click()
    await alerts.getByText('60 of 60').waitFor()
    await alerts
      .getByRole('listitem')
      .filter({ hasText: /^host bj-60$/ })
      .waitFor()
    expect(loads()).toBe(1)
  })

  test('Silence asks for a time and a reason: what is wrong is named, what the server says stands in the form, and it counts by keyboard', async () => {
    const id = await open([highErrors('sh-1')])
    const { page, actAs } = await sit('/')
    await actAs('carol')
    await page.goto(`${url}/alerts/${id}`)
    const card = page.getByRole('article', { name: new RegExp(`^${id} `) })
    await card.getByRole('button', { name: 'Silence', exact: true }).focus()
    await page.keyboard.press('Enter')
    const form = page.getByRole('dialog')
    const time = form.getByRole('textbox', { name: 'for how long' })
    const reason = form.getByRole('textbox', { name: 'reason' })
    await expect.poll(() => time.evaluate((each) => each.matches(':focus'))).toBe(true)
    expect(await time.inputValue()).toBe('2h')

    await time.fill('two hours')
    await page.keyboard.press('Enter')
    await form.getByText('Write a time such as 30m, 2h or 1h30m.').waitFor()
    await form.getByText('Fill this in.').waitFor()
    expect(await time.getAttribute('aria-invalid')).toBe('true')

    // Longer than the server allows: its words stand in the form, and what was typed is kept.
    await time.fill('400d')
    await reason.fill('it is known')
    await form.getByText('11 of 200').waitFor()
    await page.keyboard.press('Enter')
    await form.locator('.told').waitFor()
    expect(await reason.inputValue()).toBe('it is known')
    expect(silences).toEqual([])

    await form.getByRole('button', { name: '1h30m' }).click()
    expect(await time.inputValue()).toBe('1h30m')
    await reason.focus()
    await page.keyboard.press('Enter')
    await form.waitFor({ state: 'hidden' })
    await card.getByText('Silence: it counted').waitFor()
    await card.getByText(/Silenced until/).waitFor()
    expect(silences).toHaveLength(1)
    expect(silences[0]?.comment).toContain('it is known')

    await card.getByRole('button', { name: 'Acknowledge', exact: true }).click()
    await card.getByText('Acknowledge: it counted').waitFor()
    await page.locator('.alerts-dl').getByText('carol').waitFor()
  })

  test('a person who may not silence is told so, and asked nothing', async () => {
    const id = await open([highErrors('sh-2')])
    const { page, actAs, pressInVain } = await sit('/')
    await actAs('vera')
    await page.goto(`${url}/alerts/${id}`)
    const card = page.getByRole('article', { name: new RegExp(`^${id} `) })
    await card.waitFor()
    await pressInVain(card, 'Silence')
  })

  test('names, labels, annotations, links and reports from outside are text and nothing else', async () => {
    const id = await open(
      hostile.map((text, n) => ({
        labels: {
          alertname: hostile[(n + 1) % hostile.length] ?? '',
          service: text,
          host: text,
          severity: 'critical',
          [`label_${n}`]: text,
        },
        annotations: { summary: text, description: text, runbook_url: 'javascript:ran(1)' },
        url: text,
      })),
      { title: hostile.slice(0, 2).join(' '), hosts: hostile, service: hostile[2] },
    )
    await report(id, hostile.map((text) => `【Summary】${text}\n${text}\n\`\`\`\n${text}\n\`\`\``).join('\n\n'))
    const message: Message = {
      title: hostile.join(' '),
      tone: 'warn',
      blocks: [
        { type: 'links', items: hostile.map((text) => ({ label: text, url: text })) },
        { type: 'picture', id: hostile[1] ?? '', alt: hostile[1] ?? '', width: 10, height: 10 },
      ],
      buttons: [],
    }
    await channel().put({ key: `${id}/odd`, channel: '#releases', thread: `${id}/card`, message })
    const seat = await sit('/alerts')
    const { page, trouble } = seat
    const harmless = async (where: string) => {
      const elements = await page.locator(FOREIGN).evaluateAll((found) => found.map(String))
      const unexpected = trouble.filter((line) => !/status of (400|404)/.test(line))
      expect({ where, elements, unexpected }).toEqual({ where, elements: [], unexpected: [] })
    }
    // Of alerts with different names, the incident's title counts them; its service is one of the strings.
    await page
      .getByText(hostile[2] ?? '')
      .first()
      .waitFor()
    await harmless('list')
    for (const tab of ['thread', 'alerts']) {
      await page.goto(`${url}/alerts/${id}?tab=${tab}`)
      await page
        .getByText(hostile[1] ?? '')
        .first()
        .waitFor()
      const list =
        tab === 'thread' ? page.getByText('The picture is not there') : page.locator('.alerts-labels').first()
      await list.first().waitFor()
      await harmless(tab)
    }
    await page.goto(`${url}/?thread=${encodeURIComponent(`${id}/card`)}`)
    await page.getByRole('list', { name: 'Replies' }).getByText('The picture is not there').waitFor()
    await harmless('channel')
    for (const text of hostile) {
      await page.goto(`${url}/alerts/${encodeURIComponent(text)}?tab=${encodeURIComponent(text)}`)
      // What looks like a file is refused by the server, the rest by the page.
      const said = page.locator('main, pre').first()
      await expect.poll(() => said.innerText()).toMatch(/not|no such|There is/)
      await harmless(`page ${text}`)
    }
    // What is not there is said to be not there, by the browser as well.
    trouble.splice(0, trouble.length, ...trouble.filter((line) => !/status of (400|404)/.test(line)))
  })

  test('nothing is a barrier, in light and in dark, nor too wide or too small for a finger on a phone', async () => {
    const id = await open([highErrors('bj-1'), { ...highErrors('bj-2'), over: true }])
    await report(id, TEXT)
    const { page, actAs, barriers, narrowness } = await sit('/', { size: PHONE, touch: true })
    await actAs('carol')
    const found: string[] = []
    const look = async (where: string) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await page.locator(`html[data-theme=${colorScheme}]`).waitFor()
        found.push(
          ...[...(await barriers()), ...(await narrowness())].map((each) => `${where} ${colorScheme}: ${each}`),
        )
      }
    }
    await page.goto(`${url}/alerts`)
    await page.getByRole('link', { name: 'HighErrorRate' }).first().waitFor()
    await look('list')
    await page.goto(`${url}/alerts/${id}`)
    await page.getByRole('img', { name: 'Errors of user-service' }).waitFor()
    await look('incident')
    await page.getByRole('button', { name: 'Silence', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Silence' }).click()
    await page.getByText('Fill this in.').waitFor()
    await look('form')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: /^Enlarge/ }).click()
    await page.getByRole('dialog').waitFor()
    await look('picture')
    await page.goto(`${url}/alerts/${id}?tab=alerts`)
    await page
      .getByRole('region', { name: `All alerts of ${id}` })
      .getByText('2 of 2')
      .waitFor()
    await look('alerts')
    expect(found).toEqual([])
  })

  test('in Chinese, no English word of the page itself is left', async () => {
    const id = await open([highErrors('bj-1')])
    const { page } = await sit('/alerts', { locale: 'zh-CN' })
    await page.getByRole('heading', { level: 1, name: '告警' }).waitFor()
    await page.getByRole('region', { name: '告警事件列表' }).getByText(id, { exact: true }).waitFor()
    await page.goto(`${url}/alerts/${id}`)
    await page.getByRole('tab', { name: '讨论串' }).waitFor()
    await page.getByText('还没有人').first().waitFor()
  })
})
