import type { TemplateCard } from '@wecom/aibot-node-sdk'
import { bytesOf, widthOf } from './text.ts'

/**
 * Limits of WeCom's template cards, from the comments of the SDK's types and the document of template cards: lengths there are
 * Chinese characters and advice; what is longer is cut on the screen, so it is kept here. One character is two columns.
 */
export const CARD = {
  title: 26 * 2,
  desc: 30 * 2,
  subTitle: 112 * 2,
  fields: 6,
  keyname: 5 * 2,
  value: 26 * 2,
  buttons: 6,
  buttonText: 4,
  keyBytes: 1024,
  task: /^[0-9A-Za-z_\-@]{1,128}$/,
} as const
/** Bytes of a stream's content, and of a pushed markdown message. */
export const MARKDOWN_BYTES = 20_480
/** Bytes of a markdown message to a group's webhook. */
export const WEBHOOK_BYTES = 4096

/** What breaks a rule in a card that is about to be sent; empty when it may go out. */
export function wrongInCard(card: TemplateCard): string[] {
  const wrong: string[] = []
  const check = (ok: boolean, what: string): void => {
    if (!ok) wrong.push(what)
  }
  check(['button_interaction', 'text_notice'].includes(card.card_type), 'card_type')
  // Acknowledged and not rendered.
  check(!Object.hasOwn(card, 'source'), 'source')
  const { title = '', desc = '' } = card.main_title ?? {}
  check(title.trim() !== '' || (card.sub_title_text ?? '').trim() !== '', 'main_title')
  check(widthOf(title) <= CARD.title, 'main_title.title is too long')
  check(widthOf(desc) <= CARD.desc, 'main_title.desc is too long')
  check(widthOf(card.sub_title_text ?? '') <= CARD.subTitle, 'sub_title_text is too long')
  const fields = card.horizontal_content_list ?? []
  check(fields.length <= CARD.fields, 'horizontal_content_list has too many')
  for (const { keyname, value = '' } of fields) {
    check(keyname !== '' && widthOf(keyname) <= CARD.keyname, 'horizontal_content_list.keyname')
    check(widthOf(value) <= CARD.value, 'horizontal_content_list.value')
  }
  const shown = [
    title,
    desc,
    card.sub_title_text ?? '',
    ...fields.flatMap(({ keyname, value = '' }) => [keyname, value]),
  ]
  const buttons = card.button_list ?? []
  check(
    [...shown, ...buttons.map(({ text }) => text)].every((text) => !text.includes(':')),
    'a colon',
  )
  check(CARD.task.test(card.task_id ?? ''), 'task_id')
  if (card.card_type === 'button_interaction') check(buttons.length > 0, 'button_list is empty')
  check(buttons.length <= CARD.buttons, 'button_list has too many')
  check(new Set(buttons.map(({ key }) => key)).size === buttons.length, 'button_list.key twice')
  for (const { key, text, style = 1 } of buttons) {
    check(key !== '' && bytesOf(key) <= CARD.keyBytes, 'button_list.key')
    check(text.trim() !== '' && [...text].length <= CARD.buttonText, 'button_list.text')
    check([1, 2, 3, 4].includes(style), 'button_list.style')
  }
  return wrong
}

/** The same for a markdown message or the content of a stream. */
export function wrongInMarkdown(content: string, most = MARKDOWN_BYTES): string[] {
  const wrong: string[] = []
  if (content.trim() === '') wrong.push('empty')
  if (bytesOf(content) > most) wrong.push('too long')
  return wrong
}
