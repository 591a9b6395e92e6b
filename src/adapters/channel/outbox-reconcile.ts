import { z } from 'zod'
import type { Store } from '../../ports/store.ts'
import type { SurfaceName } from '../../ports/surface.ts'
import { type PostNow, readPost } from './outbox-row.ts'

const COLLECTION = 'outbox-surfaces'
const HEADS = 200
const REPLIES = 10
const AT_ONCE = 20
/** The span of service is written down at least this often, with much room. */
const SPAN_SLACK_MS = 600_000
export const SPAN_EVERY_MS = 60_000

const spanSchema = z.object({ from: z.string(), seen: z.string() })
type Span = z.infer<typeof spanSchema>

/**
 * When a surface was last served (ISO), by any process. A message that changed within the span should have a row in the outbox;
 * one from before or between, when the surface was not configured, should not.
 */
export interface Spans {
  /** The span so far; the first time it begins now. */
  read(surface: SurfaceName): Promise<Span>
  /** The surface is served now. After a time in which it was not, a new span begins; call it after looking at the old one. */
  touch(surface: SurfaceName): Promise<void>
}

export function createSpans(store: Store, clock: () => Date): Spans {
  const get = async (surface: SurfaceName) => {
    const row = await store.get(COLLECTION, surface)
    return row && { version: row.version, span: spanSchema.parse(row.document) }
  }
  const begin = async (surface: SurfaceName): Promise<Span> => {
    const at = clock().toISOString()
    await store.insert(COLLECTION, surface, { from: at, seen: at })
    return (await get(surface))?.span ?? { from: at, seen: at }
  }
  return {
    read: async (surface) => (await get(surface))?.span ?? begin(surface),
    touch: async (surface) => {
      const known = await get(surface)
      if (known === undefined) return void (await begin(surface))
      const seen = clock().toISOString()
      const gap = Date.parse(seen) - Date.parse(known.span.seen) > SPAN_SLACK_MS
      // Another process may have written it at the same time; either is right.
      await store.put(COLLECTION, surface, { from: gap ? seen : known.span.from, seen }, known.version)
    },
  }
}

/** The newest messages of a channel and of the threads in it: bounded, at most some thousand reads. */
export async function newestPosts(store: Store, channel: string): Promise<PostNow[]> {
  const heads = await keysOf(store, `channel/${channel}`, HEADS)
  const replies = await inTurns(heads, (key) => keysOf(store, `thread/${key}`, REPLIES))
  const posts = await inTurns([...heads, ...replies.flat()], (key) => readPost(store, key))
  return posts.filter((post) => post !== undefined)
}

/** Whether a message that stands as it is now belongs to the time in which the surface was served. */
export function within({ from, seen }: Span, { changedAt }: PostNow): boolean {
  const at = Date.parse(changedAt)
  return at >= Date.parse(from) && at <= Date.parse(seen) + SPAN_SLACK_MS
}

async function keysOf(store: Store, stream: string, limit: number): Promise<string[]> {
  const entries = await store.last(stream, limit)
  return [...new Set(entries.map(({ entry }) => z.object({ key: z.string() }).parse(entry).key))]
}

async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < items.length; from += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(work))))
  }
  return results
}
