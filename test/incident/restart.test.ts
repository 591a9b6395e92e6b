import { rm } from 'node:fs/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { acknowledge } from '../../src/incident/acknowledge.ts'
import { incidentButton } from '../../src/incident/button.ts'
import { openPosts } from '../../src/incident/pace.ts'
import type { Post } from '../../src/ports/chat.ts'
import type { Store } from '../../src/ports/store.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'
import { anIncident, hearAlert, quickParts, settled } from './thread-kit.ts'

/** Everything that was ever put by any of the processes, in order. */
interface Run {
  puts: Post[]
  diagnoses: unknown[]
  points: string[]
  t: TestDesk
}
const leftovers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of leftovers.splice(0)) await end()
})

const STARTS = '2026-01-01T00:00:00.000Z'
const ENDS = '2026-01-01T00:02:00.000Z'
const host = { before: 'v1.0.0', attempt: 1 }

/** One process on the data folder. At `killAt` its store never answers again: nothing of it is written any more. */
async function startProcess(run: Omit<Run, 't'>, options: { folder?: string; killAt?: string }) {
  const killed = Promise.withResolvers<'killed'>()
  let dead = false
  const kept: { t?: TestDesk } = {}
  const t = await testDesk({
    folder: options.folder,
    incident: { ...quickParts({ critical: { levels: [{ people: ['alice'] }], remind: '1h' } }), postEveryMs: 5 },
    diagnosis: async (flow, _desk, input) => {
      await flow.step('run', async () => void run.diagnoses.push(input))
    },
    probe: (point) => {
      run.points.push(point)
      if (point !== options.killAt || dead || kept.t === undefined) return
      dead = true
      const never = () => new Promise<never>(() => {})
      const { close } = kept.t.desk.store
      leftovers.push(() => close())
      const gone: Store = {
        get: never,
        insert: never,
        put: never,
        find: never,
        append: never,
        read: never,
        last: never,
        trim: never,
        close: never,
      }
      Object.assign(kept.t.desk.store, gone)
      void kept.t.desk.flows.close(0)
      killed.resolve('killed')
    },
  })
  kept.t = t
  const { put } = t.chat
  t.chat.put = async (post) => {
    if (dead) return new Promise<never>(() => {})
    run.puts.push(structuredClone(post))
    await put(post)
  }
  return { t, killed: killed.promise }
}

/** What happens to the incident; begun again after a crash it goes on where it was. */
async function live(t: TestDesk): Promise<void> {
  const { desk } = t
  await openPosts(desk)
  const state = { at: 'rolling out' as const, batch: 1, doing: 'observing' as const, since: STARTS }
  const hosts = { 'bj-1': { ...host, at: 'healthy' as const, version: 'v1.1.0' } }
  await desk.store.insert(
    'releases',
    'R-7',
    JSON.parse(JSON.stringify(aRelease({ id: 'R-7', flow: 'R-7', state, hosts }))),
  )
  await desk.store.insert('active', 'user-service', { release: 'R-7' })
  if ((await desk.incidents.get('A-1')) === undefined) {
    await hearAlert(t, { startsAt: STARTS })
    await desk.incidents.insert(anIncident({ openedAt: new Date().toISOString() }))
  }
  await desk.flows.start('incident', 'A-1', { incident: 'A-1' })
  if ((await desk.store.get('driver', 'second')) === undefined) {
    await hearAlert(t, { fingerprint: 'f2', startsAt: STARTS })
    await desk.store.insert('driver', 'second', {})
  }
  await desk.flows.send('A-1', 'alerts/1', { kind: 'alerts' })
  await vi.waitFor(async () => expect((await desk.incidents.need('A-1')).level).toBe(1), 5000)
  const bob = desk.people.find(({ id }) => id === 'bob')!
  const { bound } = incidentButton(await desk.incidents.need('A-1'), 'incident.acknowledge')
  await acknowledge(desk, bound, bob)
  await hearAlert(t, { startsAt: STARTS, status: 'resolved', endsAt: ENDS })
  await hearAlert(t, { fingerprint: 'f2', startsAt: STARTS, status: 'resolved', endsAt: ENDS })
  await desk.flows.send('A-1', 'alerts/2', { kind: 'alerts' })
  await desk.flows.finished('A-1')
  await desk.flows.finished('A-1/diagnosis-1')
  await settled(t)
}

/** The whole story, with one process that is killed at the point and another that goes on. */
async function runStory(killAt?: string): Promise<Run & { killed: boolean }> {
  const run = { puts: [], diagnoses: [], points: [] }
  const first = await startProcess(run, { killAt })
  const lived = live(first.t).then(() => 'lived' as const)
  if ((await Promise.race([lived, first.killed])) === 'lived') {
    leftovers.push(() => first.t.close())
    return { ...run, t: first.t, killed: false }
  }
  lived.catch(() => {})
  const second = await startProcess(run, { folder: first.t.folder })
  leftovers.push(
    () => second.t.close(),
    () => rm(first.t.folder, { recursive: true, force: true }),
  )
  await live(second.t)
  return { ...run, t: second.t, killed: true }
}

/** What a reader of the channel sees in the end: for each message its place and title; times apart. */
function seen({ puts }: Run): string[] {
  const last = new Map(puts.map((post) => [post.key, post]))
  return [...last.values()]
    .map(
      ({ key, channel, thread, message }) =>
        `${key.replace(/\d{4}-.*Z/, '<time>')} ${channel} ${thread ?? ''} ${message.title}`,
    )
    .toSorted()
}

describe('an incident whose process is killed', () => {
  test('at any point of its story comes to the same end, and no message stands there twice', {
    timeout: 180_000,
  }, async () => {
    const whole = await runStory()
    const expected = seen(whole)
    expect(expected).toEqual([
      expect.stringMatching(
        /^A-1\/acknowledged\/<time> #alerts A-1\/card bob has acknowledged it; nobody else is called$/,
      ),
      expect.stringMatching(/^A-1\/card #alerts {2}A-1 HighErrorRate: user-service$/),
      expect.stringMatching(/^A-1\/held #alerts A-1\/card Held R-7 first: no further host is changed$/),
      expect.stringMatching(/^A-1\/level\/1 #alerts A-1\/card Fires: A-1 HighErrorRate: user-service$/),
      expect.stringMatching(/^A-1\/resolved\/1 #alerts A-1\/card Resolved after 2 min, at /),
    ])
    const kinds = new Map<string, string>()
    for (const point of whole.points.filter((each) => / incident(:|$)/.test(each))) {
      const kind = point.replace(/\d+/g, 'n')
      if (!kinds.has(kind)) kinds.set(kind, point)
    }
    expect(kinds.size).toBeGreaterThan(50)
    let killed = 0
    for (const point of kinds.values()) {
      const run = await runStory(point)
      killed += run.killed ? 1 : 0
      expect({ point, seen: seen(run) }).toEqual({ point, seen: expected })
      // A line that has been said is never said in other words.
      const words = new Map<string, Set<string>>()
      for (const { key, thread, message } of run.puts) {
        if (thread !== undefined) words.set(key, (words.get(key) ?? new Set()).add(message.title))
      }
      expect({ point, twice: [...words].filter(([, titles]) => titles.size > 1) }).toEqual({ point, twice: [] })
      expect({ point, diagnoses: run.diagnoses }).toEqual({ point, diagnoses: [{ incident: 'A-1', n: 1 }] })
      const orders = await run.t.desk.store.read('mail/R-7')
      expect({ point, orders: orders.length }).toEqual({ point, orders: 1 })
      expect(await run.t.desk.incidents.need('A-1')).toMatchObject({
        state: { at: 'resolved', when: ENDS },
        level: 1,
        joined: 'R-7',
      })
      for (const end of leftovers.splice(0)) await end()
    }
    expect(killed).toBeGreaterThan(kinds.size * 0.8)
  })
})
