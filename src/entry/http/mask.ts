/** A copy of plain JSON data with every string masked; numbers and the shape stay as they are. */
export function maskAll<T>(value: T, redact: (text: string) => string): T {
  return walk(value, redact) as T
}

function walk(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return mapItems(value, (each) => walk(each, redact))
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, redact)]))
}

/** The list with every item through `map`; points of a chart, which are many and hold no text, stay as they are. */
export function mapItems(list: unknown[], map: (item: unknown) => unknown): unknown[] {
  const points = Array.isArray(list[0]) && typeof list[0][0] === 'number'
  return points ? list : list.map(map)
}

const masked = new WeakSet<object>()

/** The same data, known from now on to hold no secret: it is not gone through again. */
export function isMasked<T extends object>(value: T): T {
  masked.add(value)
  return value
}

/** As `maskAll`, for an answer on its way out. */
export function maskAnswer(value: unknown, redact: (text: string) => string): unknown {
  return typeof value === 'object' && value !== null && masked.has(value) ? value : maskAll(value, redact)
}
