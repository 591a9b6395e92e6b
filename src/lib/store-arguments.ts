import { Fault } from './fault.ts'

/** What every Store refuses before it asks its database; each throws Fault `store.bad-argument`, a defect of the caller. */

const fieldName = /^[A-Za-z_][A-Za-z0-9_]*$/
const collectionName = /^[A-Za-z][A-Za-z0-9._-]*$/

function badArgument(say: string): Fault {
  return new Fault('store.bad-argument', { say, next: 'this is a defect of Rollcall, report it' })
}

/** Collections are named by code; the name becomes one of the database's own, so anything but a plain name is refused. */
export function checkCollection(name: string): string {
  if (!collectionName.test(name)) throw badArgument('A collection has a name that is not allowed.')
  return name
}

export function isField(name: string): boolean {
  return fieldName.test(name)
}

export function checkField(name: string): string {
  if (!isField(name)) throw badArgument('A field has a name that is not allowed.')
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

/** The document as JSON text. Throws Fault `store.not-json` for what JSON cannot carry. */
export function documentText(document: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(document)
  } catch {
    // The error would name keys of the document.
  }
  if (text !== undefined) return text
  throw new Fault('store.not-json', {
    say: 'A document holds what JSON cannot carry.',
    next: 'this is a defect of Rollcall, report it',
  })
}
