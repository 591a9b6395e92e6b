import type { ChangeKind } from '../../ports/console.ts'
import type { Feed } from './feed.ts'

/** An answer and its JSON, made once for all who ask for the same at the same time. */
interface Shared<T> {
  value: T
  text: string
}

/** Words such as "14 s left" grow old without a change. */
const KEPT_MS = 500

/**
 * When something changes, everybody who looks at it asks for it at the same moment. The first makes the answer, the others get
 * the same one: until the next change of that key, and for half a second at most. An answer that was begun before a change is
 * never given to who asks after it.
 */
export function createShared<T>(feed: Pick<Feed, 'listen'>, kind: ChangeKind) {
  const kept = new Map<string, { since: number; answer: Promise<Shared<T>> }>()
  feed.listen(({ change }) => {
    if (change.kind === kind) kept.delete(change.key)
  })
  return async (key: string, make: () => Promise<Shared<T>>): Promise<Shared<T>> => {
    const now = Date.now()
    const known = kept.get(key)
    if (known !== undefined && now - known.since < KEPT_MS) return known.answer
    for (const [old, { since }] of kept) if (now - since >= KEPT_MS) kept.delete(old)
    const fresh = { since: now, answer: make() }
    kept.set(key, fresh)
    fresh.answer.catch(() => {
      // What went wrong is told to those who asked, and tried again for the next.
      if (kept.get(key) === fresh) kept.delete(key)
    })
    return fresh.answer
  }
}
