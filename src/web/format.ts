import type { Language } from './i18n/write.ts'

const UNITS = { en: { d: 'd', h: 'h', min: 'min', s: 's' }, zh: { d: '天', h: '小时', min: '分', s: '秒' } } as const

/** Whole seconds as people read them (as the cards count them), the two largest units: `45 s`, `3 min 20 s`, `1 h 5 min`, `2 d 3 h`. */
export function duration(seconds: number, language: Language = 'en'): string {
  const whole = Math.max(0, Math.floor(seconds))
  const unit = UNITS[language]
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), unit.d],
    [Math.floor(whole / 3600) % 24, unit.h],
    [Math.floor(whole / 60) % 60, unit.min],
    [whole % 60, unit.s],
  ]
  const first = parts.findIndex(([value]) => value > 0)
  if (first === -1) return `0 ${unit.s}`
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, name]) => `${value} ${name}`)
    .join(' ')
}

/** Time of day, with the date in front when it is another day: `14:05`, `3 Jan, 14:05`. Empty when it is no moment. */
export function moment(iso: string, language: Language, now: Date = new Date()): string {
  const at = new Date(iso)
  if (Number.isNaN(at.getTime())) return ''
  const tag = language === 'zh' ? 'zh-CN' : 'en-GB'
  const time = new Intl.DateTimeFormat(tag, { hour: '2-digit', minute: '2-digit', hour12: false }).format(at)
  if (at.toDateString() === now.toDateString()) return time
  const year = at.getFullYear() === now.getFullYear() ? {} : ({ year: 'numeric' } as const)
  const day = new Intl.DateTimeFormat(tag, { day: 'numeric', month: 'short', ...year }).format(at)
  return language === 'zh' ? `${day} ${time}` : `${day}, ${time}`
}

/** The whole moment with seconds and zone, for a tooltip. */
export function fullMoment(iso: string, language: Language): string {
  const at = new Date(iso)
  if (Number.isNaN(at.getTime())) return ''
  return new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'long',
  }).format(at)
}

/** The moment that a field's value is, when it is one in exactly the form of the cards: `2026-11-21 16:09:22 +00:00`; as ISO 8601. */
export function momentIn(text: string): string | undefined {
  const [, day, time, zone] = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}) ([+-]\d{2}:\d{2})$/.exec(text) ?? []
  const iso = `${day}T${time}${zone}`
  return day === undefined || Number.isNaN(Date.parse(iso)) ? undefined : iso
}
