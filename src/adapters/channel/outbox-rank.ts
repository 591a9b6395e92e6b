import { createHash } from 'node:crypto'
import { canonicalJson } from '../../lib/canonical-json.ts'
import type { Message } from '../../ports/chat.ts'

/** What goes first, in one place. */
export const rank = { approval: 0, state: 1, progress: 2, chatter: 3 } as const

/** After so long what is less than a state gains one rank, up to that of states: it waits, but not for ever. */
const AGE_MS = 30_000

/** What is remembered of a message that is shown: its whole, and the part whose change is news. */
export interface Look {
  digest: string
  /** Of title, tone and buttons. */
  face: string
  /** An approval is asked for in it. */
  asks: boolean
}

export function lookOf(message: Message): Look {
  const { title, tone, buttons } = message
  return {
    digest: hash(message),
    face: hash({ title, tone, buttons }),
    asks: buttons.some(({ action }) => action === 'release.approve'),
  }
}

/**
 * 0 an approval that is newly asked for; 1 a state: a new card, a line with buttons, an edit of title, tone or buttons; 2 progress:
 * any other edit; 3 chatter: a line in a thread, and a plain text at top level.
 */
export function rankOf(post: { message: Message; thread?: string }, shown: Look | undefined): number {
  const look = lookOf(post.message)
  if (look.asks && !shown?.asks) return rank.approval
  if (shown !== undefined) return look.face === shown.face ? rank.progress : rank.state
  if (post.message.buttons.length > 0) return rank.state
  if (post.thread !== undefined) return rank.chatter
  return isPlain(post.message) ? rank.chatter : rank.state
}

/** Not a card: words only, and no colour that says how something is. */
function isPlain({ tone, blocks }: Message): boolean {
  const words = blocks.every(({ type }) => type === 'text' || type === 'links' || type === 'code')
  return words && (tone === 'plain' || tone === 'info')
}

export interface Queued {
  rank: number
  /** ISO. */
  since: string
  /** In the order of first posting. */
  number: number
  key: string
}

/** Approvals, states, progress, chatter; what has waited for long goes up; among equals the oldest is first. */
export function byUrgency(now: number): (a: Queued, b: Queued) => number {
  const aged = ({ rank: own, since }: Queued) => {
    if (own <= rank.state) return own
    const waited = Math.max(0, now - Date.parse(since))
    return Math.max(rank.state, own - Math.floor(waited / AGE_MS))
  }
  return (a, b) => aged(a) - aged(b) || compare(a.since, b.since) || a.number - b.number || compare(a.key, b.key)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function hash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('base64url').slice(0, 22)
}
