import type { Button as SlackButton } from '@slack/web-api'
import { z } from 'zod'
import type { Button, Field } from '../../ports/chat.ts'
import { type Part, part, plainText } from './block.ts'
import { LIMITS } from './limits.ts'
import { cut, escaped, pieces, unescaped } from './text.ts'
import type { Words } from './words.ts'

const fieldSchema = z.object({
  name: z.string(),
  label: z.string(),
  kind: z.enum(['text', 'duration']),
  value: z.string().optional(),
  required: z.boolean(),
  most: z.number(),
})
const valueSchema = z.object({ b: z.string().min(1), l: z.string().optional(), f: z.array(fieldSchema).optional() })

/** What a pressed button carries: its id, its label, and what it asks for. */
export interface Carried {
  button: string
  label: string
  fields: Field[]
}

/**
 * The value of a button, at most 2000 characters. What does not fit is left out: first what is filled in beforehand, then
 * labels are cut. Signs that Slack escapes on its way stand in it as JSON escapes, so that it comes back as it was.
 */
export function valueFor({ id, label, fields }: Button): string {
  if (fields === undefined || fields.length === 0) return encode({ b: id })
  const bare = fields.map(({ value: _, ...field }) => field)
  const tries = [
    fields,
    bare,
    bare.map((field) => ({ ...field, label: cut(field.label, 40) })),
    bare.map((field) => ({ ...field, label: cut(field.name, 20) })),
  ]
  for (const each of tries) {
    const value = encode({ b: id, l: cut(label, 40), f: each })
    if (value.length <= LIMITS.buttonValue) return value
  }
  return encode({ b: id })
}

function encode(value: unknown): string {
  return JSON.stringify(value).replace(/[&<>]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`)
}

/** What a value says; undefined for one that is none of ours. */
export function carriedBy(value: string | undefined): Carried | undefined {
  for (const text of [value ?? '', unescaped(value ?? '')]) {
    try {
      const { b, l, f } = valueSchema.parse(JSON.parse(text))
      return { button: b, label: l ?? '', fields: f ?? [] }
    } catch {
      // The next form of it, or none.
    }
  }
  return undefined
}

/** Rows of at most 25 buttons; a question that is too long for the dialog stands above them in full. */
export function buttonParts(buttons: readonly Button[], words: Words): Part[] {
  const parts: Part[] = buttons
    .filter(({ confirm }) => confirm !== undefined && escaped(confirm).length > LIMITS.confirmText)
    .flatMap(({ label, confirm }) => pieces(`${label}: ${confirm}`, LIMITS.section))
    .map((piece) => part({ type: 'section', text: plainText(piece) }, piece))
  for (let from = 0; from < buttons.length; from += LIMITS.buttonsPerBlock) {
    const some = buttons.slice(from, from + LIMITS.buttonsPerBlock)
    const elements = some.map((button, at) => elementOf(button, from + at, words))
    parts.push(part({ type: 'actions', elements }, some.map(({ label }) => `[${label}]`).join(' ')))
  }
  return parts
}

function elementOf(button: Button, at: number, words: Words): SlackButton {
  const label = button.label.trim() === '' ? button.action : button.label
  return {
    type: 'button',
    text: fitted(label, LIMITS.buttonText),
    action_id: cut(`press:${at}:${button.action}`, LIMITS.actionId),
    value: valueFor(button),
    ...(button.style === 'plain' ? {} : { style: button.style }),
    ...(button.confirm === undefined || button.confirm.trim() === ''
      ? {}
      : {
          confirm: {
            title: fitted(label, LIMITS.confirmTitle),
            text: fitted(button.confirm, LIMITS.confirmText),
            confirm: fitted(label, LIMITS.confirmButton),
            deny: fitted(words.cancel, LIMITS.confirmButton),
            ...(button.style === 'plain' ? {} : { style: button.style }),
          },
        }),
  }
}

/** Plain text that has at most so many characters once it is escaped. */
export function fitted(text: string, max: number) {
  let low = 1
  let high = max
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (escaped(cut(text, middle)).length <= max) low = middle
    else high = middle - 1
  }
  const short = plainText(cut(text, low))
  return short.text.length <= max && short.text !== '' ? short : plainText('…')
}
