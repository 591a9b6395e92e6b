import { describe, expect, test } from 'vitest'
import { levelsOf, nextCall, toldAt, toldBelow } from '../../src/incident/escalate.ts'
import { alertsConfig } from './thread-kit.ts'

const minute = 60_000
const at = (minutes: number) => new Date(minutes * minute)
const config = alertsConfig({
  critical: { levels: [{ after: '15m', channel: '#managers' }, { people: ['bob'] }, { after: '5m' }], remind: '30m' },
})
const levels = levelsOf(config, 'critical')

describe('who is called next, and when', () => {
  test('levels stand in the order of their times', () => {
    expect(levels.map(({ after }) => after)).toEqual([0, 5 * minute, 15 * minute])
  })

  test.each([
    ['at once, the first level', { told: 0, last: 0 }, { at: 0, level: 0 }],
    ['after five minutes, the second', { told: 1, last: 0 }, { at: 5, level: 1 }],
    ['after fifteen, the third, however late the second was told', { told: 2, last: 9 }, { at: 15, level: 2 }],
    ['then a reminder each half hour', { told: 3, last: 15 }, { at: 45 }],
    ['and the next one half an hour after that', { told: 3, last: 45 }, { at: 75 }],
    ['nobody before the end of a silence', { told: 1, last: 0, silenced: 60 }, { at: 60, level: 1 }],
    ['no reminder before the end of a silence', { told: 3, last: 15, silenced: 60 }, { at: 60 }],
    ['a silence that ends earlier changes nothing', { told: 3, last: 45, silenced: 60 }, { at: 75 }],
  ])(
    '%s',
    (_name, { told, last, silenced }: { told: number; last: number; silenced?: number }, expected: {
      at: number
      level?: number
    }) => {
      const silencedUntil = silenced === undefined ? undefined : at(silenced)
      const call = nextCall(levels, 30 * minute, { from: at(0), told, last: at(last), silencedUntil })
      expect(call).toEqual({ ...expected, at: at(expected.at) })
    },
  )

  test('whoever was called for something worse need not be called for this; a lapse begins anew', () => {
    expect(toldAt({ warning: 2 }, 'critical')).toBe(0)
    expect(toldAt({ warning: 1, critical: 2 }, 'warning')).toBe(2)
    expect(toldAt({}, 'info')).toBe(0)
    expect(toldBelow({ info: 1, warning: 2, critical: 3 }, 'warning')).toEqual({ info: 1 })
  })

  test('nobody once all levels are told and reminders are off', () => {
    expect(nextCall(levels, 0, { from: at(0), told: 3, last: at(15) })).toBeUndefined()
  })
})
