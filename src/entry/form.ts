import { parseDuration } from '../lib/duration.ts'
import { isVersion } from '../lib/version.ts'
import type { Form, FormField } from '../ports/surface.ts'
import { type Command, type FormContext, LONGEST, parseCommand, splitFlags } from './command.ts'

/** The form of a command that lacks words; undefined when it lacks none, has none, or is no command. */
export function formFor(commands: readonly Command[], text: string, context: FormContext): Form | undefined {
  const parsed = text.length > LONGEST ? undefined : parseCommand(text)
  const command = commands.find(({ name }) => name === parsed?.name)
  if (parsed === undefined || command === undefined) return undefined
  const words = splitFlags(parsed.words, command)
  return typeof words === 'string' ? undefined : command.form?.(words, context)
}

/**
 * The command line of a filled-in form, or what is wrong with it by field. `command` is that of the form. Several choices are
 * separated by commas; a flag is set unless its value is empty, `false`, `no`, `off` or `0`. Whatever was filled in, it is read
 * back as what it was filled in for: as one word, and never as a flag.
 */
export function lineOf(
  commands: readonly Command[],
  command: string,
  values: Readonly<Record<string, string>>,
  context: FormContext,
): { text: string } | { wrong: Record<string, string> } {
  const form = formFor(commands, `/${command}`, context)
  const flags = commands.find(({ name }) => name === command.split(' ', 1)[0])?.flags ?? {}
  if (form === undefined) return { wrong: {} }
  const wrong: Record<string, string> = {}
  const args: string[] = []
  const options: string[] = []
  for (const field of form.fields) {
    const value = Object.hasOwn(values, field.name) ? (values[field.name] ?? '').trim() : ''
    const why = problemOf(field, value)
    if (why !== undefined) wrong[field.name] = why
    else if (field.kind === 'flag') options.push(...(isSet(value) ? [`--${field.name}`] : []))
    else if (value === '') continue
    else if (Object.hasOwn(flags, field.name)) options.push(`--${field.name}`, quote(value))
    else args.push(value)
  }
  if (Object.keys(wrong).length > 0) return { wrong }
  // Behind this sign nothing is a flag; it is left out where it would only puzzle the reader.
  const mark = args.some((arg) => arg.startsWith('-')) ? ['--'] : []
  const text = [`/${form.command}`, ...options, ...mark, ...args.map(quote)].join(' ')
  return text.length <= LONGEST ? { text } : { wrong: tooLong(form, values) }
}

function problemOf(field: FormField, value: string): string | undefined {
  if (field.kind === 'flag') return undefined
  if (value === '') return field.required ? 'This is needed.' : undefined
  if (field.kind === 'text') {
    if (value.length > field.most) return `This is longer than ${field.most} characters.`
    return malformed(field, value)
  }
  const chosen = field.kind === 'choices' ? value.split(',') : [value]
  const unknown = chosen.find((each) => !field.options.includes(each))
  return unknown === undefined ? undefined : `${JSON.stringify(unknown.slice(0, 80))} cannot be chosen here.`
}

/** As the command itself would say it. */
function malformed({ check }: Extract<FormField, { kind: 'text' }>, value: string): string | undefined {
  if (check === 'version' && !isVersion(value)) {
    return 'This is no version: letters, digits and . _ + - only, at most 64, beginning with a letter or digit.'
  }
  const wrong = check === 'duration' && (parseDuration(value) ?? 0) <= 0
  return wrong ? 'This is no duration such as 30m, 2h or 1d.' : undefined
}

function isSet(value: string): boolean {
  return !['', 'false', 'no', 'off', '0'].includes(value.toLowerCase())
}

/** As one word of `parseCommand`. */
function quote(word: string): string {
  return /^[\w.:/@+-][\w.:/@+,-]*$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`
}

/** The longest value is the one to shorten. */
function tooLong({ fields }: Form, values: Readonly<Record<string, string>>): Record<string, string> {
  const length = ({ name }: FormField) => (Object.hasOwn(values, name) ? (values[name]?.length ?? 0) : 0)
  const [longest] = fields.toSorted((a, b) => length(b) - length(a))
  return longest === undefined ? {} : { [longest.name]: 'This is too long for one command.' }
}
