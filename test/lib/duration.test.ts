import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatDuration, formatSeconds, parseDuration } from '../../src/lib/duration.ts'

describe('parseDuration', () => {
  test.each([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['2d', 172_800_000],
    ['0s', 0],
    ['600s', 600_000],
  ])('%s is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

  test.each(['', '10', '10 min', '-5s', '1.5h', '5S', '1h 30m', 's', `${'9'.repeat(30)}d`, '1w'])(
    '%j is not a duration',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  )

  test('reads back what whole units say', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(100), fc.nat(100), (h, m, s) => {
        expect(parseDuration(`${h}h${m}m${s}s`)).toBe(((h * 60 + m) * 60 + s) * 1000)
      }),
    )
  })
})

describe('formatDuration', () => {
  test.each([
    [0, '0 ms'],
    [-5, '0 ms'],
    [350, '350 ms'],
    [45_000, '45 s'],
    [720_000, '12 min'],
    [750_000, '12 min 30 s'],
    [3_900_000, '1 h 5 min'],
    [3_605_000, '1 h'],
    [97_200_000, '1 d 3 h'],
  ])('%i ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text))
})

test('formatSeconds writes whole seconds as in release documents', () => {
  expect(formatSeconds(600_000)).toBe('600s')
  expect(formatSeconds(1_499)).toBe('1s')
})
