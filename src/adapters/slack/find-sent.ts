import { z } from 'zod'
import { type Bot, call } from './bot.ts'
import type { Failure } from './calls.ts'

const EVENT_TYPE = 'rollcall_message'
const payload = z.object({ key: z.string(), revision: z.number(), part: z.number().default(0) })
const seenMessage = z.object({
  ts: z.string(),
  metadata: z.object({ event_type: z.literal(EVENT_TYPE), event_payload: payload }),
})

/** The key under which a message of ours was sent; undefined for any other message. */
export function seenKey(message: unknown): string | undefined {
  const seen = seenMessage.safeParse(message)
  return seen.success ? seen.data.metadata.event_payload.key : undefined
}

/** Slack's clock may go before or after ours. */
const CLOCKS_APART_S = 300
const PAGES = 10
const PAGE = 200

export function metadataOf(key: string, revision: number, part: number) {
  return { event_type: EVENT_TYPE, event_payload: { key, revision, part } }
}

/** The parts of a message that stand there, by their number. */
export type Found = Map<number, { ts: string; revision: number }>

/** A cursor that is older than this may be worth nothing any more. */
const LOOK_MS = 5 * 60_000
const MOST_LOOKS = 200

/**
 * Looks through a channel, or a thread, for what was sent under this key since then: by the metadata that each message carries.
 * At most 2,000 messages at a time; where there are more nobody knows yet (no failure is given), and the next look goes on there.
 */
export async function findSent(
  bot: Bot,
  { key, channel, thread, since }: { key: string; channel: string; thread?: string; since: string },
): Promise<{ ok: true; found: Found } | { ok: false; failure: Failure | undefined }> {
  const oldest = String(Math.max(0, Math.floor(Date.parse(since) / 1000) - CLOCKS_APART_S))
  const id = JSON.stringify([channel, thread, key, since])
  const begun = bot.looks.get(id)
  bot.looks.delete(id)
  const goesOn = begun !== undefined && bot.clock().getTime() - begun.at < LOOK_MS
  const found: Found = goesOn ? begun.found : new Map()
  let cursor = goesOn ? begun.cursor : ''
  const later = () => {
    if (cursor === '') return
    bot.looks.set(id, { cursor, found, at: bot.clock().getTime() })
    for (const old of bot.looks.keys()) {
      if (bot.looks.size <= MOST_LOOKS) break
      bot.looks.delete(old)
    }
  }
  for (let page = 0; page < PAGES; page++) {
    const common = { channel, oldest, limit: PAGE, include_all_metadata: true, ...(cursor === '' ? {} : { cursor }) }
    const answer = await call(bot, () =>
      thread === undefined
        ? bot.client.conversations.history(common)
        : bot.client.conversations.replies({ ...common, ts: thread }),
    )
    if (!answer.ok) {
      const { failure } = answer
      // Nothing stands below what somebody has deleted.
      if (thread !== undefined && failure.kind === 'refused' && failure.error === 'thread_not_found')
        return { ok: true, found: new Map() }
      if (failure.kind !== 'refused') later()
      return answer
    }
    for (const message of answer.value.messages ?? []) {
      const seen = seenMessage.safeParse(message)
      if (!seen.success || seen.data.metadata.event_payload.key !== key) continue
      const { part, revision } = seen.data.metadata.event_payload
      const known = found.get(part)
      // Should it stand there twice, the older one is the one that people have answered.
      if (known === undefined || Number(seen.data.ts) < Number(known.ts))
        found.set(part, { ts: seen.data.ts, revision })
    }
    cursor = answer.value.response_metadata?.next_cursor ?? ''
    if (cursor === '') return { ok: true, found }
  }
  later()
  return { ok: false, failure: undefined }
}
