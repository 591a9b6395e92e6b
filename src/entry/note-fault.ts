import type { Fault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'

/** What a person was answered is no trouble of ours, unless nobody expected it: then the log holds all of it. */
export function noteFault(log: Log, fault: Fault, fields: Record<string, string>): void {
  if (fault.code.startsWith('internal.')) log.error({ ...fields, code: fault.code, err: fault }, 'unexpected fault')
  else log.info({ ...fields, code: fault.code, say: fault.message }, 'answered with a fault')
}
