import type { Usage } from '../ports/model.ts'

export interface Budget {
  /** Calls of the model, the last one without tools and a repair among them. */
  steps: number
  /** Tokens of all calls, whatever they cost. */
  tokens: number
  /** Seconds that the calls take, one after the other; time in which the process was down does not count. */
  seconds: number
}

/** US dollars per million tokens. */
export type Prices = Record<keyof Usage, number>

export function totalOf({ input, cacheRead, cacheWrite, output }: Usage): number {
  return input + cacheRead + cacheWrite + output
}

/** US dollars. */
export function costOf(usage: Usage, prices: Prices): number {
  const { input, cacheRead, cacheWrite, output } = prices
  const millionths =
    usage.input * input + usage.cacheRead * cacheRead + usage.cacheWrite * cacheWrite + usage.output * output
  return millionths / 1e6
}
