import type { AlertsConfig, Severity } from './config.ts'

export type Level = AlertsConfig[Severity]['levels'][number]

/** The levels of a severity in the order of their times. */
export function levelsOf(config: AlertsConfig, severity: Severity): Level[] {
  return config[severity].levels.toSorted((a, b) => a.after - b.after)
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
