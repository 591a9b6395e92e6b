import { seenOf } from '../../lib/text.ts'

/** The text as it may be shown and sent on. */
export const clean = seenOf

/** The same for every text within a JSON value, keys included: an escape such as \u202e hides as plain ASCII until it is parsed. */
export function cleanJson(value: unknown): unknown {
  if (typeof value === 'string') return clean(value)
  if (Array.isArray(value)) return value.map(cleanJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [clean(key), cleanJson(inner)]))
}
