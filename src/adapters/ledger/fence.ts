import { AsyncLocalStorage } from 'node:async_hooks'
import { Fault } from '../../lib/fault.ts'
import type { Store } from '../../ports/store.ts'

/** One effect that is under way. */
interface Effect {
  /** True from the moment on at which another process owns the flow. */
  gone(): boolean
}

/** Which effect a call on the store belongs to. */
export type Effects = AsyncLocalStorage<Effect>

export function createEffects(): Effects {
  return new AsyncLocalStorage()
}

/** Runs an effect; when it has ended, what it left behind (a timer, say) belongs to nobody any more. */
export async function runEffect<T>(effects: Effects, gone: () => boolean, effect: () => Promise<T>): Promise<T> {
  let ended = false
  try {
    return await effects.run({ gone: () => !ended && gone() }, effect)
  } finally {
    ended = true
  }
}

interface Owner {
  /** True when others may already have taken this process for gone. */
  overdue(): boolean
  /** Shows life, and gives up what was taken over meanwhile; false when that is not possible. */
  renewed(): Promise<boolean>
}

/**
 * The same store for a process that may be stopped for longer than its lease in the middle of an effect. What the effect writes
 * after it goes on again would come on top of what the new owner of the flow has done since, so every write asks first whether
 * the flow is still this process's, and throws Fault `flow.fenced` (retry) when it is not. A process that is stopped between the
 * question and the write has read the row before that: its compare-and-set fails if the row has moved on.
 * Reads, and writes that belong to no effect, go through unchanged.
 */
export function fencedStore(store: Store, effects: Effects, owner: Owner): Store {
  const afterRenewal = async <T>(effect: Effect, write: () => Promise<T>): Promise<T> => {
    while (!effect.gone() && owner.overdue()) if (!(await owner.renewed())) throw fenced()
    if (effect.gone()) throw fenced()
    return write()
  }
  const checked = <T>(write: () => Promise<T>): Promise<T> => {
    const effect = effects.getStore()
    if (effect === undefined || (!effect.gone() && !owner.overdue())) return write()
    return afterRenewal(effect, write)
  }
  return {
    get: (collection, id) => store.get(collection, id),
    find: (collection, query) => store.find(collection, query),
    read: (stream, from, limit) => store.read(stream, from, limit),
    last: (stream, limit) => store.last(stream, limit),
    trim: (stream, before) => store.trim(stream, before),
    close: () => store.close(),
    insert: (collection, id, document) => checked(() => store.insert(collection, id, document)),
    put: (collection, id, document, version) => checked(() => store.put(collection, id, document, version)),
    append: (stream, entry, at) => checked(() => store.append(stream, entry, at)),
  }
}

function fenced(): Fault {
  return new Fault('flow.fenced', {
    say: 'Another process goes on with this.',
    next: 'try again',
    retry: true,
  })
}
