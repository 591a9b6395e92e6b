import { Fault } from '../../src/lib/fault.ts'
import type { Metrics, Series } from '../../src/ports/metrics.ts'

/** Answers by query; a Fault is thrown. */
export function metricsOf(answers: Record<string, Series[] | Fault>): Metrics & { asked: string[] } {
  const asked: string[] = []
  const answer = async (query: string): Promise<Series[]> => {
    asked.push(query)
    const found = answers[query] ?? []
    if (found instanceof Fault) throw found
    return found
  }
  return {
    asked,
    catalogue: async () => [],
    series: async () => [],
    range: answer,
    instant: async (query, at = new Date()) =>
      (await answer(query)).map(({ labels, points }) => ({
        labels,
        at: at.getTime() / 1000,
        value: points.at(-1)?.[1] ?? Number.NaN,
      })),
  }
}
