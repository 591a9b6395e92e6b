import type { Chat, Message, Post } from '../../src/ports/chat.ts'

export interface FakeChat extends Chat {
  posts: Map<string, Post>
  /** Titles of thread messages, in order of their first appearance. */
  said(): string[]
  card(id: string): Message
}

/** A surface that remembers what it shows, one message per key. */
export function createFakeChat(): FakeChat {
  const posts = new Map<string, Post>()
  return {
    surface: 'fake',
    posts,
    async put(post) {
      posts.set(post.key, structuredClone(post))
    },
    said: () => [...posts.values()].filter((post) => post.thread !== undefined).map((post) => post.message.title),
    card(id) {
      const post = posts.get(`${id}/card`)
      if (post === undefined) throw new Error(`no card of ${id}`)
      return post.message
    },
  }
}
