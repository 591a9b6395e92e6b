import type { From } from '../access/audit.ts'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import type { IncidentDesk } from '../incident/desk.ts'
import { suggestion } from '../lib/did-you-mean.ts'
import { asFault } from '../lib/fault.ts'
import type { Message } from '../ports/chat.ts'
import type { Form } from '../ports/surface.ts'
import { audited, type Deed } from './audited.ts'
import { noteFault } from './note-fault.ts'

export interface Words {
  /** Without the flags. */
  args: string[]
  /** `--hosts a,b` -> hosts: 'a,b'; `--force` -> force: ''. */
  flags: Record<string, string>
}

export interface CommandContext {
  desk: IncidentDesk
  person: Person
  channel: string
  commands: Command[]
  /** Where it was typed; the terminal when left out. */
  from?: From
  /** Names what was typed where it may be done a second time after a crash: it then comes to the same. */
  origin?: string
}

/** What forms offer to choose from: as it was a moment ago. */
export interface FormContext {
  services: string[]
  hosts: string[]
  /** By service, newest first. */
  versions: Record<string, string[]>
  /** Ids of the incidents that fire, newest first. */
  incidents: string[]
}

/** What the one who typed reads; a command that posts into the channel does so through its feature. */
export interface CommandAnswer {
  ok: boolean
  text: string
  message?: Message
  /** Id of the release that it started. */
  release?: string
}

export interface Command {
  name: string
  summary: string
  /** One form a line, without the slash and the name. */
  usage: string[]
  /** The action in src/access/policy.ts that the person needs to be allowed. */
  action: string
  /** Words that it takes at most, flags apart; any number when left out. */
  most?: number
  /** Flags that it knows, with what they mean. */
  flags?: Record<string, string>
  /** What this use of it would change, for the audit log; undefined when it only reads. */
  changes?(words: Words): Deed | undefined
  /**
   * What these words lack, as a form; undefined when they lack nothing, or nothing that can be asked for. Its fields make the words
   * again: one that has the name of a flag is that flag, the others follow each other, behind the words in `Form.command`.
   */
  form?(words: Words, context: FormContext): Form | undefined
  run(context: CommandContext, words: Words): Promise<CommandAnswer>
}

/** Characters of a command line. */
export const LONGEST = 2000

/**
 * `/release user-service v1.1.0 --hosts a,b` as its words. Quotes group; in double quotes a backslash stands before a quote or a
 * backslash that is meant as one. Typographic quotes and dashes that chat clients put in are read as the plain ones, except
 * between plain double quotes. Undefined when the text is no command.
 */
export function parseCommand(text: string): { name: string; words: string[] } | undefined {
  const plain = text.slice(0, LONGEST).replace(TYPED, (found, space: string | undefined) => {
    if (found.startsWith('"')) return found
    if (/[“”]/.test(found)) return '"'
    return /[‘’]/.test(found) ? "'" : `${space ?? ''}--`
  })
  const words = [...plain.trim().matchAll(WORD)].map(([, double, single, bare]) => {
    return double?.replace(/\\(["\\])/g, '$1') ?? single ?? bare ?? ''
  })
  const [first, ...rest] = words
  if (first === undefined || !first.startsWith('/') || first.length < 2) return undefined
  return { name: first.slice(1).toLowerCase(), words: rest }
}

const TYPED = /"(?:[^"\\]|\\[\s\S])*"|[“”‘’]|(^|\s)[—–](?=[a-z])/g
const WORD = /"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'|(\S+)/g

/** Runs what a person typed. Always answers: unknown commands and flags with the nearest known one, faults with the next step. */
export async function runCommand(context: CommandContext, text: string): Promise<CommandAnswer> {
  if (text.length > LONGEST) {
    return {
      ok: false,
      text: `That is longer than ${LONGEST} characters and was not read. Next: use labels or regions of the service instead of long host lists.`,
    }
  }
  const parsed = parseCommand(text)
  const names = context.commands.map((command) => command.name)
  if (parsed === undefined) return { ok: false, text: 'That is not a command. Next: type /help.' }
  const command = context.commands.find((each) => each.name === parsed.name)
  if (command === undefined) {
    const shown = JSON.stringify(`/${parsed.name.slice(0, 40)}`)
    return { ok: false, text: `There is no command ${shown}.${suggestion(parsed.name, names)} Next: type /help.` }
  }
  const doer = { person: context.person, from: context.from ?? { surface: 'terminal' } }
  const allowed = mayDo(context.person, command.action)
  if (!allowed.ok) {
    const deed = { action: command.action, about: `/${command.name} ${parsed.words.join(' ')}` }
    return audited(context.desk, doer, deed, async () => ({
      ok: false,
      text: `Not permitted: ${allowed.why}. Next: ${allowed.next}.`,
    }))
  }
  const words = splitFlags(parsed.words, command)
  if (typeof words === 'string') return { ok: false, text: words }
  try {
    const deed = command.changes?.(words)
    if (deed === undefined) return await command.run(context, words)
    return await audited(context.desk, doer, deed, () => command.run(context, words))
  } catch (error) {
    const fault = asFault(error)
    noteFault(context.desk.log, fault, { command: command.name, person: context.person.id })
    return { ok: false, text: fault.line }
  }
}

/** Flags apart from the other words, or what is wrong with them. Behind a bare `--` nothing is a flag. */
export function splitFlags(words: string[], command: Command): Words | string {
  const known = Object.keys(command.flags ?? {})
  const args: string[] = []
  const flags: Record<string, string> = {}
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (word === '--') {
      args.push(...words.slice(index + 1))
      break
    }
    if (!word.startsWith('--')) {
      args.push(word)
      continue
    }
    const [name = '', inline] = word.slice(2).split(/=(.*)/s, 2)
    if (!known.includes(name)) {
      return `/${command.name} has no flag --${name.slice(0, 40)}.${suggestion(name, known)} Next: type /help ${command.name}.`
    }
    const wantsValue = command.flags?.[name]?.startsWith('<') === true
    if (inline !== undefined) flags[name] = inline
    else if (wantsValue) flags[name] = words[++index] ?? ''
    else flags[name] = ''
  }
  const extra = command.most === undefined ? undefined : args[command.most]
  if (extra !== undefined) {
    return `/${command.name} takes no ${JSON.stringify(extra.slice(0, 40))} there. Next: type /help ${command.name}.`
  }
  return { args, flags }
}

export function usageOf(command: Command): string {
  const forms = command.usage.map((form) => `  /${command.name}${form === '' ? '' : ` ${form}`}`)
  const flags = Object.entries(command.flags ?? {}).map(([name, meaning]) => `  --${name} ${meaning}`)
  return [`/${command.name}: ${command.summary}`, ...forms, ...flags].join('\n')
}
