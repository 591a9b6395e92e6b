import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/ports/chat.ts'
import { stale } from '../../src/release/answer.ts'
import { actionsNow, buttonFor } from '../../src/release/button.ts'
import type { Verdict } from '../../src/release/gate.ts'
import { card, limitsText, localTime, verdictBlocks } from '../../src/release/issue.ts'
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
  [
    { at: 'rejected', by: 'carol', when },
    /Rejected by carol; no host was touched.*\/release user-service v1\.1\.0/,
    /rejected already by carol/,
    [],
  ],
  [{ at: 'expired', when }, /Expired: nobody decided.*\/release user-service v1\.1\.0/, /expired at/, []],
  [{ at: 'superseded', by: 'R-8' }, /Superseded by R-8\. Next: \/status R-8/, /superseded by R-8/, []],
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
    /Held: gate error\. Next: \/release resume R-7 goes on; abort stops and leaves hosts as they are\./,
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
    /Rolled back \(bob\): errors\. Next: correct it, then \/release user-service <version>/,
    /rolled back already, by bob/,
    [],
  ],
  [
    { at: 'aborted', why: 'enough', by: 'bob', when },
    /Aborted \(bob\): enough\. No host was changed\. Next: \/release user-service v1\.1\.0/,
    /aborted already by bob/,
    [],
  ],
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

  test('a bar counts the hosts that are healthy; a host that was skipped is named beside it', () => {
    const running = aRelease()
    const batches = [{ ...running.plan!.batches[0]!, hosts: ['bj-1', 'sh-1'].map((id) => ({ id, ip: '10.0.0.1' })) }]
    const host = { version: 'v1.1.0', before: 'v1.0.0', attempt: 1 }
    const hosts: Release['hosts'] = {
      'bj-1': { at: 'healthy', ...host },
      'sh-1': { at: 'skipped', why: 'it did not answer', ...host },
    }
    const { blocks } = card({ ...running, plan: { ...running.plan!, batches }, hosts }, now, [])
    expect(blocks.find((block) => block.type === 'progress')).toMatchObject({
      items: [{ done: 1, total: 2, note: '1 healthy, 1 skipped' }],
    })
  })

  test.each([
    [8, 8, ''],
    [9, 8, 'and 1 more risk, in the thread'],
    [10, 8, 'and 2 more risks, in the thread'],
  ])('of %d risks %d are named on the card, and the others are counted', (count, named, rest) => {
    const risks = Array.from({ length: count }, (_, i) => ({
      type: `t${i}`,
      mitigation: 'restart',
      source: 's',
      why: '',
    }))
    const { blocks } = card(aRelease({ state: { at: 'awaiting approval', until: when }, risks }), now, [])
    const table = blocks.find((block) => block.type === 'table' && block.caption === 'Risks')
    expect(table?.type === 'table' && table.rows.length).toBe(named)
    expect(text({ title: '', tone: 'plain', blocks, buttons: [] }).includes('more risk')).toBe(rest !== '')
    expect(JSON.stringify(blocks)).toContain(rest)
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

  test('an aborted release that is on hosts offers the way back; a done one says who was left out', () => {
    const on = aRelease({ state: { at: 'aborted', why: 'enough.', by: 'bob', when } })
    on.hosts['bj-1'] = { at: 'healthy', version: 'v1.1.0', before: 'v1.0.0', attempt: 1 }
    expect(text(card(on, now, []))).toContain(
      'Aborted (bob): enough. Hosts stay as listed. Next: /release rollback R-7, or /release user-service <version>',
    )
    expect(text(card({ ...on, state: { at: 'done', when } }, now, []))).toContain(
      'Done: 1 of 2 hosts run v1.1.0; not sh-1. Next: mend what is left out, then /release user-service v1.1.0 sh-1',
    )
  })

  test('every hold says what to type and what each choice does', () => {
    const offers = ['rollback', 'resume', 'promote', 'retry', 'skip', 'abort'] as const
    const held = aRelease({
      state: { at: 'held', gate: 'fail', why: 'gate fail: errors', offers: [...offers], batch: 1, since: when },
    })
    expect(text(card(held, now, []))).toContain(
      'Next: /release rollback R-7 takes back every changed host; resume observes the batch again; promote goes on without the gate; retry tries the failed hosts again; skip goes on without the failed hosts; abort stops and leaves hosts as they are.',
    )
  })

  test('what no button does stands behind what the buttons do', () => {
    const held = aRelease({
      state: {
        at: 'held',
        why: 'the disk is full',
        next: 'To have it watched, /release s v1',
        offers: ['retry'],
        batch: 1,
        since: when,
      },
    })
    expect(text(card(held, now, []))).toContain(
      'Held: the disk is full. Next: /release retry R-7 tries the failed hosts again. To have it watched, /release s v1.',
    )
  })

  test('limits are shown in the units of the gate, CPU in cores, and traffic has none', () => {
    const metric = {
      candidates: ['x_total'],
      direction: 'up-is-bad' as const,
      query: 'x',
      hostLabel: 'host',
      scrapeSeconds: 15,
      source: '',
    }
    const metrics: Release['metrics'] = [
      {
        ...metric,
        key: 'cpu',
        name: 'CPU',
        kind: 'cores',
        thresholds: { warn: 0.25, fail: 0.5, text: ['15s', '30s'] },
      },
      { ...metric, key: 'latency', name: 'Latency', kind: 'seconds', thresholds: { warn: 2, fail: 2, text: ['2s'] } },
      { ...metric, key: 'traffic', name: 'Traffic', kind: 'per_second', thresholds: { warn: 0, fail: 0, text: [] } },
    ]
    const shown = card(aRelease({ state: { at: 'awaiting approval', until: when }, metrics }), now, [])
    expect(shown.blocks.find((block) => block.type === 'table' && block.caption === 'Thresholds')).toMatchObject({
      rows: [
        ['CPU', '0.25 cores', '0.50 cores', 'x_total'],
        ['Latency', '', '2 s', 'x_total'],
        ['Traffic', '', 'no limit', 'x_total'],
      ],
    })
    expect(metrics.map(limitsText)).toEqual(['warns above 0.25 cores, fails above 0.50 cores', 'fails above 2 s', ''])
  })

  test('while a window is open, metrics that only need more time are named in a line; a hold shows each with its reason', () => {
    const observing: State = { at: 'rolling out', batch: 1, doing: 'observing', since: when, until: when }
    const early = { at: 'inconclusive' as const, samples: { upgraded: 0, waiting: 0 }, query: 'x' }
    const few = (key: 'cpu' | 'memory') => ({ ...early, key, why: `${key}: bj-1 has 0 of 5 samples needed` })
    const verdict: Verdict = {
      at: 'inconclusive',
      why: '',
      time: 0,
      hosts: { upgraded: ['bj-1'], waiting: [] },
      metrics: [few('cpu'), few('memory')],
    }
    const verdicts = (of: Verdict) => [{ batch: 1, at: when, verdict: of }]
    const shown = (state: State, of: Verdict) => text(card(aRelease({ state, verdicts: verdicts(of) }), now, []))
    expect(shown(observing, verdict)).toContain('Not enough data yet for any metric.')
    const errors = { ...early, key: 'error_rate' as const, at: 'pass' as const, value: 0, why: 'error rate 0.0 %' }
    const half = shown(observing, { ...verdict, metrics: [errors, ...verdict.metrics] })
    expect(half).toContain('Not enough data yet for CPU, memory.')
    expect(half).toContain('["error rate","pass","0.0 %",""]')
    expect(half).not.toContain('0 of 5')
    const held: State = { at: 'held', gate: 'inconclusive', why: 'x', offers: ['abort'], batch: 1, since: when }
    expect(shown(held, verdict)).toContain('["memory","inconclusive","bj-1 has 0 of 5 samples needed",""]')
    // The gate of one batch says nothing about the next.
    const next = shown({ ...observing, batch: 2 }, { ...verdict, metrics: [errors, ...verdict.metrics] })
    expect(next).not.toMatch(/Gate of|Not enough data/)
    expect(verdictBlocks({ ...verdict, metrics: [] })).toEqual([])
  })

  test('times are local, to the second, with their offset', () => {
    const zone = process.env.TZ
    try {
      process.env.TZ = 'Asia/Shanghai'
      expect(localTime(new Date('2026-01-01T00:12:07.345Z'))).toBe('2026-01-01 08:12:07 +08:00')
      expect(text(card(aRelease(), now, []))).toContain('2026-01-01 08:10:00 +08:00')
      const over = aRelease({ state: { at: 'done', when }, endedAt: when })
      expect(text(card(over, now, []))).toContain('{"label":"ended","value":"2026-01-01 08:11:00 +08:00"}')
      process.env.TZ = 'America/St_Johns'
      expect(localTime(new Date('2026-01-01T00:12:07.345Z'))).toBe('2025-12-31 20:42:07 -03:30')
    } finally {
      if (zone === undefined) delete process.env.TZ
      else process.env.TZ = zone
    }
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

test('a hold that somebody has decided on says so, and offers nothing', () => {
  const state: State = {
    at: 'held',
    why: 'bob pressed Abort; reading what each host runs',
    offers: [],
    batch: 1,
    since: when,
  }
  const [headline] = card(aRelease({ state }), now, []).blocks
  expect(headline).toEqual({ type: 'text', text: 'Held: bob pressed Abort; reading what each host runs.' })
})

test('why an action does not fit is a whole sentence', () => {
  const held: State = { at: 'held', why: 'paused by alice', offers: ['resume'], batch: 1, since: when }
  expect(stale(aRelease({ state: held }))).toBe('R-7 is held: paused by alice.')
  expect(stale(aRelease({ state: { at: 'refused', why: 'a host is down', next: '' } }))).toBe(
    'R-7 was not prepared: a host is down.',
  )
})

test('a done card says how to take it back, and that the command does so at once', () => {
  expect(text(card(aRelease({ state: { at: 'done', when } }), now, []))).toContain(
    'press Roll back, or type /release rollback R-7, which acts at once',
  )
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
