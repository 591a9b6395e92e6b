import type { Block, Message } from '../../ports/chat.ts'
import { rank } from './outbox-rank.ts'
import type { Kept, OutboxRow, PostNow } from './outbox-row.ts'

/** More lines than a place takes in this time are a storm. */
export const STORM_MS = 10_000
/** What has waited for so long is not worth a message of its own. */
const STALE_MS = 24 * 3_600_000
/** Bounds of one merged message: what does not fit goes into the next. */
const MOST_LINES = 100
const MOST_BLOCKS = 40
const MOST_CHARACTERS = 9_000
/** Of one block of titles. */
const MOST_TEXT = 2_500

const tones: Message['tone'][] = ['plain', 'info', 'good', 'warn', 'bad']

/** A line that may go out together with others: chatter of which nothing was ever sent. */
export function isLoose({ rank: own, shown, sendingSince, carries }: OutboxRow): boolean {
  return own === rank.chatter && shown === undefined && sendingSince === undefined && carries === undefined
}

/**
 * The lines that go out together with `first`, itself at the front, when they are more than `room` or several are stale;
 * otherwise it alone. `ready` is in the order in which they would go out; `heads` are the keys under which others stand.
 */
export function gather(
  first: Kept,
  { ready, heads }: { ready: readonly Kept[]; heads: ReadonlySet<string> },
  options: { room: number; now: number },
): Kept[] {
  const fits = ({ row }: Kept) => isLoose(row) && row.thread === first.row.thread && !heads.has(row.key)
  if (!fits(first)) return [first]
  const group = [first, ...ready.filter((each) => each.row.key !== first.row.key && fits(each))]
  const stale = group.filter(({ row }) => Date.parse(row.since) < options.now - STALE_MS)
  if (group.length > options.room) return group.slice(0, MOST_LINES)
  return stale.length > 1 && stale.includes(first) ? stale.slice(0, MOST_LINES) : [first]
}

/** As many of the posts as fit into one message, at least the first. A picture stands by itself. */
export function fitting(posts: readonly PostNow[]): PostNow[] {
  const taken: PostNow[] = []
  for (const post of posts) {
    if (taken.length > 0 && !mergeable(post.message)) continue
    const { blocks } = bundle([...taken, post].map(({ message }) => message))
    if (taken.length > 0 && (blocks.length > MOST_BLOCKS || JSON.stringify(blocks).length > MOST_CHARACTERS)) break
    taken.push(post)
    if (!mergeable(post.message)) break
  }
  return taken
}

/** What has buttons or a picture stands by itself. */
export function mergeable({ blocks, buttons }: Message): boolean {
  return buttons.length === 0 && blocks.every(({ type }) => type !== 'picture')
}

/** Several messages as one: each title as a line, with its blocks below it. One alone stays as it is. */
export function bundle(messages: readonly Message[]): Message {
  const [only] = messages
  if (messages.length === 1 && only !== undefined) return only
  const blocks: Block[] = []
  for (const { title, blocks: below } of messages) {
    const last = blocks.at(-1)
    if (last?.type === 'text' && last.text.length + title.length < MOST_TEXT && open.has(last))
      last.text += `\n${title}`
    else {
      const titles = { type: 'text' as const, text: title }
      open.add(titles)
      blocks.push(titles)
    }
    blocks.push(...below)
  }
  const worst = Math.max(...messages.map(({ tone }) => tones.indexOf(tone)))
  return { title: `${messages.length} updates`, tone: tones[worst] ?? 'info', blocks, buttons: [] }
}

/** Blocks of titles, to which the next title may be added. */
const open = new WeakSet<Block>()

/** A reply whose head cannot be shown stands by itself and says where it belongs. */
export function quoting(message: Message, head: Message): Message {
  return { ...message, blocks: [{ type: 'text', text: `Belongs under: ${head.title}` }, ...message.blocks] }
}
