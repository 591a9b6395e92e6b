/** Tries at most this many opening braces: the text comes from a model and may be anything. */
const MOST = 200
const LONGEST = 200_000

/**
 * The JSON objects that stand in a text, outermost ones in order: models like to put a code fence or a few words around what
 * they were asked for.
 */
export function objectsIn(text: string): unknown[] {
  const found: unknown[] = []
  const body = text.slice(0, LONGEST)
  let from = 0
  for (let tries = 0; tries < MOST; tries++) {
    const start = body.indexOf('{', from)
    if (start === -1) break
    const end = endOf(body, start)
    const value = end === undefined ? undefined : parsed(body.slice(start, end))
    if (value !== undefined) found.push(value)
    from = end !== undefined && value !== undefined ? end : start + 1
  }
  return found
}

/** Behind the brace that closes the one at `start`; braces in strings do not count. */
function endOf(text: string, start: number): number | undefined {
  let depth = 0
  let quoted = false
  for (let i = start; i < text.length; i++) {
    const char = text[i]
    if (quoted) {
      if (char === '\\') i++
      else if (char === '"') quoted = false
    } else if (char === '"') quoted = true
    else if (char === '{') depth++
    else if (char === '}' && --depth === 0) return i + 1
  }
  return undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
