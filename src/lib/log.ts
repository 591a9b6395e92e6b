import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { createRedactor, type Redactor } from './redact.ts'

export type Log = Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'> & {
  child(fields: Record<string, unknown>): Log
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/**
 * JSON lines on stderr, or on `stream`. The environment variable ROLLCALL_LOG sets the level and wins over `level` (default `info`);
 * a level that does not exist is treated as `info`. Every line passes the redactor as a whole, so no field is forgotten.
 */
export function createLog(
  options: {
    redact?: Redactor
    level?: LogLevel
    env?: Record<string, string | undefined>
    stream?: DestinationStream
  } = {},
): Log {
  const redact = options.redact ?? createRedactor()
  const wanted = (options.env ?? process.env).ROLLCALL_LOG ?? options.level ?? 'info'
  const level = logLevels.find((known) => known === wanted) ?? 'info'
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: { streamWrite: (line) => clean(line, redact) },
    },
    options.stream ?? destination({ dest: 2, sync: true }),
  )
}

// Masking the parsed line keeps it JSON, whatever a secret or a private key looks like.
function clean(line: string, redact: Redactor): string {
  try {
    return `${JSON.stringify(redact.value(JSON.parse(line)))}\n`
  } catch {
    return `${redact.text(line)}\n`
  }
}
