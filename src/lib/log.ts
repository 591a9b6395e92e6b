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
 * On a terminal a person reads along: lines are plain words there, and `info` is left out unless ROLLCALL_LOG asks for it.
 */
export function createLog(
  options: {
    redact?: Redactor
    level?: LogLevel
    env?: Record<string, string | undefined>
    stream?: DestinationStream
    /** Left out: whether stderr is a terminal, and nothing was said about where lines go. */
    terminal?: boolean
  } = {},
): Log {
  const redact = options.redact ?? createRedactor()
  const terminal = options.terminal ?? (options.stream === undefined && process.stderr.isTTY === true)
  const asked = (options.env ?? process.env).ROLLCALL_LOG
  const wanted = asked ?? options.level ?? 'info'
  const known = logLevels.find((each) => each === wanted) ?? 'info'
  const level = terminal && asked === undefined && known === 'info' ? 'warn' : known
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: { streamWrite: (line) => (terminal ? readable(clean(line, redact)) : clean(line, redact)) },
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

/** `14:03:05 WARN deploy failed  host=web-3 code=target.timeout`; an error's stack stands below. */
function readable(line: string): string {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(line)
  } catch {
    return line
  }
  const { level, time, msg, err, ...fields } = entry
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${err.stack}` : ''
  const rest = Object.entries(stack === '' && err !== undefined ? { ...fields, err } : fields)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('')
  const clock = new Date(String(time)).toLocaleTimeString('en-GB')
  const words = `${clock} ${pino.levels.labels[Number(level)]?.toUpperCase() ?? level} ${msg ?? ''}${rest && ` ${rest}`}${stack}`
  // Escape sequences in text from hosts or people must not reach the terminal.
  return `${words.replace(/[\p{Cc}\p{Cf}]/gu, (char) => (char === '\n' || char === '\t' ? char : '\ufffd'))}\n`
}
