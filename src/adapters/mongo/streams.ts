import { checkId, checkNumber, documentText } from '../../lib/store-arguments.ts'
import type { Store } from '../../ports/store.ts'
import { confirm, type ReadOptions } from './confirm.ts'
import { type Connection, type EntryRow, type Head, newToken, own, parseText } from './connect.ts'
import { awayFault, isDuplicate, tooLarge, unknownOutcome } from './faults.ts'

/** 16 MiB hold a document of MongoDB; the rest of a row is small. */
export const maxText = 16 * 1024 * 1024 - 64 * 1024

/**
 * Streams without a transaction. The newest entry of a stream lies in one document, its head; to add one, the entry that the
 * head holds is first put among the older ones, and then the head is exchanged for the new entry if it is still the same.
 * So numbers only grow, and whoever has seen an entry finds all before it: two documents, one for the end of the stream and one
 * for the entry, could not promise that without a transaction.
 */
export function createStreams({
  db,
  database,
  callMs,
  call,
}: Connection): Pick<Store, 'append' | 'read' | 'last' | 'trim'> {
  const heads = db.collection<Head>(own.heads)
  const entries = db.collection<EntryRow>(own.entries)
  /** The end of the queue of each stream that is being written: calls keep the order in which they were made. */
  const queues = new Map<string, Promise<unknown>>()

  const inTurn = <T>(stream: string, work: () => Promise<T>): Promise<T> => {
    const asked = performance.now()
    const begin = () => {
      // Each of those before has waited for the server: the last must not wait for the sum.
      if (performance.now() - asked > callMs) throw awayFault(database)
      return work()
    }
    const turn = (queues.get(stream) ?? Promise.resolve()).then(begin, begin)
    queues.set(stream, turn)
    const done = () => {
      if (queues.get(stream) === turn) queues.delete(stream)
    }
    turn.then(done, done)
    return turn
  }

  /** Whether the entry that was sent with this number and token is there; undefined when that cannot be told any more. */
  const arrived = async (
    head: Head | null,
    seq: number,
    token: string,
    options: ReadOptions = {},
  ): Promise<boolean | undefined> => {
    if (head === null || head.seq < seq) return false
    if (head.seq === seq) return head.token === token
    if (seq < head.trimmed) return undefined
    return (await entries.findOne({ stream: head._id, seq }, options))?.token === token
  }

  const append = async (stream: string, text: string, at: number | undefined): Promise<number | undefined> => {
    const token = newToken()
    let sent: number | undefined
    return call(async () => {
      for (;;) {
        const head = await heads.findOne({ _id: stream })
        if (sent !== undefined) {
          const mine = await arrived(head, sent, token)
          if (mine === undefined) throw unknownOutcome()
          const seq = sent
          const look = async (options: ReadOptions) =>
            (await arrived(await heads.findOne({ _id: stream }, options), seq, token, options)) === true
          if (mine && (await confirm(look))) return seq
        }
        const end = head === null ? -1 : head.seq
        const seq = at ?? end + 1
        if (seq <= end || seq < 0) return undefined
        if (head !== null) await settle(head)
        sent = seq
        if (await exchange(stream, head, { seq, text, token })) return seq
      }
    })
  }

  /** Puts the head's entry among the older ones; it may be there already. */
  const settle = async ({ _id, seq, text, token }: Head): Promise<void> => {
    try {
      await entries.insertOne({ stream: _id, seq, text, token })
    } catch (error) {
      if (!isDuplicate(error)) throw error
    }
  }

  const exchange = async (stream: string, head: Head | null, next: Omit<Head, '_id' | 'trimmed'>): Promise<boolean> => {
    if (head !== null) return (await heads.updateOne({ _id: stream, seq: head.seq }, { $set: next })).matchedCount === 1
    try {
      await heads.insertOne({ _id: stream, ...next, trimmed: 0 })
      return true
    } catch (error) {
      if (isDuplicate(error)) return false
      throw error
    }
  }

  const entryOf = ({ seq, text }: { seq: number; text: string }) => ({ seq, entry: parseText(text) })

  return {
    append: async (stream, entry, at) => {
      const text = documentText(entry)
      if (Buffer.byteLength(text) > maxText) throw tooLarge()
      checkId(stream)
      if (at !== undefined) checkNumber(at, 'sequence number')
      return inTurn(stream, () => append(stream, text, at))
    },

    read: async (stream, from = 0, limit) => {
      checkNumber(from, 'sequence number')
      if (limit !== undefined) checkNumber(limit, 'limit')
      if (limit === 0 || !stream.isWellFormed()) return []
      return call(async () => {
        const head = await heads.findOne({ _id: stream })
        if (head === null) return []
        const range = { $gte: Math.max(from, head.trimmed), $lt: head.seq }
        // A limit of 0 is none.
        const older = await entries.find({ stream, seq: range }, { sort: { seq: 1 }, limit: limit ?? 0 }).toArray()
        const whole = head.seq >= from && (limit === undefined || older.length < limit)
        return [...older, ...(whole ? [head] : [])].map(entryOf)
      })
    },

    last: async (stream, limit) => {
      checkNumber(limit, 'limit')
      if (limit === 0 || !stream.isWellFormed()) return []
      return call(async () => {
        const head = await heads.findOne({ _id: stream })
        if (head === null) return []
        const range = { $gte: head.trimmed, $lt: head.seq }
        const older =
          limit === 1
            ? []
            : await entries.find({ stream, seq: range }, { sort: { seq: -1 }, limit: limit - 1 }).toArray()
        return [...older.toReversed(), head].map(entryOf)
      })
    },

    trim: async (stream, before) => {
      checkNumber(before, 'sequence number')
      if (!stream.isWellFormed()) return
      await call(async () => {
        const head = await heads.findOne({ _id: stream })
        if (head === null) return
        const mark = Math.min(before, head.seq)
        // First the mark: an entry that is put among the older ones a moment later stays forgotten.
        await heads.updateOne({ _id: stream }, { $max: { trimmed: mark } })
        await entries.deleteMany({ stream, seq: { $lt: mark } })
      })
    },
  }
}
