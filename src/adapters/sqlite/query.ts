import type { SQLInputValue } from 'node:sqlite'
import { afterPrefix, checkCollection, checkField, checkId, checkNumber } from '../../lib/store-arguments.ts'
import type { Query } from '../../ports/store.ts'
import { fieldExpression } from './schema.ts'

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
