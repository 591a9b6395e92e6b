import { isObject, type Json } from './types.ts'

export type Surface = 'message' | 'modal'

export interface BlockRules {
  surface: Surface
  /** True when a picture of this id, or at this address, may be shown. */
  picture(file: { id?: string; url?: string }): boolean
  /** Blocks that only newer clients show are refused, as older installations do. */
  refuseNative: boolean
}

/** What must be unique or counted in one payload. */
export interface Uses {
  blockIds: Set<string>
  actionIds: Set<string>
  focused: number
}

/** Collects what is wrong while it walks. */
export interface Check {
  rules: BlockRules
  problems: string[]
  uses: Uses
  say(what: string, at: string): undefined
}

export function length(check: Check, value: unknown, most: number, at: string, least = 0): undefined {
  if (typeof value !== 'string') return check.say('must be a string', at)
  if (value.length > most) check.say(`must be less than ${most + 1} characters`, at)
  if (value.length < least) check.say(`must be more than ${least - 1} characters`, at)
}

export function need(check: Check, object: Json, fields: readonly string[], at: string): boolean {
  const missing = fields.filter((field) => object[field] === undefined || object[field] === null)
  for (const field of missing) check.say(`missing required field: ${field}`, at)
  return missing.length === 0
}

/** A text object. `plain`: only plain_text is taken there. */
export function checkText(check: Check, value: unknown, most: number, at: string, plain = false): undefined {
  if (!isObject(value)) return check.say('must be an object', at)
  if (value.type !== 'plain_text' && value.type !== 'mrkdwn')
    return check.say(`unsupported type: ${String(value.type)}`, `${at}/type`)
  if (plain && value.type !== 'plain_text') return check.say('must be plain_text', `${at}/type`)
  if (!need(check, value, ['text'], at)) return
  length(check, value.text, most, `${at}/text`, 1)
  if (value.emoji !== undefined && value.type !== 'plain_text') check.say('emoji is only for plain_text', `${at}/emoji`)
  if (value.verbatim !== undefined && value.type !== 'mrkdwn')
    check.say('verbatim is only for mrkdwn', `${at}/verbatim`)
  fieldsOf(check, value, ['type', 'text', 'emoji', 'verbatim'], at)
}

/** Slack knows its fields and refuses others. */
export function fieldsOf(check: Check, object: Json, known: readonly string[], at: string): undefined {
  for (const field of Object.keys(object))
    if (!known.includes(field)) check.say(`invalid additional property: ${field}`, at)
}

/** An array, and `visit` for each of its items. */
export function list(
  check: Check,
  value: unknown,
  least: number,
  most: number,
  at: string,
  visit: (item: unknown, index: number) => unknown = () => undefined,
): undefined {
  if (!Array.isArray(value)) return check.say('must be an array', at)
  if (value.length > most) check.say(`must be less than ${most + 1} items`, at)
  if (value.length < least) check.say(`must be more than ${least - 1} items`, at)
  for (const [index, item] of value.entries()) visit(item, index)
}

/** An image block, or an image as an element: exactly one of an address and a file of Slack's. */
export function checkImage(check: Check, image: Json, at: string): undefined {
  if (!need(check, image, ['alt_text'], at)) return
  length(check, image.alt_text, 2000, `${at}/alt_text`)
  if (image.title !== undefined) checkText(check, image.title, 2000, `${at}/title`, true)
  if ((image.image_url === undefined) === (image.slack_file === undefined))
    return check.say('must have exactly one of image_url and slack_file', at)
  if (image.image_url !== undefined) {
    length(check, image.image_url, 3000, `${at}/image_url`, 1)
    if (!/^https?:\/\//.test(String(image.image_url))) check.say('invalid image url', `${at}/image_url`)
    return
  }
  const file = image.slack_file
  if (!isObject(file)) return check.say('must be an object', `${at}/slack_file`)
  if ((file.id === undefined) === (file.url === undefined))
    return check.say('must have exactly one of id and url', `${at}/slack_file`)
  const id = typeof file.id === 'string' ? file.id : undefined
  const url = typeof file.url === 'string' ? file.url : undefined
  if (!check.rules.picture({ id, url })) check.say('invalid slack file', `${at}/slack_file`)
}
