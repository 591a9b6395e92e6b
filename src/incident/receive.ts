import type { Store } from '../ports/store.ts'
import { type Delivery, toJson } from './alert.ts'
import type { IncidentDesk } from './desk.ts'

/** The stream of what sources have sent, in the order of its coming. */
export const DELIVERIES = 'alert-deliveries'

const listeners = new WeakMap<Store, Set<() => void>>()

/**
 * Keeps what a source has sent: one durable append, and nothing else, so that the source has its answer at once. The intake of
 * this process is told that there is something to do. Throws what the store throws; the source has to send it again then.
 */
export async function receive(desk: Pick<IncidentDesk, 'store'>, delivery: Delivery): Promise<void> {
  await desk.store.append(DELIVERIES, toJson(delivery))
  for (const told of listeners.get(desk.store) ?? []) told()
}

/** Calls `told` after each delivery that this process keeps in the store; the answer ends that. */
export function onDelivery(store: Store, told: () => void): () => void {
  const all = listeners.get(store) ?? new Set()
  listeners.set(store, all)
  all.add(told)
  return () => {
    all.delete(told)
  }
}
