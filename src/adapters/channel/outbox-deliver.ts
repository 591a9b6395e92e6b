import { asFault } from '../../lib/fault.ts'
import type { Store } from '../../ports/store.ts'
import type { Delivery, Sender, Sent } from '../../ports/surface.ts'
import { bundle, fitting, gather, mergeable, quoting, STORM_MS } from './outbox-coalesce.ts'
import { lookOf, rankOf } from './outbox-rank.ts'
import type { Sends, Window } from './outbox-rates.ts'
import { type Kept, kindOf, noted, type OutboxRow, type PostNow, type Rows, readPost } from './outbox-row.ts'

/** What a delivery works with; the same for all of one surface but for its place. */
export interface Desk {
  sender: Sender
  store: Store
  rows: Rows
  clock: () => Date
  steady: () => number
  /** Whether this process may send and record. */
  held(): boolean
  /** Takes the newest state of a row into account. */
  keep(row: Kept | undefined): void
  /** Repeats a call on the store while it is away and this process may still record. */
  patiently<T>(work: () => Promise<T>): Promise<T | undefined>
}

/** The rows of a place that may go out, in the order of their urgency, and the keys under which others stand. */
export interface Queue {
  ready: readonly Kept[]
  heads: ReadonlySet<string>
}

export interface Place {
  window: Window
  sends: Sends
  /** The surface refused a merged message here: lines go one by one. */
  oneByOne: boolean
}

/** 'nothing': there was nothing to send after all, or something else goes first. */
export type Outcome = { at: 'nothing' } | { at: 'stopped' } | Sent

const nothing: Outcome = { at: 'nothing' }

interface Parcel {
  delivery: Delivery
  /** The first is the message itself, the others stand in it. */
  posts: PostNow[]
}

/**
 * Brings one message of a place up to date on the surface: notes that it is being sent, sends it, and records what came of it.
 * Throws the store's faults.
 */
export async function deliver(desk: Desk, place: Place, key: string, queue: Queue): Promise<Outcome> {
  const { rows, store, sender } = desk
  const fresh = await rows.get(key)
  desk.keep(fresh)
  if (fresh?.row.waiting !== true) return nothing
  if (fresh.row.noting === true) return noteCarried(desk, fresh.row)
  const post = await readPost(store, key)
  if (post === undefined || sender.place(post.channel) === undefined) {
    // The configuration shows this channel there no more.
    desk.keep(await rows.change(key, (row) => row && { ...row, waiting: false }))
    return nothing
  }
  const row = inPlace(fresh.row, sender.place(post.channel) ?? fresh.row.place)
  const look = lookOf(post.message)
  if (row.shown?.digest === look.digest && row.sendingSince === undefined) {
    desk.keep(await rows.change(key, (now) => now && upToDate(now, look.digest, post.revision)))
    return nothing
  }
  const head = await headOf(desk, row)
  if (head === 'waits') return nothing

  const parcel = await pack(desk, place, { ...fresh, row }, post, head, queue)
  // Later than any try before, or the two would count as one.
  const at = new Date(Math.max(desk.clock().getTime(), row.triedAt === undefined ? 0 : Date.parse(row.triedAt) + 1))
  const uncertainSince = row.sendingSince
  const carries = parcel.posts.slice(1).map((each) => ({ key: each.key, revision: each.revision }))
  const begun = await rows.put(fresh, {
    ...row,
    sendingSince: uncertainSince ?? at.toISOString(),
    triedAt: at.toISOString(),
    carries: carries.length > 0 ? carries : undefined,
  })
  if (begun === undefined) {
    desk.keep(await rows.get(key))
    return nothing
  }
  desk.keep(begun)
  if (!desk.held()) return { at: 'stopped' }

  const noteAt = desk.steady()
  const kind = kindOf(row)
  place.window.note(noteAt, kind)
  const sent = await send(sender, parcel.delivery)
  const messages = counted(sent)
  if (messages === 0) place.window.forget(noteAt)
  else {
    if (messages > 1) place.window.note(noteAt, kind, messages - 1)
    await desk.patiently(() => place.sends.add(key, at, kind, messages))
  }
  if (!desk.held()) return { at: 'stopped' }
  await desk.patiently(() => record(desk, place, { parcel, sent, before: row }))
  return sent
}

/** How many messages the surface has, or may have, put there for it. */
function counted(sent: Sent): number {
  if (sent.at === 'sent') return sent.free ? 0 : (sent.messages ?? 1)
  return (sent.messages ?? 0) + (sent.at === 'later' && sent.arrived === 'unknown' ? 1 : 0)
}

async function send(sender: Sender, delivery: Delivery): Promise<Sent> {
  try {
    return await sender.send(delivery)
  } catch (error) {
    return { at: 'later', ms: 0, scope: 'place', why: asFault(error).message, arrived: 'unknown' }
  }
}

/** What the configuration moved to another place has not been shown there. */
function inPlace(row: OutboxRow, place: string): OutboxRow {
  if (row.place === place) return row
  const { shown: _shown, sendingSince: _since, triedAt: _tried, carries: _carries, mergedInto: _into, ...rest } = row
  return { ...rest, place }
}

function upToDate(now: OutboxRow, digest: string, revision: number): OutboxRow {
  if (now.shown?.digest !== digest || now.wanted > revision) return now
  return { ...now, waiting: false, wanted: revision, shown: { ...now.shown, revision } }
}

type Head = Pick<Delivery, 'thread'> & { quote?: PostNow }

/**
 * Under what a reply stands. A head that was merged is answered where it stands; one that is refused, or shown in another place,
 * is quoted in the reply, which then stands at top level.
 */
async function headOf(desk: Desk, row: OutboxRow): Promise<Head | 'waits'> {
  const { rows, store, sender } = desk
  if (row.thread === undefined) return {}
  const post = await readPost(store, row.thread)
  if (post === undefined) return {}
  if (sender.place(post.channel) !== row.place) return { quote: post }
  const where = { surface: sender.surface, place: row.place, at: desk.clock().toISOString() }
  // A process that died in between has not noted it.
  const kept = (await rows.get(post.key)) ?? (await rows.change(post.key, (head) => noted(head, post, where)))
  const head = kept?.row
  const under = head?.mergedInto === undefined ? head : (await rows.get(head.mergedInto))?.row
  const identity = under?.place === row.place ? under.shown?.identity : undefined
  if (under !== undefined && identity !== undefined) {
    return { thread: { key: under.key, identity, message: post.message } }
  }
  if (head?.waiting !== true) return { quote: post }
  desk.keep(kept)
  return 'waits'
}

/** What is sent for a row: itself, and the lines that go with it. */
async function pack(desk: Desk, place: Place, kept: Kept, post: PostNow, head: Head, queue: Queue): Promise<Parcel> {
  const { row } = kept
  const posts = await together(desk, place, kept, post, queue)
  const message = bundle(posts.map((each) => each.message))
  const delivery: Delivery = {
    key: row.key,
    place: row.place,
    message: head.quote === undefined ? message : quoting(message, head.quote.message),
    revision: post.revision,
    ...(head.thread === undefined ? {} : { thread: head.thread }),
    ...(row.shown?.identity === undefined ? {} : { identity: row.shown.identity }),
    ...(row.shown?.mark === undefined ? {} : { mark: row.shown.mark }),
    ...(row.sendingSince === undefined ? {} : { uncertainSince: row.sendingSince }),
  }
  return { delivery, posts }
}

async function together(
  { store, rows, clock, steady }: Desk,
  place: Place,
  { row, version }: Kept,
  post: PostNow,
  queue: Queue,
): Promise<PostNow[]> {
  const read = async (keys: readonly string[]) => {
    const posts = await Promise.all(keys.map((key) => readPost(store, key)))
    return posts.filter((each) => each !== undefined)
  }
  if (row.carries !== undefined) {
    const carried = await Promise.all(row.carries.map(({ key }) => rows.get(key)))
    // A merged line that was edited later and stands by itself is no longer in here; nor is one that now has to.
    const inside = carried.flatMap((each) => (each?.row.shown?.identity === undefined ? (each?.row.key ?? []) : []))
    return [post, ...(await read(inside)).filter(({ message }) => mergeable(message))]
  }
  if (place.oneByOne) return [post]
  const room = place.window.room(steady(), STORM_MS)
  const group = gather({ row, version }, queue, { room, now: clock().getTime() })
  return fitting([post, ...(await read(group.slice(1).map((each) => each.row.key)))])
}

/** Writes what came of a send into the rows: with compare-and-set, and only while this process may. */
async function record(
  desk: Desk,
  place: Place,
  { parcel, sent, before }: { parcel: Parcel; sent: Sent; before: OutboxRow },
): Promise<void> {
  const { posts } = parcel
  const [post, ...others] = posts
  if (post === undefined) return
  const at = desk.clock().toISOString()
  const change = async (edit: (row: OutboxRow) => OutboxRow) => {
    const kept = await desk.rows.change(post.key, (row) => (row === undefined || !desk.held() ? undefined : edit(row)))
    desk.keep(kept)
    return kept
  }
  // As it was before this try: an earlier one may still be in doubt.
  const undone = (row: OutboxRow) => ({
    ...row,
    sendingSince: before.sendingSince,
    triedAt: before.triedAt,
    carries: before.carries,
  })

  if (sent.at === 'later') {
    if (sent.arrived === 'no') await change(undone)
    return
  }
  if (sent.at === 'refused') {
    // Lines that were never shown are tried one by one.
    const apart = others.length > 0 && before.shown === undefined
    const parked = (row: OutboxRow) => !apart && row.wanted <= post.revision
    if (apart) place.oneByOne = true
    const refusal = { why: sent.why, next: sent.next, at }
    await change((row) => ({
      ...undone(row),
      // Should the earlier try have arrived, what stands there becomes this line alone.
      carries: apart ? undefined : row.carries,
      ...(parked(row) ? { waiting: false, refused: true, refusal } : {}),
    }))
    return
  }
  const look = lookOf(post.message)
  const { identity, mark } = sent
  const shown = { revision: post.revision, ...look, identity, mark, at }
  const kept = await change((row) => ({
    ...row,
    place: before.place,
    shown,
    sendingSince: undefined,
    triedAt: undefined,
    refusal: undefined,
    mergedInto: undefined,
    wanted: Math.max(row.wanted, post.revision),
    waiting: others.length > 0 || row.wanted > post.revision,
    since: at,
    carries: others.length > 0 ? others.map(({ key, revision }) => ({ key, revision })) : undefined,
    noting: others.length > 0 ? true : undefined,
  }))
  if (kept?.row.noting === true) await noteCarried(desk, kept.row)
  else if (kept?.row.waiting === true) await rankAnew(desk, post.key)
}

/** What is newer than what was just shown is compared with that. */
async function rankAnew(desk: Desk, key: string): Promise<void> {
  const newest = await readPost(desk.store, key)
  if (newest === undefined) return
  const kept = await desk.rows.change(key, (row) => {
    if (row === undefined || !desk.held()) return undefined
    const anew = rankOf(newest, row.shown)
    return anew === row.rank ? undefined : { ...row, rank: anew }
  })
  desk.keep(kept)
}

/** Says of every message that stands in this one that it is shown, and then of this one that all is said. */
async function noteCarried(desk: Desk, leader: OutboxRow): Promise<Outcome> {
  const at = desk.clock().toISOString()
  for (const { key, revision } of leader.carries ?? []) {
    const post = await readPost(desk.store, key)
    const kept = await desk.rows.change(key, (row) => {
      if (row === undefined || !desk.held() || row.shown?.identity !== undefined) return undefined
      // When it was edited since, its look as it stands in there is not known any more; the edit is shown by itself.
      const look = post?.revision === revision ? lookOf(post.message) : { digest: '', face: '', asks: false }
      const waiting = row.wanted > revision
      return { ...row, shown: { revision, ...look, at }, mergedInto: leader.key, waiting, since: at, refused: false }
    })
    desk.keep(kept)
  }
  const kept = await desk.rows.change(leader.key, (row) => {
    if (row === undefined || !desk.held()) return undefined
    return { ...row, noting: undefined, waiting: row.wanted > (row.shown?.revision ?? 0) }
  })
  desk.keep(kept)
  if (kept?.row.waiting === true) await rankAnew(desk, leader.key)
  return nothing
}
