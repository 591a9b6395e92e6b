import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HostProgressView, ReleaseDetail } from '../../src/ports/console.ts'
import {
  batchesOf,
  jobState,
  judgedValue,
  LETTERS,
  PROGRESS,
  progressOf,
  secondsLeft,
  troubled,
  wayBack,
  windowOf,
} from '../../src/web/views/release/facts.ts'
import { visible } from '../../src/web/views/release/visible.ts'

const host = (name: string, batch: number, state: string): HostProgressView => ({
  host: name,
  region: 'eu',
  batch,
  state,
  before: '1.0.0',
  jobs: [],
})
const plan: ReleaseDetail['plan'] = {
  artifact: { url: 'http://127.0.0.1/a.tgz', algorithm: 'sha256', digest: 'ab' },
  batches: [
    { id: 1, hosts: ['a'], windowSeconds: 900, atOnce: 1 },
    { id: 2, hosts: ['b', 'c', 'd'], windowSeconds: 600, atOnce: 2 },
    { id: 3, hosts: ['e'], windowSeconds: 300, atOnce: 1 },
  ],
  gate: '',
  rollback: { atOnce: 1, versions: {} },
}
const progress = [
  host('a', 1, 'healthy'),
  host('b', 2, 'pending'),
  host('c', 2, 'healthy'),
  host('d', 2, 'failed'),
  host('x', 0, 'skipped'),
]

describe('the batches', () => {
  const batches = batchesOf({ plan, progress, over: false })

  test('stand in the order of the plan, hosts outside of it last', () => {
    expect(batches.map(({ id, hosts }) => [id, hosts.length])).toEqual([
      [1, 1],
      [2, 3],
      [3, 0],
      [0, 1],
    ])
  })

  test('count their hosts in the order of the bar', () => {
    expect(batches[1]?.counts).toEqual([
      { state: 'healthy', count: 1 },
      { state: 'failed', count: 1 },
      { state: 'pending', count: 1 },
    ])
    expect(batches[1]?.healthy).toBe(1)
  })

  test('put a state that nobody knows at the end instead of losing it', () => {
    const [batch] = batchesOf({ over: false, progress: [host('a', 1, 'odd'), host('b', 1, 'pending')] })
    expect(batch?.counts.map(({ state }) => state)).toEqual(['pending', 'odd'])
  })

  test('count nothing but healthy hosts as done, as the card does: not what was taken back or skipped', () => {
    const [batch] = batchesOf({ over: true, progress: [host('a', 1, 'rolled back'), host('b', 1, 'skipped')] })
    expect(batch?.healthy).toBe(0)
    expect(batch?.counts.map(({ state }) => state)).toEqual(['skipped', 'rolled back'])
  })

  test('say of hosts that waited that they were not touched, once the release is over', () => {
    const ended = batchesOf({ plan, progress, over: true })
    expect(ended[1]?.counts.at(-1)).toEqual({ state: 'untouched', count: 1 })
    expect(progressOf({ progress, over: true }).map(({ state }) => state)).not.toContain('pending')
    expect(progressOf({ progress, over: false })).toEqual(progress)
  })

  test('give every state of a host a letter or the plain look', () => {
    expect(PROGRESS.filter((state) => LETTERS[state] === undefined)).toEqual([])
  })

  test('leave only what went wrong to be told in words', () => {
    expect(troubled({ progress }).map((each) => each.host)).toEqual(['d', 'x'])
  })
})

describe('the time that is left', () => {
  const now = Date.parse('2026-01-02T08:00:00Z')
  const rolling = (where: ReleaseDetail['now']) => secondsLeft({ state: 'rolling out', plan, now: where }, now)

  test('is the rest of this window and the windows of later batches', () => {
    const until = '2026-01-02T08:01:40Z'
    expect(rolling({ batch: 2, doing: 'observing', since: '', until })).toBe(100 + 300)
  })

  test('counts the whole window while its batch is deployed', () => {
    expect(rolling({ batch: 2, doing: 'deploying', since: '' })).toBe(600 + 300)
  })

  test('is never less than none', () => {
    expect(rolling({ batch: 3, doing: 'observing', since: '', until: '2026-01-02T07:00:00Z' })).toBe(0)
  })

  test('is not known when nothing rolls out', () => {
    const where = { batch: 2, doing: 'held', since: '' }
    expect(secondsLeft({ state: 'held', plan, now: where }, now)).toBeUndefined()
    expect(secondsLeft({ state: 'rolling out', plan }, now)).toBeUndefined()
  })
})

test('the way back counts hosts by version, most first', () => {
  expect(wayBack({ a: '1.0.0', b: null, c: '1.0.0' })).toEqual([
    { version: '1.0.0', hosts: 2 },
    { version: null, hosts: 1 },
  ])
})

describe('an observation window', () => {
  test.each([
    ['window of batch 1, round 1', 1],
    ['window of batch 2, round 3', 3],
    ['window of batch 2', 1],
  ])('%s is of round %i', (name, round) => {
    expect(windowOf({ name, batch: 2 })).toEqual({ batch: 2, round })
  })

  test('is judged by the number of its own verdict, and by none when a later round has replaced it', () => {
    const metric = { key: 'error_rate', name: 'error rate', verdict: 'fail', why: '', value: 0.081 }
    const verdicts = [
      { batch: 1, at: '', verdict: 'fail', why: 'error rate 8.1 %', metrics: [metric] },
      { batch: 2, at: '', verdict: 'pass', why: 'in order', metrics: [{ ...metric, value: 0.001 }] },
    ]
    const window = { batch: 1, verdict: 'fail', why: 'error rate 8.1 %' }
    expect(judgedValue(verdicts, window, 'error_rate')).toBe(0.081)
    expect(judgedValue(verdicts, window, 'latency')).toBeUndefined()
    expect(judgedValue(verdicts, { ...window, why: 'an earlier round' }, 'error_rate')).toBeUndefined()
  })
})

describe("a job's state", () => {
  test.each([
    ['done 0', 'succeeded', 'good', ''],
    ['done 3: verify: the digest differs', 'failed', 'bad', 'exit 3: verify: the digest differs'],
    ['done 12', 'failed', 'bad', 'exit 12'],
    ['new', 'starting', 'info', ''],
    ['lost', 'lost', 'warn', ''],
  ])('%s is shown as %s', (state, word, tone, detail) => {
    expect(jobState(state)).toEqual({ word, tone, detail })
  })

  test.each(['done', 'toString', 'paused'])('that nobody knows (%s) is left to be shown as it came', (state) => {
    expect(jobState(state)).toBeUndefined()
  })
})

describe("a host's output", () => {
  test.each([
    ['colours of a terminal', '\x1b[31mred\x1b[0m', '^[[31mred^[[0m'],
    ['a bell and a backspace', 'a\x07b\x08', 'a^Gb^H'],
    ['a lone carriage return, which would overwrite the line', 'safe\rEVIL', 'safe^MEVIL'],
    ['a delete', '\x7f', '^?'],
    ['C1 controls', 'a\u009b31m', 'a<U+009B>31m'],
    ['a mark that turns the direction', 'a\u202egpj.exe', 'a<U+202E>gpj.exe'],
    ['a zero width', 'pass\u200bword', 'pass<U+200B>word'],
  ])('shows %s', (_name, text, shown) => {
    expect(visible(text)).toBe(shown)
  })

  test('keeps tabs, lines and other languages as they are', () => {
    expect(visible('a\tb\r\n部署完成 ✓ é\n')).toBe('a\tb\n部署完成 ✓ é\n')
  })

  test('holds nothing invisible, whatever the host prints', () => {
    const point = fc.oneof(fc.integer({ min: 0, max: 0x2fff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
    const invisible = /(?![\t\n])[\p{Cc}\p{Cf}\u2028\u2029]/u
    fc.assert(fc.property(fc.array(point), (points) => !invisible.test(visible(String.fromCodePoint(...points)))))
  })
})
