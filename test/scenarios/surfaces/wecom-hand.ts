import type { App } from '../../../src/app.ts'
import { until } from '../../demo/until.ts'
import type { WecomMessage, WecomServer } from '../../servers/wecom/index.ts'
import { type Hand, type Shown, WECOM_CHAT } from './hand.ts'

const PATIENCE_MS = 15_000

/**
 * People in a group of WeCom: mentions, presses with the question that comes first, and what the group shows. There are no
 * threads and no edits there: what belongs to a card is what begins with its code.
 */
export function wecomHand(wecom: WecomServer, app: () => App): Hand {
  const shown = () => wecom.messages(WECOM_CHAT)
  const textOf = (message: WecomMessage): string =>
    [message.markdown, message.text, message.stream?.content, ...strings(message.card)].filter(Boolean).join('\n')
  const about = (code: string) => shown().filter((message) => new RegExp(`\\b${code}\\b`).test(textOf(message)))
  /** The newest stage: a card where something is to be pressed, words otherwise. */
  const cardOf = (code: string): WecomMessage | undefined => about(code).findLast(({ from }) => from === 'push')

  /** The card's buttons with the action that each is for. */
  const offersOf = async (message: WecomMessage): Promise<{ label: string; offer: string }[]> => {
    const list = Array.isArray(message.card?.button_list) ? message.card.button_list : []
    const all = await Promise.all(
      list.map(async ({ text, key }: { text: string; key: string }) => {
        const bound = (await app().desk.store.get('buttons', key.replace(/^press_/, '')))?.document
        const action = typeof bound === 'object' && bound !== null && 'action' in bound ? String(bound.action) : ''
        return { label: text, offer: action.slice(action.indexOf('.') + 1) }
      }),
    )
    return all.filter(({ offer }) => offer !== '')
  }
  const said = (heard: Awaited<ReturnType<WecomServer['say']>>): string =>
    [...heard.replies, ...heard.pushes].map(textOf).join('\n') + strings(heard.updated).join('\n')

  return {
    name: 'WeCom',
    async type(person, text) {
      const heard = await wecom.say(person, WECOM_CHAT, text)
      return said(heard)
    },
    async card(code): Promise<Shown | undefined> {
      const message = cardOf(code)
      if (message === undefined) return undefined
      const offers = (await offersOf(message)).map(({ offer }) => offer)
      return { text: about(code).map(textOf).join('\n'), offers }
    },
    async press(person, code, action, fields) {
      const message = cardOf(code)
      const found = message && (await offersOf(message)).find(({ offer }) => offer === action)
      const task = message?.card?.task_id
      if (found === undefined || task === undefined) throw new Error(`${code} offers no ${action}`)
      const first = await wecom.click(person, WECOM_CHAT, task, found.label)
      const list = Array.isArray(first.updated?.button_list) ? first.updated.button_list : []
      const sure = list.find(({ key }: { key: string }) => key.startsWith('yes'))
      if (sure !== undefined) return said(await wecom.click(person, WECOM_CHAT, task, sure.text))
      if (fields === undefined) return said(first)
      // Cards have no inputs: the answer says what to type.
      const words = Object.values(fields).join(' ')
      return said(await wecom.say(person, WECOM_CHAT, `/alerts ${action} ${code} ${words}`))
    },
    thread: async (code) => about(code).map(textOf),
    pictures: async () => shown().flatMap(({ images = [] }) => images),
    async called(code) {
      const texts = about(code).map((message) => message.markdown ?? message.stream?.content ?? '')
      // What Markdown makes a link, and what calls somebody.
      return texts.flatMap((text) => text.match(/(?<!\\)\[[^\]]*\]\([^)]*\)|<@[^>]*>/g) ?? [])
    },
    async close() {
      await until('nothing is on its way', () => true, PATIENCE_MS)
      await wecom.stop()
    },
  }
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(strings)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) =>
    ['task_id', 'card_type', 'key'].includes(key) ? [] : strings(each),
  )
}
