import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/ports/chat.ts'
import type { MessageView } from '../../src/ports/console.ts'
import { flatten, merge, type Pages } from '../../src/web/pages.ts'
import { newsBetween, unreadAfter } from '../../src/web/views/channel/news.ts'
import { releaseOf } from '../../src/web/views/channel/release-of.ts'

function post(number: number, change: Partial<MessageView> = {}, message: Partial<Message> = {}): MessageView {
  return {
    key: `R-${number}/card`,
    channel: '#releases',
    number,
    message: {
      title: `R-${number}`,
      tone: 'info',
      blocks: [{ type: 'text', text: 'Batch 1.' }],
      buttons: [],
      ...message,
    },
    revision: 1,
    postedAt: '2026-01-01T00:00:00.000Z',
    replies: 0,
    ...change,
  }
}

const twoPages: Pages = {
  pages: [
    { messages: [post(3), post(4)], more: true },
    { messages: [post(5), post(6)], more: true },
  ],
  pageParams: [5, undefined],
}

const numbers = (pages: Pages) => flatten(pages).map((view) => view.number)

describe('a message that comes in', () => {
  it('is edited in place when it stands there', () => {
    const after = merge(twoPages, post(4, { revision: 2 }, { title: 'edited' }))
    expect(numbers(after)).toEqual([3, 4, 5, 6])
    expect(flatten(after)[1]?.message.title).toBe('edited')
  })

  it('changes nothing when it is older than what is held', () => {
    const newer = merge(twoPages, post(4, { revision: 3 }))
    expect(merge(newer, post(4, { revision: 2 }))).toBe(newer)
    expect(merge(newer, post(4, { revision: 3 }))).toBe(newer)
  })

  it('takes over a new count of replies though the revision is the same', () => {
    expect(flatten(merge(twoPages, post(4, { replies: 2 })))[1]?.replies).toBe(2)
  })

  it('stands at the end when it is new, and in order when it overtook another', () => {
    const after = merge(merge(twoPages, post(8)), post(7))
    expect(numbers(after)).toEqual([3, 4, 5, 6, 7, 8])
  })

  it('is left out when it is older than all that is loaded and more can be loaded', () => {
    expect(merge(twoPages, post(1))).toBe(twoPages)
  })

  it('is the first of an empty channel', () => {
    expect(numbers(merge({ pages: [{ messages: [], more: false }], pageParams: [undefined] }, post(0)))).toEqual([0])
  })
})

describe('what is said aloud', () => {
  it('is a new message, and a card whose tone or buttons changed', () => {
    const before = [post(1), post(2)]
    const button = { id: 'b', action: 'release.resume', label: 'Resume', style: 'primary' as const }
    expect(newsBetween(before, [post(1), post(2), post(3)])).toMatchObject([{ kind: 'new', title: 'R-3' }])
    expect(newsBetween(before, [post(1), post(2, {}, { tone: 'warn' })])).toMatchObject([
      { kind: 'edit', title: 'R-2' },
    ])
    expect(newsBetween(before, [post(1, {}, { buttons: [button] }), post(2)])).toHaveLength(1)
  })

  it('is not a countdown, and not what was loaded from further back', () => {
    const counted = post(2, { revision: 2 }, { blocks: [{ type: 'text', text: '9 s left.' }] })
    expect(newsBetween([post(1), post(2)], [post(1), counted])).toEqual([])
    expect(newsBetween([post(5)], [post(4), post(5)])).toEqual([])
  })
})

it('counts what came after the last message seen', () => {
  expect(unreadAfter([post(1), post(2), post(3)], 1)).toBe(2)
})

it('knows the release of a post by its key or its thread', () => {
  expect(releaseOf({ key: 'R-12/card' })).toBe('R-12')
  expect(releaseOf({ key: 'x', thread: 'R-3/card' })).toBe('R-3')
  expect(releaseOf({ key: 'notice/1' })).toBeUndefined()
})
