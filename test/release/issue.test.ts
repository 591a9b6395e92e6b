import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/ports/chat.ts'
import { stale } from '../../src/release/answer.ts'
import { actionsNow, buttonFor } from '../../src/release/button.ts'
import { card } from '../../src/release/issue.ts'
import { isOver, type Release, releaseSchema, type State } from '../../src/release/release.ts'
import { aRelease } from '../fakes/release.ts'

const now = new Date('2026-01-01T00:12:00.000Z')
const text = (message: Message): string => JSON.stringify(message.blocks)
const when = '2026-01-01T00:11:00.000Z'

const states: [State, RegExp, RegExp, string[]][] = [
  [{ at: 'preparing' }, /Preparing/, /still being prepared/, []],
  [
    { at: 'refused', why: 'a host is down.', next: 'bring it up' },
    /Not possible: a host is down\. Next: bring it up/,
    /was not prepared: a host is down/,
    [],
  ],
  [
    { at: 'awaiting approval', until: '2026-01-01T00:42:00.000Z' },
    /expires in 30 min/,
    /waits for approval/,
    ['release.approve', 'release.reject'],
  ],
  [{ at: 'approved' }, /checking the facts once more/, /approved already by bob/, []],
  [{ at: 'rejected', by: 'carol', when }, /Rejected by carol/, /rejected already by carol/, []],
  [{ at: 'expired', when }, /Expired: nobody decided.*\/release user-service v1\.1\.0/, /expired at/, []],
  [{ at: 'superseded', by: 'R-8' }, /Superseded by R-8/, /superseded by R-8/, []],
  [
    { at: 'rolling out', batch: 1, doing: 'deploying', since: when },
    /Batch 1 of 2: deploying/,
    /batch 1, deploying/,
    ['release.pause', 'release.abort', 'release.rollback'],
  ],
  [
    { at: 'rolling out', batch: 2, doing: 'observing', since: when, until: '2026-01-01T00:22:00.000Z' },
    /observing, 10 min left/,
    /batch 2, observing/,
    ['release.promote', 'release.pause', 'release.abort', 'release.rollback'],
  ],
  [
    { at: 'held', why: 'gate error', offers: ['resume', 'abort'], batch: 1, since: when },
    /Held: gate error/,
    /is held: gate error/,
    ['release.resume', 'release.abort'],
  ],
  [{ at: 'done', when }, /Done: 0 of 2 hosts/, /is done since/, ['release.rollback']],
  [
    { at: 'rolling back', why: 'errors', by: 'the gate', since: when },
    /Rolling back \(the gate\): errors/,
    /being rolled back already, by the gate/,
    [],
  ],
  [
    { at: 'rolled back', why: 'errors', by: 'bob', when },
    /Rolled back \(bob\): errors/,
    /rolled back already, by bob/,
    [],
  ],
  [{ at: 'aborted', why: 'enough', by: 'bob', when }, /Aborted \(bob\): enough/, /aborted already by bob/, []],
]

describe('the card says where the release stands, what may be done, and a late press why not', () => {
  test.each(states)('$at', (state, headline, late, actions) => {
    const release = aRelease({ state })
    expect(text(card(release, now, []))).toMatch(headline)
    expect(stale(release)).toMatch(late)
    expect(actionsNow(release)).toEqual(actions)
    expect(actions.length === 0 || !isOver(state) || state.at === 'done').toBe(true)
    // What is stored is what was meant.
    expect(releaseSchema.parse(JSON.parse(JSON.stringify(release)))).toEqual(release)
  })

  test('a release that waits shows batches, risks and the way back; one that runs a bar per batch and a line per host', () => {
    const waiting = text(card(aRelease({ state: { at: 'awaiting approval', until: when } }), now, []))
    for (const words of ['Batches', 'bj-1', '10 min', 'memory_leak', 'restart', 'The way back: v1.0.0'])
      expect(waiting).toContain(words)
    const running = aRelease()
    running.hosts['bj-1'] = { at: 'failed', why: 'start: exit 3', version: 'v1.1.0', before: 'v1.0.0', attempt: 1 }
    const blocks = card(running, now, []).blocks
    expect(blocks.find((block) => block.type === 'progress')).toMatchObject({
      items: [
        { label: 'batch 1', total: 1 },
        { label: 'batch 2', note: 'pending' },
      ],
    })
    expect(text(card(running, now, []))).toContain('failed: start: exit 3')
  })

  test('elapsed and remaining time are shown while it runs', () => {
    const fields = (release: Release) => text(card(release, now, []))
    expect(fields(aRelease())).toMatch(/elapsed.*2 min.*remaining.*about 25 min/)
    const observing = aRelease({
      state: { at: 'rolling out', batch: 1, doing: 'observing', since: when, until: '2026-01-01T00:13:00.000Z' },
    })
    expect(fields(observing)).toMatch(/about 16 min/)
    expect(fields(aRelease({ state: { at: 'done', when }, endedAt: '2026-01-01T00:40:00.000Z' }))).toMatch(
      /elapsed.*30 min/,
    )
  })

  test('a fleet of 200 is counted, and only hosts in trouble are named', () => {
    const ids = Array.from({ length: 200 }, (_, i) => `h-${i}`)
    const base = aRelease()
    const plan = {
      ...base.plan!,
      batches: [{ id: 1, hosts: ids.map((id) => ({ id, ip: '10.0.0.1' })), windowSeconds: 1, atOnce: 66 }],
    }
    const hosts = Object.fromEntries(
      ids.map((id, i) => [
        id,
        {
          at: i === 5 ? ('failed' as const) : ('healthy' as const),
          why: 'health: no answer',
          version: 'v1.1.0',
          before: 'v1.0.0',
          attempt: 1,
        },
      ]),
    )
    const shown = text(card({ ...base, plan, hosts }, now, []))
    expect(shown).toContain('h-5')
    expect(shown).not.toContain('h-6"')
    expect(shown).toContain('1 failed')
    expect(shown.length).toBeLessThan(2000)
  })
})

test('a button is bound to release, action, plan, turn, batch and expiry: another of any of them is another button', () => {
  const waiting = aRelease({ state: { at: 'awaiting approval', until: when } })
  const ids = [
    buttonFor(waiting, 'release.approve'),
    buttonFor(waiting, 'release.reject'),
    buttonFor({ ...waiting, id: 'R-8' }, 'release.approve'),
    buttonFor({ ...waiting, planHash: 'd' }, 'release.approve'),
    buttonFor({ ...waiting, turn: 4 }, 'release.approve'),
    buttonFor({ ...waiting, state: { at: 'awaiting approval', until: now.toISOString() } }, 'release.approve'),
    buttonFor(aRelease({ state: { at: 'rolling out', batch: 1, doing: 'observing', since: when } }), 'release.promote'),
    buttonFor(aRelease({ state: { at: 'rolling out', batch: 2, doing: 'observing', since: when } }), 'release.promote'),
  ].map(({ button }) => button.id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(buttonFor(waiting, 'release.approve').button.id).toBe(ids[0])
  expect(() => buttonFor(waiting, 'release.unknown')).toThrow()
})
