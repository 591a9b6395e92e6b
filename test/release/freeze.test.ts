import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Freeze, freezeSchema } from '../../src/release/config.ts'
import { frozen } from '../../src/release/freeze.ts'

const window = (part: object): Freeze =>
  freezeSchema.parse({ from: '18:00', to: '24:00', timeZone: 'UTC', reason: 'evening', ...part })
const at = (time: string, ...freeze: Freeze[]) => {
  const answer = frozen({ freeze }, new Date(time))
  return answer && [answer.reason, answer.until?.toISOString()]
}

describe('frozen', () => {
  test('holds from its start to just before its end, on its days only', () => {
    const friday = window({ days: ['fri'] })
    expect(at('2026-11-20T17:59:59.999Z', friday)).toBeUndefined()
    expect(at('2026-11-20T18:00:00Z', friday)).toEqual(['evening', '2026-11-21T00:00:00.000Z'])
    expect(at('2026-11-20T23:59:59.999Z', friday)).toEqual(['evening', '2026-11-21T00:00:00.000Z'])
    expect(at('2026-11-21T00:00:00Z', friday)).toBeUndefined()
    expect(at('2026-11-21T18:30:00Z', friday)).toBeUndefined()
  })

  test('crosses midnight into the next day', () => {
    const night = window({ days: ['fri'], from: '22:00', to: '06:00' })
    expect(at('2026-11-21T05:59:00Z', night)).toEqual(['evening', '2026-11-21T06:00:00.000Z'])
    expect(at('2026-11-20T05:59:00Z', night)).toBeUndefined()
    expect(at('2026-11-21T22:30:00Z', night)).toBeUndefined()
  })

  test('the same time twice is a whole day', () => {
    const day = window({ days: ['sat'], from: '09:00', to: '09:00' })
    expect(at('2026-11-21T09:00:00Z', day)?.[1]).toBe('2026-11-22T09:00:00.000Z')
    expect(at('2026-11-22T08:59:00Z', day)).toBeDefined()
    expect(at('2026-11-22T09:00:00Z', day)).toBeUndefined()
  })

  test('means the wall clock of its time zone, whatever day it is here', () => {
    const shanghai = window({ days: ['mon'], from: '00:00', to: '08:00', timeZone: 'Asia/Shanghai' })
    expect(at('2026-11-22T15:59:00Z', shanghai)).toBeUndefined()
    expect(at('2026-11-22T16:00:00Z', shanghai)?.[1]).toBe('2026-11-23T00:00:00.000Z')
    const kiritimati = window({ days: ['tue'], from: '00:30', to: '01:00', timeZone: 'Pacific/Kiritimati' })
    expect(at('2026-11-23T10:45:00Z', kiritimati)?.[1]).toBe('2026-11-23T11:00:00.000Z')
    const kathmandu = window({ from: '10:00', to: '11:00', timeZone: 'Asia/Kathmandu' })
    expect(at('2026-11-23T04:15:00Z', kathmandu)?.[1]).toBe('2026-11-23T05:15:00.000Z')
  })

  test('follows daylight saving time: same wall clock, another instant', () => {
    const berlin = window({ from: '18:00', to: '19:00', timeZone: 'Europe/Berlin' })
    expect(at('2026-07-01T16:30:00Z', berlin)?.[1]).toBe('2026-07-01T17:00:00.000Z')
    expect(at('2026-12-01T16:30:00Z', berlin)).toBeUndefined()
    expect(at('2026-12-01T17:30:00Z', berlin)?.[1]).toBe('2026-12-01T18:00:00.000Z')
  })

  test('a time that the jump forward leaves out stands for the jump', () => {
    // Berlin, 2026-03-29: 02:00 CET becomes 03:00 CEST at 01:00Z.
    const ends = window({ from: '00:00', to: '02:30', timeZone: 'Europe/Berlin' })
    expect(at('2026-03-29T00:59:00Z', ends)?.[1]).toBe('2026-03-29T01:00:00.000Z')
    expect(at('2026-03-29T01:00:00Z', ends)).toBeUndefined()
    const begins = window({ from: '02:30', to: '04:00', timeZone: 'Europe/Berlin' })
    expect(at('2026-03-29T00:59:00Z', begins)).toBeUndefined()
    expect(at('2026-03-29T01:00:00Z', begins)?.[1]).toBe('2026-03-29T02:00:00.000Z')
  })

  test('an hour that occurs twice is frozen both times and in between', () => {
    // Berlin, 2026-10-25: 03:00 CEST becomes 02:00 CET at 01:00Z.
    const twice = window({ from: '02:15', to: '02:45', timeZone: 'Europe/Berlin' })
    expect(at('2026-10-25T00:10:00Z', twice)).toBeUndefined()
    expect(at('2026-10-25T00:15:00Z', twice)?.[1]).toBe('2026-10-25T01:45:00.000Z')
    expect(at('2026-10-25T00:50:00Z', twice)).toBeDefined()
    expect(at('2026-10-25T01:44:00Z', twice)).toBeDefined()
    expect(at('2026-10-25T01:45:00Z', twice)).toBeUndefined()
  })

  test('windows that touch are one: from Friday evening to Monday morning', () => {
    const weekend = [
      window({ days: ['fri'], from: '18:00', to: '24:00', reason: 'weekend' }),
      window({ days: ['sat', 'sun'], from: '00:00', to: '24:00', reason: 'weekend' }),
      window({ days: ['mon'], from: '00:00', to: '07:00', reason: 'weekend' }),
    ]
    expect(at('2026-11-20T20:00:00Z', ...weekend)).toEqual(['weekend', '2026-11-23T07:00:00.000Z'])
  })

  test('overlapping windows give all reasons and the latest end; one without an end says so', () => {
    const answer = at(
      '2026-11-20T20:00:00Z',
      window({ reason: 'a' }),
      window({ from: '19:00', to: '21:00', reason: 'b' }),
    )
    expect(answer).toEqual(['a; b', '2026-11-21T00:00:00.000Z'])
    expect(at('2026-11-20T20:00:00Z', window({ from: '00:00', to: '24:00', reason: 'closed' }))).toEqual([
      'closed',
      undefined,
    ])
  })

  test('at the end that is told it is over, and just before it is not', () => {
    const time = fc
      .tuple(fc.nat(23), fc.nat(59))
      .map(([h, m]) => `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`)
    const zone = fc.constantFrom(
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'Asia/Shanghai',
      'Australia/Lord_Howe',
      'America/St_Johns',
    )
    const moment = fc.date({ min: new Date('2026-01-01'), max: new Date('2027-12-31'), noInvalidDate: true })
    fc.assert(
      fc.property(time, time, zone, moment, (from, to, timeZone, now) => {
        const freeze = [window({ days: ['mon', 'wed', 'sun'], from, to, timeZone })]
        const until = frozen({ freeze }, now)?.until
        if (until === undefined) return
        expect(until.getTime()).toBeGreaterThan(now.getTime())
        expect(frozen({ freeze }, until)).toBeUndefined()
        expect(frozen({ freeze }, new Date(until.getTime() - 1))).toBeDefined()
      }),
      { numRuns: 2000 },
    )
  })
})
