import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAudit } from '../../src/access/audit.ts'
import type { Person } from '../../src/access/config.ts'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Flows } from '../../src/ports/flow.ts'
import type { Store } from '../../src/ports/store.ts'
import { approve, decide } from '../../src/release/approve.ts'
import { buttonFor } from '../../src/release/button.ts'
import { createDesk, type Desk } from '../../src/release/desk.ts'
import { promote } from '../../src/release/promote.ts'
import { reject } from '../../src/release/reject.ts'
import type { Release, State } from '../../src/release/release.ts'
import { rollback } from '../../src/release/rollback.ts'
import { createFakeChat } from '../fakes/chat.ts'
import { aService } from '../fakes/service.ts'
import { createFakeTarget } from '../fakes/target.ts'

const people: Person[] = [
  { id: 'alice', roles: ['operator', 'approver'], surfaces: {} },
  { id: 'bob', roles: ['approver'], surfaces: {} },
  { id: 'carol', roles: ['admin'], surfaces: {} },
  { id: 'vera', roles: ['viewer'], surfaces: {} },
]

let folder: string
let store: Store
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-approve-'))
  store = await createSqliteStore({ folder })
})
afterAll(async () => {
  await store.close()
  await rm(folder, { recursive: true, force: true })
})

function deskWith(sent: string[]): Desk {
  const keys = new Set<string>()
  const flows = {
    async send(id: string, key: string) {
      const fresh = !keys.has(`${id} ${key}`)
      keys.add(`${id} ${key}`)
      if (fresh) sent.push(key)
      return fresh
    },
    async start(_kind: string, id: string) {
      const fresh = !keys.has(`start ${id}`)
      keys.add(`start ${id}`)
      if (fresh) sent.push(`start ${id}`)
      return fresh
    },
  } as Partial<Flows> as Flows
  return createDesk({
    store,
    flows,
    chat: createFakeChat(),
    target: createFakeTarget(['a']),
    metrics: undefined,
    artifacts: { find: () => Promise.reject(new Error('not asked here')) },
    services: [aService()],
    hosts: [{ id: 'a', ip: '10.0.0.1', region: 'x', labels: {} }],
    people,
    knowledge: [],
    audit: createAudit({
      store,
      key: Buffer.alloc(32, 7),
      clock: () => new Date(),
      log: createLog({ level: 'silent' }),
    }),
    channel: '#releases',
    redact: (text) => text,
    clock: () => new Date('2026-01-01T00:00:00Z'),
    log: createLog({ level: 'silent' }),
  })
}

async function releaseAt(desk: Desk, state: State, needed: number): Promise<Release> {
  const release: Release = {
    id: `R-${++count}`,
    token: 't',
    flow: `R-${count}`,
    service: 'user-service',
    candidate: 'v1.1.0',
    current: 'v1.0.0',
    requester: 'alice',
    channel: '#releases',
    createdAt: '2026-01-01T00:00:00Z',
    only: [],
    overrideFreeze: false,
    state,
    turn: 1,
    approvalsNeeded: needed,
    approvals: [],
    steps: [],
    risks: [],
    metrics: [],
    planHash: 'h1',
    epoch: 1,
    hosts: {},
    verdicts: [],
    notes: [],
  }
  await desk.releases.insert(release)
  return release
}

describe('any mix of presses on a waiting release (property)', () => {
  const act = fc.record({
    who: fc.constantFrom('alice', 'bob', 'carol', 'vera'),
    what: fc.constantFrom<'approve' | 'reject'>('approve', 'approve', 'approve', 'reject'),
    /** The button of an old plan, or of an earlier turn, replayed. */
    old: fc.constantFrom<'no' | 'plan' | 'turn'>('no', 'no', 'no', 'plan', 'turn'),
    together: fc.boolean(),
  })
  test('makes at most one transition; approvals are distinct people with the role, never the requester; each press is answered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 3 }),
        async (acts, needed) => {
          const sent: string[] = []
          const desk = deskWith(sent)
          const release = await releaseAt(desk, { at: 'awaiting approval', until: '2026-01-01T01:00:00Z' }, needed)
          const states: string[] = []
          const answers: { act: (typeof acts)[number]; ok: boolean; text: string }[] = []
          const one = async (each: (typeof acts)[number]) => {
            const bound = { ...buttonFor(release, `release.${each.what}`).bound }
            if (each.old === 'plan') bound.planHash = 'h0'
            if (each.old === 'turn') bound.turn = 0
            const person = people.find(({ id }) => id === each.who) as Person
            const answer = await (each.what === 'approve' ? approve : reject)(desk, bound, person)
            answers.push({ act: each, ...answer })
            states.push((await desk.releases.need(release.id)).state.at)
          }
          // Presses marked `together` race; the others come one after another.
          for (let i = 0; i < acts.length; ) {
            const group = [acts[i]!]
            while (acts[i + group.length]?.together === true) group.push(acts[i + group.length]!)
            await Promise.all(group.map(one))
            i += group.length
          }
          const end = await desk.releases.need(release.id)
          expect(answers).toHaveLength(acts.length)
          expect(answers.every((answer) => answer.text.length > 0)).toBe(true)
          expect(answers.filter((answer) => answer.act.old !== 'no').some((answer) => answer.ok)).toBe(false)
          const by = end.approvals.map((approval) => approval.by)
          expect(new Set(by).size).toBe(by.length)
          expect(by.every((id) => id === 'bob' || id === 'carol')).toBe(true)
          expect(end.approvals.length).toBeLessThanOrEqual(needed)
          expect(end.turn - release.turn).toBe(end.state.at === 'awaiting approval' ? 0 : 1)
          if (end.state.at === 'approved') expect(by.length).toBe(needed)
          expect(sent.filter((key) => key.startsWith('decision'))).toHaveLength(
            end.state.at === 'awaiting approval' ? 0 : 1,
          )
          // Nothing comes back: once decided, decided the same for ever.
          const decided = states.filter((at) => at !== 'awaiting approval')
          expect(new Set(decided).size).toBeLessThanOrEqual(1)
        },
      ),
      { numRuns: 150 },
    )
  })
})

test('an approval counts up to the moment of its expiry, and not at that moment', async () => {
  const desk = deskWith([])
  const until = '2026-01-01T00:00:00.000Z'
  const bob = people[1] as Person
  const late = await releaseAt(desk, { at: 'awaiting approval', until }, 1)
  const { bound } = buttonFor(late, 'release.approve')
  // The clock of this desk stands at that very moment.
  expect(await approve(desk, bound, bob)).toEqual({
    ok: false,
    text: `The time to approve ${late.id} ran out. Next: request the release again.`,
  })
  expect(await desk.releases.need(late.id)).toMatchObject({ state: { at: 'awaiting approval' }, approvals: [] })
  expect(decide(late, bound, bob, new Date(Date.parse(until) - 1)).ok).toBe(true)
  expect(decide(late, bound, bob, new Date(Date.parse(until) + 1)).ok).toBe(false)
})

describe('racing presses on a running release', () => {
  test('twenty presses of one button send one order; everybody is told who was first', async () => {
    const sent: string[] = []
    const desk = deskWith(sent)
    const release = await releaseAt(desk, { at: 'rolling out', batch: 1, doing: 'observing', since: '', until: '' }, 1)
    const { bound } = buttonFor(release, 'release.promote')
    const pressers = Array.from({ length: 20 }, (_, i) => people[i % 2 === 0 ? 0 : 2] as Person)
    const answers = await Promise.all(pressers.map((person) => promote(desk, bound, person)))
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1)
    expect(answers.filter((answer) => /has pressed promote already/.test(answer.text))).toHaveLength(19)
    expect(sent).toHaveLength(1)
  })

  test('twenty presses of Roll back on a done release start one rollback', async () => {
    const sent: string[] = []
    const desk = deskWith(sent)
    const release = await releaseAt(desk, { at: 'done', when: '' }, 1)
    const { bound } = buttonFor(release, 'release.rollback')
    const answers = await Promise.all(Array.from({ length: 20 }, () => rollback(desk, bound, people[1] as Person)))
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1)
    expect(sent).toEqual([`start ${release.id}.rollback.1`])
  })
})
