import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../adapters/ssh/kit.ts'
import { skipReal } from './sshd.ts'
import { wrongAlerts, wrongLeads, wrongReleases, wrongTicks } from './two-bots-outcome.ts'
import {
  type Bot,
  createTwoBots,
  FROZEN_MS,
  liveThrough,
  NAMES,
  type Name,
  type Pick,
  SERVICES,
  type TwoBots,
} from './two-bots-world.ts'

const KILLS = 20
/** The kills are spread over the releases of at least so many lives per service. */
const LIVES = 2
const GROUPS = 5
const PER_GROUP = 16
const QUICK = 0.04
const SLOW = 4
/** What the issue asks for. */
const TAKE_OVER_MS = 10_000
const AWAY_MS = 15_000

describe.skipIf(skipReal)('two bots on one MongoDB', () => {
  let world: TwoBots
  const seed = Number(process.env.ROLLCALL_KILL_SEED ?? Date.now() % 1_000_000)
  const random = randomFrom(seed)
  const either: Pick = (bots) => bots[Math.floor(random() * bots.length)]
  beforeAll(async () => {
    world = await createTwoBots()
    console.log(`two bots on ${world.kind}; ROLLCALL_KILL_SEED=${seed}`)
  }, 300_000)
  afterAll(() => world?.dispose(), 60_000)

  test('killed with SIGKILL at random, again and again: nothing is lost, nothing is done twice', {
    timeout: 240_000,
  }, async () => {
    await world.reset(QUICK)
    await Promise.all(NAMES.map((name) => world.start(name)))
    const deaths = new Map<number, number>()
    const takeOvers: number[] = []
    let kills = 0
    const ids: string[] = []
    const lives = SERVICES.map(async (service) => {
      for (let life = 0; life < LIVES || kills < KILLS; life++) ids.push(await liveThrough(world, service, either))
    })
    const alerts = createAlerts(world, either)
    const storm = alerts.fire(() => kills < KILLS)
    let connections = 0
    const looking = setInterval(() => {
      connections = Math.max(connections, world.wecom.connections())
    }, 20)

    while (kills < KILLS) {
      const victim = await world.any(either)
      await (kills % 2 === 0 ? delay(random() * 1500) : dieAtPoint(victim, 1 + Math.floor(random() * 40)))
      const worker = await workerOf(world, victim)
      victim.child.kill('SIGKILL')
      await victim.ended
      const died = now()
      deaths.set(victim.pid, died)
      kills++
      const watching = worker === undefined ? undefined : takenOver(world, worker, died)
      // Half of the time it is back before the other has noticed.
      if (kills % 4 < 2) await Promise.all([world.start(victim.name), watching])
      else await watching
      if (world.bots[victim.name] === undefined) await world.start(victim.name)
      const took = await watching
      if (took !== undefined) takeOvers.push(took)
    }
    await Promise.all(lives)
    await storm
    await alerts.resolve()
    clearInterval(looking)
    await until('all incidents are over', async () => (await wrongAlerts(world, alerts.sent)).length === 0, 45).catch(
      () => {},
    )

    const sorted = takeOvers.toSorted((a, b) => a - b)
    console.log(
      `${kills} kills, ${ids.length} releases done and taken back, ${GROUPS * PER_GROUP} alerts; flows of a killed bot went on ` +
        `after ${Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)} ms (median of ${sorted.length}), at most ${Math.round(sorted.at(-1) ?? 0)} ms`,
    )
    expect(await wrongReleases(world, ids)).toEqual([])
    expect(await wrongAlerts(world, alerts.sent)).toEqual([])
    expect(wrongLeads(world.notes(), deaths)).toEqual([])
    expect(wrongTicks(world.notes(), deaths)).toEqual([])
    expect(connections).toBe(1)
    await until('one bot has WeCom', () => world.wecom.connections() === 1, 20)
    expect(await chains(world)).toEqual(NAMES.map(() => true))
    expect(takeOvers.length).toBeGreaterThan(KILLS / 4)
    expect(sorted.at(-1)).toBeLessThanOrEqual(TAKE_OVER_MS)
  })

  test('the database is away for 15 s while hosts are changed: the release holds and goes on, and nothing is done twice', {
    timeout: 120_000,
  }, async () => {
    await world.reset(1)
    await Promise.all(NAMES.map((name) => world.start(name)))
    const living = liveThrough(world, 'shop', either)
    await until('a host is being changed', async () => (await world.store().find('jobs')).length > 0, 30)
    await world.proxy.close()
    await delay(AWAY_MS)
    expect(world.alive()).toHaveLength(NAMES.length)
    const before = (await world.store().find('jobs')).length
    await world.proxy.open()
    const back = now()
    await until('it goes on', async () => (await world.store().find('jobs')).length > before, 30)
    console.log(`the release went on ${Math.round(now() - back)} ms after the database was back`)
    expect(await wrongReleases(world, [await living])).toEqual([])
  })

  test('a bot that was frozen for longer than its lease does nothing more of what the other has taken over', {
    timeout: 120_000,
  }, async () => {
    await world.reset(SLOW)
    for (const name of NAMES) await world.start(name)
    const first: Pick = (bots) => bots.find(({ name }) => name === 'a')
    const second: Pick = (bots) => bots.find(({ name }) => name === 'b')
    let pick = first
    const living = liveThrough(world, 'shop', (bots) => pick(bots))
    await until('a host is being changed', async () => (await world.store().find('jobs')).length > 0, 30)
    const frozen = await world.any(first)
    const worker = await workerOf(world, frozen)
    pick = second
    process.kill(frozen.pid, 'SIGSTOP')
    const took = await takenOver(world, worker ?? '', now())
    // Long enough for the other to have gone on, and to be in the middle of it.
    await delay(Math.max(0, FROZEN_MS - (took ?? 0)))
    process.kill(frozen.pid, 'SIGCONT')
    const id = await living
    console.log(`the flows of the frozen bot went on in the other after ${Math.round(took ?? 0)} ms`)
    expect(took).toBeLessThanOrEqual(TAKE_OVER_MS)
    expect(await wrongReleases(world, [id])).toEqual([])
    // Each entry of a journal stands behind the claim that it names: nobody who was fenced has written.
    for (const { id: flow } of await world.store().find('flows')) {
      let fence = -1
      for (const { seq, entry } of await world.store().read(`flow/${flow}`)) {
        const { claim, fence: of } = entry as { claim?: string; fence?: number }
        if (claim !== undefined) fence = seq
        else expect({ flow, seq, fence: of }).toEqual({ flow, seq, fence })
      }
    }
    expect(await chains(world)).toEqual(NAMES.map(() => true))
  })
})

const now = (): number => performance.timeOrigin + performance.now()

/** It may own nothing that moves: then it dies where it stands. */
async function dieAtPoint(bot: Bot, points: number): Promise<void> {
  bot.dieAfter(points)
  await Promise.race([bot.ended, delay(3000)])
}

/** The bot's name among the workers of the flows. */
async function workerOf(world: TwoBots, { pid }: Bot): Promise<string | undefined> {
  const rows = await world.store().find('workers')
  return rows.find(({ document }) => (document as { pid: number }).pid === pid)?.id
}

/** Milliseconds until none of the unfinished flows is that worker's any more; undefined when it had none. */
async function takenOver(world: TwoBots, worker: string, since: number): Promise<number | undefined> {
  const owned = async () => (await world.store().find('flows', { where: { state: 'running', owner: worker } })).length
  if ((await owned()) === 0) return undefined
  await until('another bot has taken over', async () => (await owned()) === 0, 60)
  return now() - since
}

/** Whether each bot finds the audit log whole, with its own head in it. */
async function chains(world: TwoBots): Promise<boolean[]> {
  return Promise.all(NAMES.map(async (name: Name) => (await world.bots[name]?.ask({ stands: true }))?.ok === true))
}

/** As Alertmanager: what was not answered with 200 is sent again, to either bot. */
function createAlerts(world: TwoBots, pick: Pick) {
  const sent = new Map<string, string[]>()
  const send = async (group: number, alert: number, status: 'firing' | 'resolved'): Promise<void> => {
    for (let tries = 0; tries < 500; tries++) {
      const { url } = await world.any(pick)
      const answer = await fetch(`${url}/api/v1/alertmanager`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(bodyOf(group, alert, status)),
        signal: AbortSignal.timeout(10_000),
      }).catch(() => undefined)
      if (answer?.status === 200) return
      await delay(20)
    }
    throw new Error('no bot takes alerts')
  }
  return {
    sent,
    /** Spread over the time for which `going` holds; the rest at once after it. */
    async fire(going: () => boolean): Promise<void> {
      for (let alert = 0; alert < PER_GROUP; alert++) {
        for (let group = 0; group < GROUPS; group++) {
          await send(group, alert, 'firing')
          const key = keyOf(group)
          sent.set(key, [...(sent.get(key) ?? []), `${group}-${alert}`])
          if (going()) await delay(800)
        }
      }
    },
    async resolve(): Promise<void> {
      for (let alert = 0; alert < PER_GROUP; alert++) {
        await Promise.all(Array.from({ length: GROUPS }, (_, group) => send(group, alert, 'resolved')))
      }
    },
  }
}

const keyOf = (group: number) => `{}:{alertname="Broken${group}"}`

function bodyOf(group: number, alert: number, status: 'firing' | 'resolved'): object {
  const labels = { alertname: `Broken${group}`, shard: String(alert), severity: 'warning' }
  return {
    version: '4',
    groupKey: keyOf(group),
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
        labels,
        annotations: {},
        startsAt: '2026-01-31T09:00:00Z',
        endsAt: status === 'resolved' ? '2026-01-31T09:05:00Z' : '0001-01-01T00:00:00Z',
        generatorURL: '',
        fingerprint: `${group}-${alert}`,
      },
    ],
  }
}

/** mulberry32, so that a run can be had again. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
