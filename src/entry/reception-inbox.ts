import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { asFault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { Json, Row, Store } from '../ports/store.ts'
import { INBOX, type InboxRow, readRow } from './reception-row.ts'

/** A row as this process knows it. */
export interface Item {
  id: string
  row: InboxRow
  version: number
}

/** The collection `inbox`: what was brought, and how far it is. */
export interface Inbox {
  /** False when it is there already. Throws what the store throws. */
  insert(id: string, row: InboxRow): Promise<Item | undefined>
  /** Writes the next state, however long the store is away; false when another process has the row. Throws when it is halted. */
  write(item: Item, next: InboxRow): Promise<boolean>
  /** Whether the row still stands as this process left it. */
  stands(item: Item): Promise<boolean>
  /** Everything about which something is still to be done, in the order of acceptance; of one line only when it is given. */
  pending(lane?: string): Promise<Item[]>
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000

export function createInbox(store: Store, log: Log, halted: AbortSignal): Inbox {
  const unreadable = new Set<string>()

  /** A writing whose answer was lost is looked up before it is called lost. */
  const put = async (item: Item, next: InboxRow): Promise<boolean> => {
    const document = next as unknown as Json
    let version = await store.put(INBOX, item.id, document, item.version)
    if (version === undefined) {
      const row = await store.get(INBOX, item.id)
      if (row?.version === item.version + 1 && isDeepStrictEqual(row.document, JSON.parse(JSON.stringify(next)))) {
        version = row.version
      }
    }
    if (version === undefined) return false
    item.version = version
    item.row = next
    return true
  }

  const read = (row: Row): Item[] => {
    try {
      return [{ id: row.id, row: readRow(row.document), version: row.version }]
    } catch (error) {
      if (!unreadable.has(row.id)) log.error({ id: row.id, err: error }, 'row of the inbox not readable')
      unreadable.add(row.id)
      return []
    }
  }

  return {
    async insert(id, row) {
      return (await store.insert(INBOX, id, row as unknown as Json)) ? { id, row, version: 1 } : undefined
    },
    async write(item, next) {
      for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
        halted.throwIfAborted()
        try {
          return await put(item, next)
        } catch (error) {
          log.warn({ id: item.id, code: asFault(error).code }, 'row of the inbox not written, trying again')
          await delay(pause, undefined, { signal: halted, ref: false })
        }
      }
    },
    async stands(item) {
      return (await store.get(INBOX, item.id))?.version === item.version
    },
    async pending(lane) {
      const rows = await store.find(INBOX, { where: { pending: true, ...(lane === undefined ? {} : { lane }) } })
      return rows.flatMap(read).sort((a, b) => (a.row.order < b.row.order ? -1 : 1))
    },
  }
}
