import type { Field } from '../../ports/chat.ts'

export type Wrong = 'missing' | 'too-long' | 'no-duration'

/** Whether a text is a time such as `30m`, `2h` or `1h30m`: whole numbers with the units ms, s, m, h, d, and not nothing. */
export function isDuration(text: string): boolean {
  return /^(\d+(ms|s|m|h|d))+$/.test(text) && /[1-9]/.test(text)
}

/** What each field begins with. */
export function startOf(fields: readonly Field[]): Record<string, string> {
  return Object.fromEntries(fields.map(({ name, value = '' }) => [name, value]))
}

/** What is wrong with what was filled in, by the fields' names; empty when it can be sent. */
export function wrongIn(fields: readonly Field[], values: Record<string, string>): Record<string, Wrong> {
  return Object.fromEntries(
    fields.flatMap((field): [string, Wrong][] => {
      const wrong = wrongWith(field, (values[field.name] ?? '').trim())
      return wrong === undefined ? [] : [[field.name, wrong]]
    }),
  )
}

function wrongWith({ kind, required, most }: Field, text: string): Wrong | undefined {
  if (text === '') return required ? 'missing' : undefined
  if (text.length > most) return 'too-long'
  return kind === 'duration' && !isDuration(text) ? 'no-duration' : undefined
}

/** As it is sent: without the blanks around it. */
export function sentOf(fields: readonly Field[], values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(fields.map(({ name }) => [name, (values[name] ?? '').trim()]))
}
