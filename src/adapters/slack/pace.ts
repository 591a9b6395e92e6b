import { setTimeout as sleep } from 'node:timers/promises'
import { type Bot, call } from './bot.ts'
import type { Failure } from './calls.ts'

const MOST_REMEMBERED = 1000

/** What is left of the time in which one delivery waits by itself for limits, in milliseconds. */
export interface Patience {
  ms: number
}

/**
 * A call that writes to one place, in the distance from the one before that Slack wants (`timings.spacing` for new messages, half
 * of it for edits, which Slack counts apart). Where it is limited all the same and `patience` lasts for what Slack asks for, that
 * is waited for and the call made again: a limited call has done nothing. Never throws.
 */
export async function paced<T>(
  bot: Bot,
  { place, of, patience }: { place: string; of: 'new' | 'edit'; patience: Patience },
  run: () => Promise<T>,
): Promise<{ ok: true; value: T } | { ok: false; failure: Failure }> {
  for (;;) {
    const wait = slot(bot, `${of} ${place}`, of === 'new' ? bot.timings.spacing : bot.timings.spacing / 2)
    if (wait > 0) await sleep(wait)
    const done = await call(bot, run)
    if (done.ok || done.failure.kind !== 'rate' || done.failure.ms > patience.ms) return done
    patience.ms -= done.failure.ms
    await sleep(done.failure.ms)
  }
}

/** Takes the next free slot; milliseconds until then. */
function slot({ slots }: Bot, name: string, spacing: number): number {
  const now = performance.now()
  const at = Math.max(now, slots.get(name) ?? 0)
  slots.delete(name)
  slots.set(name, at + spacing)
  for (const old of slots.keys()) {
    if (slots.size <= MOST_REMEMBERED) break
    slots.delete(old)
  }
  return at - now
}
