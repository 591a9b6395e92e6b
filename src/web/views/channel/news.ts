import type { MessageView } from '../../../ports/console.ts'

export type News = { kind: 'new' | 'edit'; title: string; headline: string }

/**
 * What a person who listens should hear: new messages, and cards whose tone or buttons changed. A countdown or a bar that moves is
 * not news.
 */
export function newsBetween(before: MessageView[], after: MessageView[]): News[] {
  const known = new Map(before.map((view) => [view.key, view]))
  const newest = before.at(-1)?.number ?? 0
  return after.flatMap((view): News[] => {
    const old = known.get(view.key)
    const { title } = view.message
    const headline = headlineOf(view)
    if (old === undefined) return view.number > newest ? [{ kind: 'new', title, headline }] : []
    return signOf(old) === signOf(view) ? [] : [{ kind: 'edit', title, headline }]
  })
}

function headlineOf({ message }: MessageView): string {
  const first = message.blocks[0]
  return first?.type === 'text' ? first.text : ''
}

function signOf({ message }: MessageView): string {
  return JSON.stringify([message.tone, message.buttons.map((button) => button.action)])
}

/** How many messages came after the one seen last. */
export function unreadAfter(messages: MessageView[], seen: number): number {
  return messages.filter((view) => view.number > seen).length
}
