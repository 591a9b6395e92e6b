import { type Check, fieldsOf, length, list, need } from './checks.ts'
import { isObject, type Json } from './types.ts'

const BLOCKS = ['rich_text_section', 'rich_text_list', 'rich_text_preformatted', 'rich_text_quote']
/** What may stand in a section, with the field that it needs. */
const INLINE: Record<string, string> = {
  text: 'text',
  link: 'url',
  emoji: 'name',
  user: 'user_id',
  usergroup: 'usergroup_id',
  channel: 'channel_id',
  broadcast: 'range',
  date: 'timestamp',
  color: 'value',
}
const STYLES = ['bold', 'italic', 'strike', 'code', 'underline', 'highlight', 'client_highlight', 'unlink']

/** `rich_text`, which also stands in table cells and task cards. */
export function checkRichText(check: Check, block: Json, at: string): undefined {
  if (!need(check, block, ['elements'], at)) return
  list(check, block.elements, 0, 1000, `${at}/elements`, (element, index) => {
    part(check, element, `${at}/elements/${index}`, BLOCKS)
  })
}

function part(check: Check, element: unknown, at: string, allowed: readonly string[]): undefined {
  if (!isObject(element)) return check.say('must be an object', at)
  const type = String(element.type)
  if (!allowed.includes(type)) return check.say(`unsupported type: ${type}`, `${at}/type`)
  if (!need(check, element, ['elements'], at)) return
  fieldsOf(check, element, ['type', 'elements', 'border', 'style', 'indent', 'offset', 'language'], at)
  if (type === 'rich_text_list' && element.style !== 'bullet' && element.style !== 'ordered')
    check.say('must be one of bullet, ordered', `${at}/style`)
  list(check, element.elements, 0, 1000, `${at}/elements`, (each, index) => {
    const where = `${at}/elements/${index}`
    if (type === 'rich_text_list') part(check, each, where, ['rich_text_section'])
    else inline(check, each, where, type === 'rich_text_preformatted')
  })
}

function inline(check: Check, element: unknown, at: string, preformatted: boolean): undefined {
  if (!isObject(element)) return check.say('must be an object', at)
  const type = String(element.type)
  const field = Object.hasOwn(INLINE, type) ? INLINE[type] : undefined
  if (field === undefined || (preformatted && type !== 'text' && type !== 'link'))
    return check.say(`unsupported type: ${type}`, `${at}/type`)
  if (!need(check, element, [field], at)) return
  if (type === 'text') length(check, element.text, 100_000, `${at}/text`, 1)
  if (element.style === undefined) return
  if (!isObject(element.style)) return check.say('must be an object', `${at}/style`)
  fieldsOf(check, element.style, STYLES, `${at}/style`)
}
