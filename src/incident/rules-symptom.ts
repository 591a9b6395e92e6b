import type { Kind } from './rank.ts'
import type { Survey } from './survey.ts'

/** Words of metric and alert names, by what they speak of; the first list that holds one decides. */
const words: [Kind, ReadonlySet<string>][] = [
  ['use', new Set(['cpu', 'memory', 'mem', 'disk', 'filesystem', 'swap', 'heap', 'oom', 'saturated', 'saturation'])],
  [
    'errors',
    new Set([
      'error',
      'errors',
      'fail',
      'fails',
      'failed',
      'failing',
      'failure',
      'failures',
      'exception',
      'exceptions',
    ]),
  ],
  ['errors', new Set(['5xx', '500', '502', '503', '504', 'availability', 'unavailable', 'up', 'down', 'absent'])],
  ['latency', new Set(['latency', 'duration', 'slow', 'slowness', 'delay', 'quantile', 'p50', 'p90', 'p95', 'p99'])],
  ['latency', new Set(['timeout', 'timeouts', 'seconds', 'milliseconds'])],
  ['load', new Set(['traffic', 'requests', 'request', 'rps', 'qps', 'throughput', 'surge'])],
]

/**
 * What an alert is about, for `rank`. From the alert's own signal (role `alert`): a ratio is one of errors unless its expression
 * names a resource (CPU, memory, disk), seconds are latency. Any other unit, or no such signal: the first word of the expression
 * that is known, else of the signal's name and `title`, the alert's name. `errors` also for a matcher of codes from 500 on.
 * Undefined when nothing tells. Pure.
 */
export function symptomOf(survey: Survey, title: string): Kind | undefined {
  const own = survey.signals.find(({ role }) => role === 'alert')
  const asked = own === undefined ? undefined : kindIn(own.query)
  if (own?.unit === 'seconds') return 'latency'
  if (own?.unit === 'ratio') return asked === 'use' ? 'use' : 'errors'
  return asked ?? kindIn(`${own?.name ?? ''} ${title}`)
}

/** `HighErrorRate` and `http_requests_total` are taken apart into their words. */
function kindIn(text: string): Kind | undefined {
  const known = new Set(
    text
      .slice(0, 2000)
      .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
      .toLowerCase()
      .split(/[^a-z0-9]+/),
  )
  const found = words.find(([, list]) => [...known].some((word) => list.has(word)))?.[0]
  return found !== 'use' && /["|(]5(?:\.\.|xx|\[|\d\d)/.test(text) ? 'errors' : found
}
