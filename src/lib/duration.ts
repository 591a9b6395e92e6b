const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * Milliseconds of a duration such as `30m`, `90s` or `1h30m` (units ms, s, m, h, d; whole numbers, no spaces).
 * Undefined when the text is something else, or too long to be counted in milliseconds.
 */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return undefined
  let total = 0
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g))
    total += Number(count) * unitMs[unit as keyof typeof unitMs]
  return Number.isSafeInteger(total) ? total : undefined
}

/** For people: `45 s`, `12 min`, `1 h 5 min`, `2 d 3 h`: the two largest units, rounded down. Below one second `350 ms`. */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.floor(ms))
  if (whole < 1000) return `${whole} ms`
  const parts = [
    [Math.floor(whole / unitMs.d), 'd'],
    [Math.floor(whole / unitMs.h) % 24, 'h'],
    [Math.floor(whole / unitMs.m) % 60, 'min'],
    [Math.floor(whole / unitMs.s) % 60, 's'],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

/** The form of release documents: whole seconds, `600s`. */
export function formatSeconds(ms: number): string {
  return `${Math.round(ms / 1000)}s`
}
