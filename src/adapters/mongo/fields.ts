import { createHash } from 'node:crypto'
import { checkField, isField } from '../../lib/store-arguments.ts'
import type { Json } from '../../ports/store.ts'

/** What a field is compared by; MongoDB compares type and value, and takes 1 and 1.0 for the same. */
export type Comparable = string | number | boolean | { sha256: string }

/** Longer texts are compared by their digest, or each document would hold its texts twice. */
const longest = 256

function comparable(value: string | number | boolean): Comparable {
  if (typeof value === 'string' && value.length > longest) {
    return { sha256: createHash('sha256').update(value).digest('hex') }
  }
  return value === 0 ? 0 : value
}

/** The top-level fields that `find` can ask for. A Map: `__proto__` is a field like any other. */
export function fieldsOf(document: Json): Map<string, Comparable> {
  const fields = new Map<string, Comparable>()
  if (document === null || typeof document !== 'object' || Array.isArray(document)) return fields
  for (const [name, value] of Object.entries(document)) {
    if (!isField(name)) continue
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      fields.set(name, comparable(value))
    }
  }
  return fields
}

/** Where a field lies in a stored document. */
export function pathOf(field: string): string {
  return `f.${checkField(field)}`
}

export function whereFilter(where: Record<string, string | number | boolean>): Record<string, Comparable> {
  return Object.fromEntries(Object.entries(where).map(([field, value]) => [pathOf(field), comparable(value)]))
}
