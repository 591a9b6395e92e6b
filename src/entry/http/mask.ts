/** A copy of plain JSON data with every string masked; numbers and the shape stay as they are. */
export function maskAll<T>(value: T, redact: (text: string) => string): T {
  return walk(value, redact) as T
}

function walk(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    // Points of a chart are many and hold no text.
    return typeof value[0] === 'number' ? value : value.map((each) => walk(each, redact))
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, redact)]))
}
