import { bytes, codes, isObject, listOf, type Refusal, textAt } from './wire.ts'

/** A template card as it was sent. */
export type Card = Record<string, unknown> & { card_type: string; task_id?: string }

const types = ['text_notice', 'news_notice', 'button_interaction', 'vote_interaction', 'multiple_interaction'] as const
const answered: readonly string[] = ['button_interaction', 'vote_interaction', 'multiple_interaction']

const wrong = (errmsg: string): Refusal => ({
  errcode: codes.card,
  errmsg: `Template_Card ${errmsg} Missing or Invalid`,
})

/**
 * Why a card is not taken at all: the required fields and list lengths of the page "模板卡片类型" (developer.work.weixin.qq.com
 * path 101032), and the charset and length of the task id. Undefined when it is acknowledged, which does not mean that anybody sees it.
 */
export function refuseCard(card: unknown): Refusal | undefined {
  const type = textAt(card, 'card_type')
  if (!isObject(card) || type === undefined || !types.some((each) => each === type)) return wrong('card_type')
  return (
    wrongTask(card, type) ??
    wrongTitle(card, type) ??
    wrongAction(card, type) ??
    wrongLists(card) ??
    wrongOf(card, type)
  )
}

/**
 * Acknowledged and yet shown to nobody, as independent users saw it: any `source`, a colon, and a card of choices whose choices
 * are not where that type has them. One of them measured the colon in the task id; whether one in the words of a card does the
 * same is not sure, so it does here unless `colons` says 'in the task id'.
 */
export function rendersCard(card: Card, colons: 'anywhere' | 'in the task id'): boolean {
  if (card.source !== undefined || card.task_id?.includes(':')) return false
  if (colons === 'anywhere' && wordsOf(card).some((text) => text.includes(':'))) return false
  if (card.card_type === 'vote_interaction') return isObject(card.checkbox) && options(card.checkbox) && submit(card)
  if (card.card_type === 'multiple_interaction') {
    const lists = listOf(card.select_list)
    return lists !== undefined && lists.length > 0 && lists.length <= 3 && lists.every(options) && submit(card)
  }
  return true
}

/** What people read on the card. */
function wordsOf(card: Card): string[] {
  const titles = ['main_title', 'emphasis_content', 'quote_area'].flatMap((part) =>
    ['title', 'desc', 'quote_text'].map((field) => textAt(card, part, field)),
  )
  const rows = listOf(card.horizontal_content_list) ?? []
  const cells = rows.flatMap((row) => [textAt(row, 'keyname'), textAt(row, 'value')])
  const jumps = (listOf(card.jump_list) ?? []).map((jump) => textAt(jump, 'title'))
  const labels = buttons(card).map(({ text }) => text)
  return [...titles, textAt(card, 'sub_title_text'), ...cells, ...jumps, ...labels].filter((text) => text !== undefined)
}

/** The labels as people read them: four characters fit, the rest is cut. */
export function shownLabels(card: Card): string[] {
  return buttons(card).map(({ text }) => cut(text))
}

export const cut = (label: string): string => {
  const letters = [...label]
  return letters.length <= 4 ? label : `${letters.slice(0, 4).join('')}…`
}

/** What a person can press on the card: buttons, the submit button of a vote, the entries of the menu. */
export function buttons(card: Card): { text: string; key: string }[] {
  const menu = isObject(card.action_menu) ? listOf(card.action_menu.action_list) : undefined
  const listed = card.card_type === 'button_interaction' ? listOf(card.button_list) : undefined
  const all = [...(listed ?? []), ...(isObject(card.submit_button) ? [card.submit_button] : []), ...(menu ?? [])]
  return all.map((each) => ({ text: textAt(each, 'text') ?? '', key: textAt(each, 'key') ?? '' }))
}

function wrongTask(card: Record<string, unknown>, type: string): Refusal | undefined {
  const id = card.task_id
  const bad = (why: string): Refusal => ({ errcode: codes.task, errmsg: `Template_Card task_id ${why}` })
  if (id === undefined) return answered.includes(type) || card.action_menu !== undefined ? bad('missing') : undefined
  // A colon is not of the charset either, but that is not said: see rendersCard.
  if (typeof id !== 'string' || !/^[0-9A-Za-z_\-@:]+$/.test(id)) return bad('invalid')
  return bytes(id) > 128 ? bad('too long') : undefined
}

function wrongTitle(card: Record<string, unknown>, type: string): Refusal | undefined {
  const title = textAt(card, 'main_title', 'title') ?? ''
  if (type === 'text_notice' || type === 'button_interaction')
    return title === '' && (textAt(card, 'sub_title_text') ?? '') === '' ? wrong('main_title') : undefined
  return title === '' ? wrong('main_title') : undefined
}

function wrongAction(card: Record<string, unknown>, type: string): Refusal | undefined {
  const action = card.card_action
  const bad: Refusal = { errcode: codes.cardAction, errmsg: 'Template_Card card_action Missing or Invalid' }
  const demanded = type === 'text_notice' || type === 'news_notice'
  if (action === undefined) return demanded ? bad : undefined
  if (!isObject(action)) return bad
  if (action.type === 1) return isLink(action.url) ? undefined : bad
  if (action.type === 2) return textAt(action, 'appid') ? undefined : bad
  return demanded ? bad : undefined
}

function wrongLists(card: Record<string, unknown>): Refusal | undefined {
  const rows = card.horizontal_content_list === undefined ? [] : listOf(card.horizontal_content_list)
  if (rows === undefined || rows.length > 6) return wrong('horizontal_content_list')
  for (const row of rows) {
    if (!textAt(row, 'keyname')) return wrong('horizontal_content_list.keyname')
    if (row.value !== undefined && typeof row.value !== 'string') return wrong('horizontal_content_list.value')
    if (row.type === 1 && !isLink(row.url)) return wrong('horizontal_content_list.url')
    if (row.type === 3 && !textAt(row, 'userid')) return wrong('horizontal_content_list.userid')
  }
  const jumps = card.jump_list === undefined ? [] : listOf(card.jump_list)
  if (jumps === undefined || jumps.length > 3) return wrong('jump_list')
  for (const jump of jumps) {
    if (!textAt(jump, 'title')) return wrong('jump_list.title')
    if (jump.type === 1 && !isLink(jump.url)) return wrong('jump_list.url')
    if (jump.type === 3 && !fits(textAt(jump, 'question'), 200)) return wrong('jump_list.question')
  }
  if (isObject(card.quote_area) && card.quote_area.type === 1 && !isLink(card.quote_area.url))
    return wrong('quote_area.url')
  if (card.action_menu === undefined) return undefined
  const menu = isObject(card.action_menu) ? listOf(card.action_menu.action_list) : undefined
  if (menu === undefined || menu.length < 1 || menu.length > 3 || !keyed(menu)) return wrong('action_menu.action_list')
  return undefined
}

function wrongOf(card: Record<string, unknown>, type: string): Refusal | undefined {
  if (type === 'news_notice') {
    const picture = textAt(card, 'card_image', 'url') ?? textAt(card, 'image_text_area', 'image_url')
    if (!isLink(picture)) return wrong('card_image')
    const items = card.vertical_content_list === undefined ? [] : listOf(card.vertical_content_list)
    if (items === undefined || items.length > 4 || items.some((item) => !textAt(item, 'title')))
      return wrong('vertical_content_list')
  }
  if (type !== 'button_interaction') return undefined
  const list = listOf(card.button_list)
  if (list === undefined || list.length < 1 || list.length > 6) return wrong('button_list')
  if (!keyed(list)) return wrong('button_list.key')
  return list.some((button) => button.url !== undefined) ? wrong('button_list.url') : undefined
}

const fits = (text: string | undefined, most: number): boolean =>
  text !== undefined && text !== '' && bytes(text) <= most
const isLink = (url: unknown): boolean => typeof url === 'string' && /^https?:\/\/[^\s]+$/.test(url)

/** Each has a text, and a key of at most 1,024 bytes that no other has. */
function keyed(list: Record<string, unknown>[]): boolean {
  const keys = list.map((each) => textAt(each, 'key'))
  return (
    list.every((each) => (textAt(each, 'text') ?? '').trim() !== '') &&
    keys.every((key) => fits(key, 1024)) &&
    new Set(keys).size === keys.length
  )
}

function options(question: Record<string, unknown>): boolean {
  const list = listOf(question.option_list)
  return fits(textAt(question, 'question_key'), 1024) && list !== undefined && list.length > 0 && list.length <= 20
}

const submit = (card: Record<string, unknown>): boolean => isObject(card.submit_button) && keyed([card.submit_button])
