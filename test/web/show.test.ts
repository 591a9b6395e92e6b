import { describe, expect, it } from 'vitest'
import { stateIn, toneOf } from '../../src/web/components/states.ts'
import { duration, moment, momentIn } from '../../src/web/format.ts'
import { en } from '../../src/web/i18n/en.ts'
import { grow, LONGEST } from '../../src/web/output.ts'
import { PALETTE } from '../../src/web/theme.ts'

describe('durations', () => {
  it('show the two largest units', () => {
    expect(duration(0)).toBe('0 s')
    expect(duration(45.4)).toBe('45 s')
    expect(duration(11.9)).toBe('11 s')
    expect(duration(200)).toBe('3 min 20 s')
    expect(duration(3900)).toBe('1 h 5 min')
    expect(duration(3600)).toBe('1 h')
    expect(duration(183_600)).toBe('2 d 3 h')
    expect(duration(-5)).toBe('0 s')
    expect(duration(200, 'zh')).toBe('3 分 20 秒')
  })
})

describe('moments', () => {
  const now = new Date(2026, 0, 20, 12, 0)

  it('name the day unless it is today, and the year unless it is this one', () => {
    expect(moment(new Date(2026, 0, 20, 9, 5).toISOString(), 'en', now)).toBe('09:05')
    expect(moment(new Date(2026, 0, 3, 9, 5).toISOString(), 'en', now)).toBe('3 Jan, 09:05')
    expect(moment(new Date(2025, 0, 3, 9, 5).toISOString(), 'en', now)).toBe('3 Jan 2025, 09:05')
  })

  it('are found in a field in exactly the form of the cards, and nowhere else', () => {
    const found = momentIn('2026-11-21 16:09:22 +08:00')
    expect(new Date(found ?? '').toISOString()).toBe('2026-11-21T08:09:22.000Z')
    expect(new Date(momentIn('2026-11-21 16:09:22 +00:00') ?? '').toISOString()).toBe('2026-11-21T16:09:22.000Z')
    for (const other of [
      '2026-11-21',
      '2026-11-21 16:09:22',
      '2026-11-21T16:09:22Z',
      'until 2026-11-21 16:09:22 +00:00',
      '2026-11-21 16:09:22 +00:00\n',
      '2026-13-41 16:09:22 +00:00',
      '1.0.0',
    ]) {
      expect(momentIn(other)).toBeUndefined()
    }
  })

  it('are nothing when the text is none', () => {
    expect(moment('soon', 'en', now)).toBe('')
  })
})

describe('states', () => {
  it('are found in front of a reason', () => {
    expect(stateIn('failed: exit 1')).toBe('failed')
    expect(stateIn('healthy')).toBe('healthy')
    expect(stateIn('v1.1.0')).toBeUndefined()
    expect(stateIn('constructor')).toBeUndefined()
  })

  it('have a tone when the catalogue has a word for them', () => {
    expect(toneOf('held')).toBe('warn')
    expect(toneOf('nonsense')).toBe('plain')
    const named = Object.keys(en).filter((key) => key.startsWith('state.'))
    expect(named.length).toBeGreaterThan(20)
  })
})

describe('an output that is followed', () => {
  const piece = (text: string, next: number) => ({ job: 'j', text, next, over: false, state: 'running' })

  it('grows piece by piece', () => {
    const first = grow(undefined, piece('one\n', 4))
    expect(grow(first, piece('two\n', 8))).toMatchObject({ text: 'one\ntwo\n', next: 8, dropped: 0 })
  })

  it('lets whole lines at the start go when it becomes too long, and says how much', () => {
    const line = `${'x'.repeat(99)}\n`
    const held = grow(undefined, piece(line.repeat(LONGEST / 100), LONGEST))
    const after = grow(held, piece(`${'y'.repeat(49)}\n`, LONGEST + 50))
    expect(after.dropped).toBe(100)
    expect(after.text.length).toBe(LONGEST - 50)
    expect(after.text.startsWith('x')).toBe(true)
    expect(after.text.endsWith('y\n')).toBe(true)
  })
})

describe('the colours', () => {
  // WCAG 2.2, relative luminance and contrast ratio.
  const luminance = (hex: string): number => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (one: string, other: string): number => {
    const [high = 0, low = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a)
    return (high + 0.05) / (low + 0.05)
  }

  it.each(['light', 'dark'] as const)('of text and states stand out from both grounds, %s', (mode) => {
    const { ground, panel, line: _line, ...inks } = PALETTE[mode]
    for (const [name, ink] of Object.entries(inks)) {
      for (const paper of [ground, panel]) {
        expect(contrast(ink, paper), `${name} on ${paper}`).toBeGreaterThanOrEqual(4.5)
      }
    }
  })
})
