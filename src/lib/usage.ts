/** Tokens of one or several answers of a model. */
interface Tokens {
  input: number
  cacheRead: number
  cacheWrite: number
  output: number
}

export const nothingUsed: Tokens = { input: 0, cacheRead: 0, cacheWrite: 0, output: 0 }

export function addUsage(a: Tokens, b: Tokens): Tokens {
  return {
    input: a.input + b.input,
    cacheRead: a.cacheRead + b.cacheRead,
    cacheWrite: a.cacheWrite + b.cacheWrite,
    output: a.output + b.output,
  }
}
