import { Fault } from '../../src/lib/fault.ts'
import type { Entry, Json, Query, Row, Store } from '../../src/ports/store.ts'

export interface MemoryStore extends Store {
  /** Called before each call takes effect; what it throws, the call throws, and nothing is written. */
  before: (call: keyof Store, key: string) => void
  /** Called after a write took effect; what it throws, the call throws although the write is there. */
  after: (call: keyof Store, key: string) => void
}

const byCodePoint = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

function check(ok: boolean, say: string): void {
  if (!ok) throw new Fault('store.bad-argument', { say })
}

function encode(document: Json): string {
  let text: string | undefined
  try {
    text = JSON.stringify(document)
  } catch {
    // Answered below.
  }
  if (text === undefined) throw new Fault('store.not-json', { say: 'A document holds what JSON cannot carry.' })
  return text
}

function matches(document: Json, where: Query['where']): boolean {
  if (where === undefined) return true
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return false
  return Object.entries(where).every(([field, value]) => Object.hasOwn(document, field) && document[field] === value)
}

/** The Store in memory, for fast tests: the same contract, and faults on demand through `before` and `after`. */
export function createMemoryStore(): MemoryStore {
  const collections = new Map<string, Map<string, { version: number; text: string }>>()
  const streams = new Map<string, { seq: number; text: string }[]>()
  let closed = false

  const rowsOf = (collection: string) => {
    check(/^[A-Za-z][A-Za-z0-9._-]*$/.test(collection), 'A collection has a name that is not allowed.')
    const rows = collections.get(collection) ?? new Map<string, { version: number; text: string }>()
    collections.set(collection, rows)
    return rows
  }

  /** Takes effect in one go, after a turn of the microtask queue, as a database would. */
  const call = async <T>(name: keyof Store, key: string, work: () => T): Promise<T> => {
    await null
    if (closed) throw new Fault('store.unavailable', { say: 'The store was closed.' })
    memory.before(name, key)
    const value = work()
    memory.after(name, key)
    return value
  }

  /** The document is taken as it is at the moment of the call. */
  const write = async <T>(name: keyof Store, key: string, document: Json, work: (text: string) => T): Promise<T> => {
    const text = encode(document)
    return call(name, key, () => work(text))
  }

  const memory: MemoryStore = {
    before: () => {},
    after: () => {},

    get: (collection, id) =>
      call('get', `${collection}/${id}`, (): Row | undefined => {
        const row = rowsOf(collection).get(id)
        return row && { id, version: row.version, document: JSON.parse(row.text) }
      }),

    insert: (collection, id, document) =>
      write('insert', `${collection}/${id}`, document, (text) => {
        check(id !== '' && id.isWellFormed(), 'An id is empty or not valid Unicode.')
        const rows = rowsOf(collection)
        if (rows.has(id)) return false
        rows.set(id, { version: 1, text })
        return true
      }),

    put: (collection, id, document, version) =>
      write('put', `${collection}/${id}`, document, (text) => {
        const rows = rowsOf(collection)
        if (rows.get(id)?.version !== version) return undefined
        rows.set(id, { version: version + 1, text })
        return version + 1
      }),

    find: (collection, query = {}) =>
      call('find', collection, () => {
        const fields = Object.keys(query.where ?? {})
        check(
          fields.every((field) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(field)),
          'A field has a name that is not allowed.',
        )
        const limit = query.limit ?? Number.POSITIVE_INFINITY
        check(
          limit >= 0 && (query.limit === undefined || Number.isSafeInteger(limit)),
          'A limit is not a whole number.',
        )
        const rows = [...rowsOf(collection)]
          .map(([id, row]): Row => ({ id, version: row.version, document: JSON.parse(row.text) }))
          .filter((row) => row.id.startsWith(query.prefix ?? '') && matches(row.document, query.where))
          .sort((a, b) => byCodePoint(a.id, b.id))
        if (query.descending) rows.reverse()
        return rows.slice(0, limit)
      }),

    append: (stream, entry, at) =>
      write('append', stream, entry, (text) => {
        check(stream !== '' && stream.isWellFormed(), 'A stream name is empty or not valid Unicode.')
        check(at === undefined || Number.isSafeInteger(at), 'A sequence number is not a whole number.')
        const entries = streams.get(stream) ?? []
        const end = (entries.at(-1)?.seq ?? -1) + 1
        if (at !== undefined && at < end) return undefined
        entries.push({ seq: at ?? end, text })
        streams.set(stream, entries)
        return at ?? end
      }),

    read: (stream, from = 0, limit) =>
      call('read', stream, () => {
        check(Number.isSafeInteger(from), 'A sequence number is not a whole number.')
        check(limit === undefined || (Number.isSafeInteger(limit) && limit >= 0), 'A limit is not a whole number.')
        return (streams.get(stream) ?? [])
          .filter(({ seq }) => seq >= from)
          .slice(0, limit)
          .map(({ seq, text }): Entry => ({ seq, entry: JSON.parse(text) }))
      }),

    trim: (stream, before) =>
      call('trim', stream, () => {
        check(Number.isSafeInteger(before), 'A sequence number is not a whole number.')
        const entries = streams.get(stream) ?? []
        streams.set(
          stream,
          entries.filter(({ seq }, place) => seq >= before || place === entries.length - 1),
        )
      }),

    last: (stream, limit) =>
      call('last', stream, () => {
        check(Number.isSafeInteger(limit) && limit >= 0, 'A limit is not a whole number.')
        const entries = streams.get(stream) ?? []
        return entries
          .slice(entries.length - Math.min(limit, entries.length))
          .map(({ seq, text }): Entry => ({ seq, entry: JSON.parse(text) }))
      }),

    close: async () => {
      closed = true
    },
  }
  return memory
}
