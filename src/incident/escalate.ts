import type { AlertsConfig, Severity } from './config.ts'

export type Level = AlertsConfig[Severity]['levels'][number]

/** The levels of a severity in the order of their times. */
export function levelsOf(config: AlertsConfig, severity: Severity): Level[] {
  return config[severity].levels.toSorted((a, b) => a.after - b.after)
}

const WORST_FIRST: readonly Severity[] = ['critical', 'warning', 'info']

export function isWorse(one: Severity, other: Severity): boolean {
  return WORST_FIRST.indexOf(one) < WORST_FIRST.indexOf(other)
}

/** Levels that have been told, by the severity that it had then. */
export type Told = Partial<Record<Severity, number>>

/** Levels of a severity that count as told: whoever was called for something worse need not be called for this. */
export function toldAt(told: Told, severity: Severity): number {
  return Math.max(0, ...WORST_FIRST.filter((each) => !isWorse(severity, each)).map((each) => told[each] ?? 0))
}

/** Without what was told at this severity and at worse ones: its levels begin anew. */
export function toldBelow(told: Told, severity: Severity): Told {
  const milder = WORST_FIRST.filter((each) => isWorse(severity, each))
  return Object.fromEntries(milder.flatMap((each) => (told[each] === undefined ? [] : [[each, told[each]]])))
}

/** Where the escalation of an incident that fires and that nobody has acknowledged stands. */
export interface Standing {
  /** When it began to fire. */
  from: Date
  /** Levels that have been told. */
  told: number
  /** When a level or a reminder was told last. */
  last: Date
  /** Nobody is called before. */
  silencedUntil?: Date
}

/**
 * The next call and its time: the levels that have not been told, each `after` its own time; then reminders, `remind` after the
 * last call. Undefined when there is nobody left to call (reminders of 0 s are none).
 */
export function nextCall(
  levels: readonly Level[],
  remindMs: number,
  { from, told, last, silencedUntil }: Standing,
): { at: Date; level?: number } | undefined {
  const level = levels[told]
  if (level === undefined && remindMs <= 0) return undefined
  const due = level === undefined ? last.getTime() + remindMs : from.getTime() + level.after
  const at = new Date(Math.max(due, silencedUntil?.getTime() ?? 0))
  return level === undefined ? { at } : { at, level: told }
}
