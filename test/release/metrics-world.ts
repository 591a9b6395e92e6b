import { Fault } from '../../src/lib/fault.ts'
import type { Labels, MetricInfo, Metrics, Sample, Series } from '../../src/ports/metrics.ts'

/** Series of one name for each host, as Prometheus lists them. */
export function seriesOf(
  name: string,
  hosts: readonly string[],
  labels: Labels = { service: 'user-service' },
  by = 'host',
): Labels[] {
  return hosts.map((host) => ({ __name__: name, ...labels, [by]: host }))
}

export function info(name: string, type: MetricInfo['type'] = 'unknown'): MetricInfo {
  return { name, type, help: '' }
}

export interface Asked {
  catalogue: number
  series: string[]
  instant: string[]
  range: { query: string; from: number; to: number; step: number }[]
}

/** Answers from functions and remembers what it was asked. A function that is left out answers with nothing. */
export function scripted(answers: {
  catalogue?: MetricInfo[]
  series?: (matcher: string) => Labels[]
  instant?: (query: string, at: number) => Sample[]
  range?: (query: string, from: number, to: number, step: number) => Series[]
}): { metrics: Metrics; asked: Asked } {
  const asked: Asked = { catalogue: 0, series: [], instant: [], range: [] }
  const seconds = (date: Date | undefined) => (date?.getTime() ?? 0) / 1000
  const metrics: Metrics = {
    async catalogue() {
      asked.catalogue++
      return answers.catalogue ?? []
    },
    async series(matcher, limit) {
      asked.series.push(matcher)
      return (answers.series?.(matcher) ?? []).slice(0, limit)
    },
    async instant(query, at) {
      asked.instant.push(query)
      return answers.instant?.(query, seconds(at)) ?? []
    },
    async range(query, from, to, step) {
      asked.range.push({ query, from: seconds(from), to: seconds(to), step })
      return answers.range?.(query, seconds(from), seconds(to), step) ?? []
    },
  }
  return { metrics, asked }
}

/** One point per step, for each host, of the value at that moment. */
export function every(
  hosts: readonly string[],
  from: number,
  to: number,
  step: number,
  value: (at: number, host: string) => number,
  label = 'host',
): Series[] {
  return hosts.map((host) => {
    const points: [number, number][] = []
    for (let at = from; at <= to; at += step) points.push([at, value(at, host)])
    return { labels: { [label]: host }, points }
  })
}

export const down = new Fault('metrics.unreachable', { say: 'Prometheus at http://x cannot be reached.', retry: true })
