import { describe, expect, test } from 'vitest'
import { onsetIn } from '../../src/incident/onset.ts'
import { signal, T } from './survey-kit.ts'

const window = { fired: 450, from: T.from, stepSeconds: T.step, startedAt: T.deploy }
const bad =
  (from: number, to = 1e9) =>
  (at: number) =>
    at >= from && at < to ? 0.08 : 0.001

describe('when the trouble began', () => {
  test('is the first point beyond the limit of the alert itself', () => {
    const alert = signal({ role: 'alert', key: 'alert', limit: 0.05, level: bad(420) })
    expect(onsetIn([alert], window)).toBe(420)
  })

  test('without a limit it is the first point that is worse than the history', () => {
    expect(onsetIn([signal({ level: bad(430) })], window)).toBe(430)
  })

  test('an earlier flicker that passed is not the onset', () => {
    const flicker = (at: number) => (at === 200 ? 0.08 : bad(420)(at))
    expect(onsetIn([signal({ limit: 0.05, level: flicker })], window)).toBe(420)
  })

  test('a series that is gone for a while was good meanwhile: errors have no share where there are none', () => {
    const errors = signal({ limit: 0.05, level: () => 0.08 })
    const hosts = errors.hosts.map((host) => ({
      ...host,
      points: host.points.filter(([at]) => at <= 300 || at >= 420),
    }))
    expect(onsetIn([{ ...errors, hosts }], window)).toBe(420)
  })

  test('a recovery after the alert leaves it where it was', () => {
    expect(onsetIn([signal({ limit: 0.05, level: bad(420, 500) })], window)).toBe(420)
  })

  test('the host that went bad first counts', () => {
    const staggered = (at: number, host: string) => bad(host === 'h2' ? 410 : 440)(at)
    expect(onsetIn([signal({ limit: 0.05, level: staggered })], window)).toBe(410)
  })

  test('down is bad where the signal says so', () => {
    const up = signal({ key: 'up', unit: 'count', bad: 'down', limit: 0.5, level: (at) => (at >= 430 ? 0 : 1) })
    expect(onsetIn([up], window)).toBe(430)
  })

  test('the alert’s own series is asked before the others', () => {
    const alert = signal({ role: 'alert', key: 'alert', limit: 0.05, level: bad(440) })
    expect(onsetIn([signal({ level: bad(420) }), alert], window)).toBe(440)
  })

  test.each([
    ['nothing is bad', [signal({ level: () => 0.001 })]],
    ['only a neighbour is bad', [signal({ role: 'downstream', level: bad(420) })]],
    ['there is no series', []],
  ])('is not known when %s', (_name, signals) => expect(onsetIn(signals, window)).toBeUndefined())
})
