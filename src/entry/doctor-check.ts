import { asFault } from '../lib/fault.ts'
import type { SurfaceName } from '../ports/surface.ts'

export interface Check {
  area:
    | 'config'
    | 'host'
    | 'prometheus'
    | 'store'
    | 'artifacts'
    | 'knowledge'
    | 'people'
    | 'alerts'
    | 'model'
    | 'tools'
    | SurfaceName
  /** What was looked at: a host, a service, a path. */
  subject: string
  status: 'ok' | 'warn' | 'fail'
  say: string
  /** What to do; empty when all is well. */
  remedy: string
}

export function check(area: Check['area'], subject: string, status: Check['status'], say: string, remedy = ''): Check {
  return { area, subject, status, say, remedy }
}

export function failed(area: Check['area'], subject: string, error: unknown): Check {
  const fault = asFault(error)
  return check(area, subject, 'fail', fault.message, fault.next)
}
