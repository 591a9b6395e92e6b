import type { MessagePage, MessageView } from '../ports/console.ts'

/** Pages of one channel or thread, oldest first, as they are kept while one looks further back. */
export interface Pages {
  pages: MessagePage[]
  pageParams: unknown[]
}

/** All messages of the pages, ascending by number. */
export function flatten(pages: Pages | undefined): MessageView[] {
  return pages?.pages.flatMap((page) => page.messages) ?? []
}

/**
 * The pages with this message in its newest form: replaced where it stands, put in its place when it is new. An older revision
 * than the one held changes nothing (answers may overtake each other), nor does one that is older than everything loaded.
 */
export function merge(pages: Pages, message: MessageView): Pages {
  const held = flatten(pages).find((each) => each.key === message.key)
  if (held !== undefined) {
    if (!isNewer(message, held)) return pages
    return mapPages(pages, (page) => ({
      ...page,
      messages: page.messages.map((each) => (each.key === message.key ? message : each)),
    }))
  }
  const first = pages.pages[0]
  const oldest = flatten(pages)[0]
  if (first === undefined) return pages
  if (oldest !== undefined && message.number < oldest.number && first.more) return pages
  const last = pages.pages.length - 1
  return {
    ...pages,
    pages: pages.pages.map((page, index) =>
      index === last ? { ...page, messages: [...page.messages, message].sort((a, b) => a.number - b.number) } : page,
    ),
  }
}

function isNewer(message: MessageView, held: MessageView): boolean {
  return message.revision > held.revision || (message.revision === held.revision && message.replies !== held.replies)
}

function mapPages(pages: Pages, change: (page: MessagePage) => MessagePage): Pages {
  return { ...pages, pages: pages.pages.map(change) }
}
