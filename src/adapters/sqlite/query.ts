import type { SQLInputValue } from 'node:sqlite'
import { Fault } from '../../lib/fault.ts'
import type { Query } from '../../ports/store.ts'
import { fieldExpression } from './schema.ts'

const fieldName = /^[A-Za-z_][A-Za-z0-9_]*$/
const collectionName = /^[A-Za-z][A-Za-z0-9._-]*$/

function badArgument(say: string): Fault {
  return new Fault('store.bad-argument', { say, next: 'this is a defect of Rollcall, report it' })
}

/** Collections are named by code; the name stands in SQL text, so anything but a plain name is refused. */
export function checkCollection(name: string): string {
  if (!collectionName.test(name)) throw badArgument('A collection has a name that is not allowed.')
  return name
}

export function checkField(name: string): string {
  if (!fieldName.test(name)) throw badArgument('A field has a name that is not allowed.')
  return name
}

/** Any text but an empty one or half a surrogate pair, which no database keeps as it is. */
export function checkId(id: string): string {
  if (id === '' || !id.isWellFormed()) throw badArgument('An id or stream name is empty or not valid Unicode.')
  return id
}

export function checkNumber(value: number, what: 'limit' | 'sequence number'): number {
  if (!Number.isSafeInteger(value) || (what === 'limit' && value < 0)) {
    throw badArgument(`A ${what} is not a whole number.`)
  }
  return value
}

/** The smallest text above every text with this prefix, in the order of code points (which is that of UTF-8 bytes). */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue
    const next = last === 0xd7ff ? 0xe000 : last + 1
    return String.fromCodePoint(...points, next)
  }
  return undefined
}

/**
 * The statement of `find`. Names of collections and fields stand in the text (an index on an expression is used only when
 * the expression is the same word for word), which is why they are checked; every value is a parameter.
 */
export function findStatement(collection: string, query: Query): { sql: string; values: SQLInputValue[] } {
  const conditions = [`collection = '${checkCollection(collection)}'`]
  const values: SQLInputValue[] = []
  for (const [field, value] of Object.entries(query.where ?? {})) {
    const expression = fieldExpression(checkField(field))
    // The type is part of equality: json_extract gives 1 for true and text for an object.
    if (typeof value === 'boolean') {
      conditions.push(`${expression} = ${value ? 1 : 0}`, `json_type(document, '$.${field}') = '${value}'`)
      continue
    }
    const types = typeof value === 'number' ? `IN ('integer', 'real')` : `= 'text'`
    conditions.push(`${expression} = ?`, `json_type(document, '$.${field}') ${types}`)
    values.push(value)
  }
  if (query.prefix !== undefined && query.prefix !== '') {
    conditions.push('id >= ?')
    values.push(checkId(query.prefix))
    const after = afterPrefix(query.prefix)
    if (after !== undefined) {
      conditions.push('id < ?')
      values.push(after)
    }
  }
  let sql = `SELECT id, version, document FROM documents WHERE ${conditions.join(' AND ')} ORDER BY id`
  if (query.descending) sql += ' DESC'
  if (query.limit !== undefined) {
    sql += ' LIMIT ?'
    values.push(checkNumber(query.limit, 'limit'))
  }
  return { sql, values }
}
