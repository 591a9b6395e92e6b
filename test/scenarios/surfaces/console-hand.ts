import type { Message, StoredPost } from '../../../src/ports/chat.ts'
import type { MessagePage, MessageView, PressAnswer, TypedAnswer } from '../../../src/ports/console.ts'
import type { Hand, Shown } from './hand.ts'

/** The console as its client uses it: over its API, signed in as each of the people. */
export function consoleHand(url: string): Hand {
  const cookies = new Map<string, string>()

  const signedIn = async (person: string): Promise<string> => {
    const known = cookies.get(person)
    if (known !== undefined) return known
    const answer = await fetch(`${url}/api/v1/session`, {
      method: 'POST',
      headers: { origin: url, 'content-type': 'application/json' },
      body: JSON.stringify({ person }),
    })
    const cookie = answer.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
    cookies.set(person, cookie)
    return cookie
  }
  const call = async <T>(person: string, path: string, body?: object): Promise<T> => {
    const headers = { cookie: await signedIn(person), origin: url, 'content-type': 'application/json' }
    const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) }
    const answer = await fetch(`${url}/api/v1/${path}`, init)
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as T
  }
  const cardOf = async (code: string): Promise<Message | undefined> => {
    try {
      const key = encodeURIComponent(`${code}/card`)
      return (await call<MessageView>('vera', `messages/one?key=${key}`)).message
    } catch {
      return undefined
    }
  }
  const threadOf = async (code: string): Promise<Pick<StoredPost, 'message'>[]> => {
    const thread = encodeURIComponent(`${code}/card`)
    const channel = encodeURIComponent('#releases')
    return (await call<MessagePage>('vera', `messages?channel=${channel}&thread=${thread}&limit=100`)).messages
  }

  return {
    name: 'the console',
    async type(person, text) {
      const answer = await call<TypedAnswer>(person, 'messages', { channel: '#releases', text })
      return `${answer.text}\n${answer.message === undefined ? '' : textOf(answer.message)}`
    },
    async card(code): Promise<Shown | undefined> {
      const message = await cardOf(code)
      return message && { text: textOf(message), offers: message.buttons.map(({ action }) => offerOf(action)) }
    },
    async press(person, code, action, fields) {
      const button = (await cardOf(code))?.buttons.find((each) => offerOf(each.action) === action)
      if (button === undefined) throw new Error(`${code} offers no ${action}`)
      const filled = fields ?? Object.fromEntries((button.fields ?? []).map(({ name, value = '' }) => [name, value]))
      const answer = await call<PressAnswer>(person, 'actions', { button: button.id, fields: filled })
      return `${answer.text} ${answer.next ?? ''}`
    },
    thread: async (code) => (await threadOf(code)).map(({ message }) => textOf(message)),
    async pictures(code) {
      const ids = (await threadOf(code)).flatMap(({ message }) =>
        message.blocks.flatMap((block) => (block.type === 'picture' ? [block.id] : [])),
      )
      const cookie = await signedIn('vera')
      return Promise.all(
        ids.map(async (id) => {
          const answer = await fetch(`${url}/api/v1/pictures/${id}`, { headers: { cookie } })
          return Buffer.from(await answer.arrayBuffer())
        }),
      )
    },
    async called(code) {
      const message = await cardOf(code)
      return (message?.blocks ?? []).flatMap((block) =>
        block.type === 'links' ? block.items.map((item) => item.url) : [],
      )
    },
    close: async () => {},
  }
}

/** `release.approve` -> approve. */
export function offerOf(action: string): string {
  return action.slice(action.indexOf('.') + 1)
}

function textOf({ title, blocks }: Message): string {
  return [title, ...blocks.map(blockText)].join('\n')
}

function blockText(block: Message['blocks'][number]): string {
  switch (block.type) {
    case 'text':
    case 'code':
      return block.text
    case 'fields':
      return block.items.map(({ label, value }) => `${label}: ${value}`).join('\n')
    case 'table':
      return [block.caption ?? '', block.columns.join(' '), ...block.rows.map((row) => row.join(' '))].join('\n')
    case 'progress':
      return block.items.map(({ label, done, total, note }) => `${label} ${done}/${total} ${note}`).join('\n')
    case 'links':
      return block.items.map(({ label, url }) => `${label} ${url}`).join('\n')
    case 'picture':
      return block.alt
  }
}
