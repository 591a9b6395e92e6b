import type { App } from '../../../src/app.ts'
import { until } from '../../demo/until.ts'
import type { WecomMessage, WecomServer } from '../../servers/wecom/index.ts'
import { type Hand, type Shown, WECOM_CHAT } from './hand.ts'
import { wecomSection } from './world.ts'

const PATIENCE_MS = 15_000
/** The scenarios do in a minute what takes people an hour. */
const BUSY = { perMinute: 600, perHour: 10_000 }

/** What the service grants in the scenarios, replies included. */
export const WECOM_RATES = {
  pushes: [
    { count: BUSY.perMinute, ms: 60_000 },
    { count: BUSY.perHour, ms: 3_600_000 },
  ],
}

/** The section `wecom` with these limits. */
export const busySection = (url: string) => ({ wecom: { ...wecomSection(url).wecom, limits: BUSY } })

/**
 * People in a group of WeCom: mentions, presses with the question that comes first, and what the group shows. There are no
 * threads and no edits there: what belongs to a card is what begins with its code.
 */
export function wecomHand(wecom: WecomServer, app: () => App): Hand {
  const shown = () => wecom.messages(WECOM_CHAT)
  const textOf = (message: WecomMessage): string =>
    [message.markdown, message.text, message.stream?.content, ...strings(message.card)].filter(Boolean).join('\n')
  const about = (code: string) => shown().filter((message) => new RegExp(`\\b${code}\\b`).test(textOf(message)))
  /** The newest card of it; where it never had one, the newest message. */
  const cardOf = (code: string): WecomMessage | undefined => {
    const pushed = about(code).filter(({ from }) => from === 'push')
    return pushed.findLast(({ card }) => beginsWith(card, code)) ?? pushed.at(-1)
  }

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

  /** A card that was just pressed offers nothing; people look for the next one, which comes in a moment. */
  const offered = async (code: string, action: string): Promise<{ task: string; label: string }> => {
    let found: { task: string; label: string } | undefined
    await until(
      `${code} offers ${action}`,
      async () => {
        const message = cardOf(code)
        const task = message?.card?.task_id
        const offer = message && (await offersOf(message)).find((each) => each.offer === action)
        found = task === undefined || offer === undefined ? undefined : { task, label: offer.label }
        return found !== undefined
      },
      PATIENCE_MS,
    ).catch(() => {})
    if (found === undefined) throw new Error(`${code} offers no ${action}`)
    return found
  }

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
      const { task, label } = await offered(code, action)
      const first = await wecom.click(person, WECOM_CHAT, task, label)
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

function beginsWith(card: WecomMessage['card'], code: string): boolean {
  const title = strings(card?.main_title)[0] ?? ''
  return title.startsWith(code) && !/^\w/.test(title.slice(code.length))
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(strings)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) =>
    ['task_id', 'card_type', 'key'].includes(key) ? [] : strings(each),
  )
}
