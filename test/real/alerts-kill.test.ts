import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { episodesOf } from '../../src/incident/alert.ts'
import { type Incident, incidents } from '../../src/incident/incident.ts'
import type { Store } from '../../src/ports/store.ts'
import { describeReal } from './prometheus.ts'

const GROUPS = 6
const PER_GROUP = 20
const KILLS = 8

describeReal('kill -9 while alerts come in', () => {
  let folder: string
  const children: ChildProcess[] = []
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-alerts-kill-'))
  })
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  const config = () => ({
    services: [
      {
        name: 'shop',
        artifact: {
          url: 'http://127.0.0.1:1/{version}.tgz',
          checksum: { sha256Url: 'http://127.0.0.1:1/{version}.sha' },
        },
        recipe: { start: ['true'], stop: ['true'], health: { command: ['true'] } },
      },
    ],
    hosts: [
      { id: 'web-1', ip: '127.0.0.1', port: 1, user: 'nobody', agent: true, hostKey: `SHA256:${'A'.repeat(43)}` },
    ],
    people: [
      { id: 'alice', roles: ['operator'], surfaces: { terminal: 'alice' } },
      { id: 'bob', roles: ['approver'], surfaces: { terminal: 'bob' } },
    ],
    store: { folder },
    console: { port: 0 },
    log: { level: 'error' },
  })

  async function start(): Promise<{ child: ChildProcess; url: string }> {
    const script = join(import.meta.dirname, 'alerts-child.ts')
    const env = { ...process.env, SSH_AUTH_SOCK: '/dev/null' }
    const child = spawn(process.execPath, [script, JSON.stringify(config())], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env,
    })
    children.push(child)
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    return { child, url: line }
  }

  const key = (group: number) => `{}:{alertname="Broken${group}"}`
  const body = (group: number, alert: number, status: 'firing' | 'resolved') => ({
    version: '4',
    groupKey: key(group),
    truncatedAlerts: 0,
    receiver: 'rollcall',
    status,
    groupLabels: { alertname: `Broken${group}` },
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://127.0.0.1:9093',
    alerts: [
      {
        status,
        labels: {
          alertname: `Broken${group}`,
          service: 'shop',
          host: 'web-1',
          shard: String(alert),
          severity: 'warning',
        },
        annotations: {},
        startsAt: '2026-01-31T09:00:00Z',
        endsAt: status === 'resolved' ? '2026-01-31T09:05:00Z' : '0001-01-01T00:00:00Z',
        generatorURL: '',
        fingerprint: `${group}-${alert}`,
      },
    ],
  })

  /** As Alertmanager: what was not answered with 200 is sent again. True when it was. */
  async function send(url: string, what: ReturnType<typeof body>): Promise<boolean> {
    try {
      const answer = await fetch(`${url}/api/v1/alertmanager`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(what),
        signal: AbortSignal.timeout(10_000),
      })
      return answer.status === 200
    } catch {
      return false
    }
  }

  async function looking<T>(look: (store: Store) => Promise<T>): Promise<T> {
    const store = await createSqliteStore({ folder })
    try {
      return await look(store)
    } finally {
      await store.close()
    }
  }

  async function all(store: Store): Promise<Incident[]> {
    const found: Incident[] = []
    for await (const incident of incidents(store).newest()) found.push(incident)
    return found
  }

  test('every alert that was acknowledged is there, in one thread per group, and no message stands twice', {
    timeout: 120_000,
  }, async () => {
    const queue = Array.from({ length: GROUPS * PER_GROUP }, (_, n) =>
      body(n % GROUPS, Math.floor(n / GROUPS), 'firing'),
    )
    let bot = await start()
    let kills = 0
    let sent = 0
    let killing: Promise<void> = Promise.resolve()
    for (const what of queue) {
      while (!(await send(bot.url, what))) {
        if (bot.child.signalCode === null) await delay(20)
        else bot = await start()
      }
      sent++
      if (kills < KILLS && sent % Math.floor(queue.length / KILLS) === 0) {
        kills++
        // At once, and in the middle of taking it in.
        const { child } = bot
        killing = delay(kills % 4).then(() => void child.kill('SIGKILL'))
      }
    }
    await killing
    if (bot.child.killed) bot = await start()
    expect(kills).toBe(KILLS)

    const open = await settled((found) => found.length === GROUPS && found.every(({ firing }) => firing === PER_GROUP))
    expect(open.map(({ group }) => group.key).sort()).toEqual(Array.from({ length: GROUPS }, (_, n) => key(n)).sort())
    await looking(async (store) => {
      for (const { id, channel } of open) {
        expect(
          (await episodesOf(store, id)).map(({ alert }) => Number(alert.labels.shard)).sort((a, b) => a - b),
        ).toEqual(Array.from({ length: PER_GROUP }, (_, n) => n))
        const cards = (await store.read(`channel/${channel}`)).filter(({ entry }) =>
          JSON.stringify(entry).includes(`"${id}/card"`),
        )
        expect(cards.length, `cards of ${id}`).toBe(1)
      }
    })

    for (let group = 0; group < GROUPS; group++) {
      for (let alert = 0; alert < PER_GROUP; alert++)
        expect(await send(bot.url, body(group, alert, 'resolved'))).toBe(true)
      if (group === 2) {
        bot.child.kill('SIGKILL')
        bot = await start()
      }
    }
    const over = await settled((found) => found.every(({ state }) => state.at === 'resolved'))
    expect(over.length).toBe(GROUPS)
    // A late copy of what is over opens nothing.
    expect(await send(bot.url, body(0, 0, 'firing'))).toBe(true)
    await delay(500)
    const last = await looking(all)
    expect(last.filter(({ state }) => state.at !== 'resolved')).toEqual([])
    expect(last.length).toBe(GROUPS)
    await looking(async (store) => {
      for (const { id } of last) {
        const thread = (await store.read(`thread/${id}/card`)).map(({ entry }) => JSON.stringify(entry))
        expect(new Set(thread).size, `messages under ${id}`).toBe(thread.length)
      }
    })
  })

  async function settled(done: (found: Incident[]) => boolean): Promise<Incident[]> {
    const until = Date.now() + 60_000
    for (;;) {
      const found = await looking(all)
      if (done(found)) return found
      if (Date.now() > until) {
        throw new Error(
          `it stayed at ${found.map(({ id, firing, resolved }) => `${id}: ${firing}/${resolved}`).join(', ')}`,
        )
      }
      await delay(200)
    }
  }
})
