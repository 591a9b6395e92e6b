import { describe, expect, test } from 'vitest'
import { type Delivery, EPISODES, type Episode, episodeSchema } from '../../src/incident/alert.ts'
import { createIntake } from '../../src/incident/intake.ts'
import { receive } from '../../src/incident/receive.ts'
import type { Store } from '../../src/ports/store.ts'
import { createMemoryStore, type MemoryStore } from '../fakes/memory-store.ts'
import { aDelivery, at, intakeDesk, recordedFlows } from './intake-kit.ts'

/** A mixed history of two groups; in the middle of it the first incident is closed. */
const first: Delivery[] = [
  aDelivery([{ fingerprint: 'f1' }, { fingerprint: 'f2' }]),
  aDelivery([{ fingerprint: 'g1' }], { key: 'other', truncated: 3 }),
  aDelivery([
    { fingerprint: 'f1', status: 'resolved' },
    { fingerprint: 'f2', status: 'resolved' },
  ]),
]
const second: Delivery[] = [
  aDelivery([
    { fingerprint: 'f1', startsAt: at(20) },
    { fingerprint: 'f3', startsAt: at(21) },
  ]),
  aDelivery([{ fingerprint: 'g1', annotations: { description: 'worse' } }], { key: 'other', truncated: 5 }),
  aDelivery([{ fingerprint: 'f4', status: 'resolved', startsAt: at(2) }]),
  aDelivery([{ fingerprint: 'f3', startsAt: at(21), status: 'resolved', endsAt: at(25) }]),
]

interface Outcome {
  episodes: string[]
  incidents: string[]
  flows: string[]
  /** Incidents that have had an event since their newest episode was written. */
  told: string[]
}

/** What has to be the same, whatever happened: numbers apart, which a crash may leave out. */
async function outcome(store: Store): Promise<Outcome> {
  const episodes = (await store.find(EPISODES)).map(({ document }) => episodeSchema.parse(document))
  const incidents = (await store.find('incidents')).map(({ id, document }) => {
    const { group, truncated } = document as { group: { key: string }; truncated: number }
    return { id, name: `${group.key === 'other' ? 'other' : 'group'} of ${firstOf(episodes, id)}`, truncated }
  })
  const nameOf = (id: string) => incidents.find((each) => each.id === id)?.name ?? `nothing for ${id}`
  const mail = (await store.find('mail')).map(({ id }) => id.split(' alerts/'))
  return {
    episodes: episodes
      .map((each) => `${each.alert.fingerprint} ${each.alert.startsAt} ${each.alert.status} ${nameOf(each.incident)}`)
      .sort(),
    incidents: incidents.map(({ name, truncated }) => `${name} ${truncated}`).sort(),
    flows: (await store.find('flows')).map(({ id }) => nameOf(id)).sort(),
    told: incidents
      .filter(({ id }) => {
        const newest = Math.max(...episodes.filter((each) => each.incident === id).map((each) => each.delivery ?? 0))
        return mail.some(([to, seq]) => to === id && Number(seq) >= newest)
      })
      .map(({ name }) => name)
      .sort(),
  }

  function firstOf(all: Episode[], id: string): string {
    return all
      .filter((each) => each.incident === id)
      .map(({ alert }) => `${alert.fingerprint}@${alert.startsAt}`)
      .sort()
      .join()
  }
}

/** Takes everything in; the process "dies" at the write with this number, before or after it took effect, and starts again. */
async function run(store: MemoryStore, dieAt: number, when: 'before' | 'after'): Promise<{ writes: number }> {
  let writes = 0
  let dead = false
  const die = (): never => {
    dead = true
    throw new Error('killed')
  }
  const isWrite = (call: string) => ['insert', 'put', 'append'].includes(call)
  store.before = (call) => {
    // A dead process writes nothing more; what it had asked for at the same time never happens.
    if (dead) throw new Error('killed')
    if (isWrite(call) && when === 'before' && writes++ === dieAt) die()
  }
  store.after = (call) => {
    if (isWrite(call) && when === 'after' && writes++ === dieAt) die()
  }
  const live = async (deliveries: Delivery[], close: boolean): Promise<void> => {
    const desk = intakeDesk(store, recordedFlows(store, [], new Set()))
    const { before, after } = store
    store.before = () => {}
    store.after = () => {}
    for (const delivery of deliveries) await receive(desk, delivery)
    if (close) {
      const [row] = await store.find('incidents', { where: { title: 'HighErrorRate' } })
      await desk.incidents.update(row?.id ?? '', (now) => ({ ...now, state: { at: 'resolved', when: at(10) } }))
    }
    store.before = before
    store.after = after
    const intake = createIntake(desk)
    await intake.start()
    for (let turns = 0; !dead && turns < 1; turns++) await Promise.race([intake.idle(), dying()])
    await intake.stop()
    if (!dead) return
    dead = false
    const again = createIntake(desk)
    await again.start()
    await again.idle()
    await again.stop()
  }
  const dying = async (): Promise<void> => {
    while (!dead) await new Promise((resolve) => setImmediate(resolve))
  }
  await live(first, false)
  await live(second, true)
  store.before = () => {}
  store.after = () => {}
  return { writes }
}

describe('killed at any write, the intake goes on to the same end', async () => {
  const calm = createMemoryStore()
  const { writes } = await run(calm, Number.POSITIVE_INFINITY, 'after')
  const expected = await outcome(calm)

  test('which is the right one', () => {
    expect(expected.episodes).toEqual([
      `f1 ${at(0)} resolved group of f1@${at(0)},f2@${at(0)}`,
      `f1 ${at(20)} firing group of f1@${at(20)},f3@${at(21)}`,
      `f2 ${at(0)} resolved group of f1@${at(0)},f2@${at(0)}`,
      `f3 ${at(21)} resolved group of f1@${at(20)},f3@${at(21)}`,
      `g1 ${at(0)} firing other of g1@${at(0)}`,
    ])
    expect(expected.incidents).toHaveLength(3)
    expect(expected.incidents).toContain(`other of g1@${at(0)} 5`)
    expect(expected.flows).toHaveLength(3)
    expect(expected.told).toEqual(expected.flows)
    expect(writes).toBeGreaterThan(20)
  })

  const points = Array.from({ length: writes }, (_, n) => n)
  test.each(['before', 'after'] as const)('%s each of its writes', async (when) => {
    for (const point of points) {
      const store = createMemoryStore()
      await run(store, point, when)
      expect(await outcome(store), `write ${point}`).toEqual(expected)
    }
  })
})
