import type { KnownBlock, ModalView } from '@slack/web-api'
import { z } from 'zod'
import { type Language, translate } from '../../lib/catalogue/translate.ts'
import type { Field } from '../../ports/chat.ts'
import type { Form, FormField } from '../../ports/surface.ts'
import { LIMITS } from './limits.ts'
import { fitted } from './render-buttons.ts'
import { asTyped } from './slash.ts'
import { cut } from './text.ts'
import type { Words } from './words.ts'

export const FORM = 'form'
export const PRESS = 'press'
const FIELD = 'field:'
const INPUT = 'value'
/** Several words, typed instead of chosen. */
const LIST = 'list'

const place = { channel: z.string().optional(), thread: z.string().optional(), direct: z.boolean().optional() }
/** What an open modal remembers by itself, so that any process may take its submission. */
export const formData = z.object({ command: z.string(), ...place })
export const pressData = z.object({ button: z.string(), ...place })

/** The modal of a command that lacks words. */
export function formView(form: Form, data: z.infer<typeof formData>, words: Words, language: Language): ModalView {
  return modal(FORM, form.title, JSON.stringify(data), form.fields, words, language)
}

/** The modal of a button that asks for something. */
export function pressView(
  title: string,
  fields: readonly Field[],
  data: z.infer<typeof pressData>,
  words: Words,
): ModalView {
  const inputs = fields.map(
    (field): FormField => ({ ...field, kind: 'text', ...(field.kind === 'duration' ? { hint: '30m, 2h, 1d' } : {}) }),
  )
  // The card's labels are in the language of the card.
  return modal(PRESS, title, JSON.stringify(data), inputs, words, 'en')
}

function modal(
  callback: string,
  title: string,
  data: string,
  fields: readonly FormField[],
  words: Words,
  language: Language,
): ModalView {
  const say = (text: string): string => asTyped(translate(text, language))
  return {
    type: 'modal',
    callback_id: callback,
    private_metadata: data.slice(0, LIMITS.privateMetadata),
    title: fitted(say(title).trim() || 'Rollcall', LIMITS.modalTitle),
    submit: fitted(words.send, LIMITS.modalTitle),
    close: fitted(words.cancel, LIMITS.modalTitle),
    blocks: fields.slice(0, LIMITS.modalBlocks).map((field) => inputOf(field, say)),
  }
}

function inputOf(field: FormField, say: (text: string) => string): KnownBlock {
  const label = fitted(say(field.label).trim() || field.name, LIMITS.inputLabel)
  const common = { type: 'input' as const, block_id: `${FIELD}${field.name}`.slice(0, 255), label }
  switch (field.kind) {
    case 'flag':
      return {
        ...common,
        optional: true,
        element: {
          type: 'checkboxes',
          action_id: INPUT,
          options: [{ text: fitted(say(field.label) || field.name, LIMITS.optionText), value: 'yes' }],
        },
      }
    case 'text':
      return {
        ...common,
        optional: !field.required,
        ...(field.hint === undefined ? {} : { hint: fitted(say(field.hint), LIMITS.inputHint) }),
        element: textInput(field.most, field.value),
      }
    case 'choice':
    case 'choices': {
      const optional = !field.required
      if (!choosable(field.options)) {
        const some = field.options.slice(0, 20).join(', ')
        const hint = field.options.length > 20 ? `${some}, …` : some
        return {
          ...common,
          optional,
          ...(hint === '' ? {} : { hint: fitted(hint, LIMITS.inputHint) }),
          element: textInput(LIMITS.inputValue, field.value, field.kind === 'choices' ? LIST : INPUT),
        }
      }
      const options = field.options.map((value) => ({ text: fitted(value, LIMITS.optionText), value }))
      const chosen = options.filter(({ value }) =>
        (field.kind === 'choice' ? [field.value] : (field.value ?? '').split(',')).includes(value),
      )
      return field.kind === 'choice'
        ? {
            ...common,
            optional,
            element: {
              type: 'static_select',
              action_id: INPUT,
              options,
              ...(chosen[0] === undefined ? {} : { initial_option: chosen[0] }),
            },
          }
        : {
            ...common,
            optional,
            element: {
              type: 'multi_static_select',
              action_id: INPUT,
              options,
              ...(chosen.length === 0 ? {} : { initial_options: chosen }),
            },
          }
    }
  }
}

/** More than a hundred options, or longer ones, are typed: Slack shows no such list. */
function choosable(options: readonly string[]): boolean {
  return (
    options.length > 0 &&
    options.length <= LIMITS.options &&
    options.every((each) => each !== '' && each.length <= LIMITS.optionValue)
  )
}

function textInput(most: number, value: string | undefined, id: string = INPUT) {
  const length = Math.max(1, Math.min(most, LIMITS.inputValue))
  return {
    type: 'plain_text_input' as const,
    action_id: id,
    max_length: length,
    ...(value === undefined || value === '' ? {} : { initial_value: cut(value, length) }),
  }
}

const element = z.object({
  value: z.string().nullish(),
  selected_option: z.object({ value: z.string() }).nullish(),
  selected_options: z.array(z.object({ value: z.string() })).nullish(),
})
export const stateSchema = z.object({ values: z.record(z.string(), z.record(z.string(), element)) })

/** What was filled in, by the names of the fields; several choices are separated by commas. */
export function valuesOf(state: z.infer<typeof stateSchema>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(state.values).flatMap(([block, actions]) => {
      const typed = actions[LIST]?.value
      const given = actions[INPUT] ?? {
        value: typed
          ?.split(/[\s,]+/)
          .filter(Boolean)
          .join(','),
      }
      if (!block.startsWith(FIELD)) return []
      const value =
        given.value ?? given.selected_option?.value ?? given.selected_options?.map((each) => each.value).join(',') ?? ''
      return [[block.slice(FIELD.length), value]]
    }),
  )
}

export function errorsOf(wrong: Readonly<Record<string, string>>, language: Language): Record<string, string> {
  return Object.fromEntries(
    Object.entries(wrong).map(([name, why]) => [`${FIELD}${name}`, cut(asTyped(translate(why, language)), 2000)]),
  )
}
