import type { Json } from '../../../ports/store.ts'

interface ChangeRow {
  /** Where in the document, such as `approvals.0.by`; empty for the document itself. */
  path: string
  /** As JSON text; undefined when there was nothing there. */
  before?: string
  after?: string
}

/** What differs between two documents, leaf by leaf, in the order of the keys. Equal leaves are left out. */
export function changesOf(before: Json | undefined, after: Json | undefined, path = ''): ChangeRow[] {
  if (isBranch(before) || isBranch(after)) {
    const left = isBranch(before) ? before : undefined
    const right = isBranch(after) ? after : undefined
    const rows: ChangeRow[] = []
    if (left === undefined && before !== undefined) rows.push({ path, before: textOf(before) })
    if (right === undefined && after !== undefined) rows.push({ path, after: textOf(after) })
    const names = new Set([...Object.keys(left ?? {}), ...Object.keys(right ?? {})])
    for (const name of names) {
      rows.push(...changesOf(own(left, name), own(right, name), path === '' ? name : `${path}.${name}`))
    }
    // An empty list or object has no leaves to show.
    if (names.size === 0 && (left === undefined) !== (right === undefined))
      rows.push({ path, before: textOf(left), after: textOf(right) })
    return rows
  }
  if (before === after) return []
  return [{ path, before: textOf(before), after: textOf(after) }]
}

type Branch = { [key: string]: Json | undefined }

function isBranch(value: Json | undefined): value is Branch & Json {
  return typeof value === 'object' && value !== null
}

function own(branch: Branch | undefined, name: string): Json | undefined {
  return branch !== undefined && Object.hasOwn(branch, name) ? branch[name] : undefined
}

function textOf(value: Json | undefined): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value)
}
