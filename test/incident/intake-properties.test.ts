import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Alert, Delivery } from '../../src/incident/alert.ts'
import { createMemoryStore } from '../fakes/memory-store.ts'
import { aDelivery, at, intakeWorld } from './intake-kit.ts'

/** Two alerts of two groups each, which fire up to three times; the last time may not be over yet. */
const history = fc.record({
  episodes: fc.array(
    fc.record({ alert: fc.integer({ min: 0, max: 3 }), begins: fc.integer({ min: 0, max: 2 }), over: fc.boolean() }),
    { minLength: 1, maxLength: 8 },
  ),
})

interface Step {
  fingerprint: string
  key: string
  startsAt: string
  status: Alert['status']
}

/** What one server sends, in order. An episode that another of the same alert follows is over. */
function stepsOf(episodes: { alert: number; begins: number; over: boolean }[]): Step[] {
  const unique = new Map(episodes.map((each) => [`${each.alert} ${each.begins}`, each]))
  const all = [...unique.values()].sort((a, b) => a.begins - b.begins || a.alert - b.alert)
  return all
    .flatMap(({ alert, begins, over }) => {
      const followed = all.some((other) => other.alert === alert && other.begins > begins)
      const step = { fingerprint: `f${alert}`, key: `group ${alert % 2}`, startsAt: at(begins * 10) }
      const firing = { step: { ...step, status: 'firing' as const }, when: begins * 10 }
      const end = { step: { ...step, status: 'resolved' as const }, when: begins * 10 + 5 }
      return over || followed ? [firing, end] : [firing]
    })
    .sort((a, b) => a.when - b.when)
    .map(({ step }) => step)
}

function deliveryOf({ key, ...step }: Step): Delivery {
  const endsAt = new Date(Date.parse(step.startsAt) + 5 * 60_000).toISOString()
  return aDelivery([{ ...step, ...(step.status === 'resolved' ? { endsAt } : {}) }], { key })
}

/** What is known after the deliveries, of which so many at a time come together; groups are never closed in between. */
async function after(deliveries: Delivery[], together: number): Promise<{ states: string[]; open: string[] }> {
  const store = createMemoryStore()
  const world = await intakeWorld(store)
  try {
    for (let from = 0; from < deliveries.length; from += together) {
      await world.hear(...deliveries.slice(from, from + together))
    }
    const states = (await world.episodes()).map(({ alert }) => `${alert.fingerprint} ${alert.startsAt} ${alert.status}`)
    const open: string[] = []
    for await (const { group, state } of world.desk.incidents.newest()) if (state.at === 'firing') open.push(group.key)
    return { states: states.sort(), open }
  } finally {
    await world.close()
  }
}

const together = fc.integer({ min: 1, max: 6 })

test('servers that send the same, each in its order, with duplicates, however interleaved: the same episodes', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.array(fc.nat(2), { maxLength: 60 }), together, async ({ episodes }, choices, many) => {
      const steps = stepsOf(episodes)
      const alone = await after(steps.map(deliveryOf), 1)
      const queues = [[...steps], [...steps], steps.flatMap((step) => [step, step])]
      const merged: Step[] = []
      for (const choice of choices) merged.push(...(queues[choice]?.splice(0, 1) ?? []))
      merged.push(...queues.flat())
      const heard = await after(merged.map(deliveryOf), many)
      expect(heard.states).toEqual(alone.states)
      expect(new Set(heard.open).size).toBe(heard.open.length)
    }),
    { numRuns: 150 },
  )
})

test('in any order at all: what fires is what is not over, and a group has at most one open incident', async () => {
  await fc.assert(
    fc.asyncProperty(
      history.chain(({ episodes }) => {
        const steps = stepsOf(episodes)
        return fc.tuple(
          fc.constant(steps),
          fc.shuffledSubarray([...steps, ...steps], { minLength: steps.length * 2, maxLength: steps.length * 2 }),
        )
      }),
      together,
      async ([steps, shuffled], many) => {
        const heard = await after(shuffled.map(deliveryOf), many)
        const fires = steps.filter(
          (step) => !steps.some((other) => other.status === 'resolved' && sameEpisode(other, step)),
        )
        expect(heard.states.filter((each) => each.endsWith(' firing'))).toEqual(
          [...new Set(fires.map(({ fingerprint, startsAt }) => `${fingerprint} ${startsAt} firing`))].sort(),
        )
        expect(new Set(heard.open).size).toBe(heard.open.length)
      },
    ),
    { numRuns: 150 },
  )
})

function sameEpisode(one: Step, other: Step): boolean {
  return one.fingerprint === other.fingerprint && one.startsAt === other.startsAt
}
