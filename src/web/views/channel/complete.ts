import type { CommandsView } from '../../../ports/console.ts'

type Kind = 'command' | 'verb' | 'service' | 'version' | 'host' | 'release' | 'flag' | 'story'

export interface Item {
  /** What is put in; with a slash for a command, with dashes for an option. */
  text: string
  kind: Kind
  note?: string
  allowed: boolean
}
export interface Completion {
  items: Item[]
  /** The part of the text that an item replaces. */
  from: number
  to: number
}

/** Sandbox only; the server plays it when it is typed. */
export const STORY = 'play the story'
const MOST = 8

/**
 * What may stand at the caret. Which kinds a place takes is read from the command's usage, such as `<service> <version> [host …]`:
 * a form counts as long as the words before the caret fit it.
 */
export function complete(text: string, caret: number, view: CommandsView, options: { story: boolean }): Completion {
  const before = text.slice(0, caret)
  const from = before.search(/\S*$/)
  const part = before.slice(from)
  const to = caret + (text.slice(caret).match(/^\S*/)?.[0].length ?? 0)
  const words = before.slice(0, from).split(/\s+/).filter(Boolean)
  if (words.length === 0) return { items: first(part, view, options.story), from, to }
  const command = view.commands.find((each) => `/${each.name}` === words[0]?.toLowerCase())
  if (command === undefined) return { items: [], from, to }
  if (part.startsWith('--')) {
    if (part.startsWith('--hosts=')) return hostList(part, '--hosts='.length, view, from, to)
    const flags = Object.entries(command.flags).map(([name, meaning]) => item(`--${name}`, 'flag', meaning.trim()))
    return { items: choose(flags, part, words), from, to }
  }
  const previous = words.at(-1)
  if (previous === '--hosts') return hostList(part, 0, view, from, to)
  const args = plainWords(words.slice(1), command.flags)
  const kinds = command.usage.map(formOf).flatMap((form) => kindsAt(form, args, view))
  const items = kinds.flatMap((slot) => candidates(slot, args, view))
  return { items: choose(unique(items), part, args), from, to }
}

/** The text with the item in its place and a space behind it, and where the caret goes. */
export function accept(text: string, { from, to }: Completion, item: Item): { text: string; caret: number } {
  const behind = text.slice(to)
  const open = item.text.endsWith(',')
  const put = item.kind === 'story' || open || behind.startsWith(' ') ? item.text : `${item.text} `
  return { text: text.slice(0, from) + put + behind, caret: from + put.length }
}

type Slot = { words: string[]; free: ('service' | 'version' | 'host' | 'release' | 'command')[]; repeats: boolean }

/** A usage line as its places: `<a|b>` are literal words, `<service or R-number>` names kinds, `…` repeats. */
export function formOf(usage: string): Slot[] {
  return [...usage.matchAll(/<([^>]*)>|\[([^\]]*)\]/g)].map((match) => {
    const inside = match[1] ?? match[2] ?? ''
    const repeats = inside.includes('…')
    if (inside.includes('|')) return { words: inside.split('|').map((word) => word.trim()), free: [], repeats }
    const free: Slot['free'] = []
    if (/R-number|release/.test(inside)) free.push('release')
    if (inside.includes('service')) free.push('service')
    if (inside.includes('version')) free.push('version')
    if (inside.includes('host')) free.push('host')
    if (inside.includes('command')) free.push('command')
    return { words: [], free, repeats }
  })
}

/** The places of the form at which the next word would stand, when the words before fit it. */
function kindsAt(form: Slot[], args: string[], view: CommandsView): Slot[] {
  for (const [index, word] of args.entries()) {
    const slot = slotAt(form, index)
    if (slot === undefined || !fits(word, slot, view)) return []
  }
  const slot = slotAt(form, args.length)
  return slot === undefined ? [] : [slot]
}

function slotAt(form: Slot[], index: number): Slot | undefined {
  const last = form.at(-1)
  return form[index] ?? (last?.repeats === true ? last : undefined)
}

function fits(word: string, slot: Slot, view: CommandsView): boolean {
  if (slot.words.includes(word)) return true
  return slot.free.some((kind) => {
    if (kind === 'service') return view.services.includes(word)
    if (kind === 'release') return /^r-?\d+$/i.test(word)
    if (kind === 'host') return view.hosts.includes(word)
    return true
  })
}

function candidates(slot: Slot, args: string[], view: CommandsView): Item[] {
  const literal = slot.words.map((word) => item(word, 'verb'))
  const free = slot.free.flatMap((kind): Item[] => {
    switch (kind) {
      case 'service':
        return view.services.map((name) => item(name, 'service'))
      case 'release':
        return view.releases.map((id) => item(id, 'release'))
      case 'host':
        return view.hosts.map((id) => item(id, 'host'))
      case 'command':
        return view.commands.map((command) => item(command.name, 'command', command.summary))
      case 'version': {
        const service = args.find((word) => view.services.includes(word))
        const known = service === undefined ? [] : (view.versions[service] ?? [])
        return known.map((version) => item(version, 'version', service))
      }
      default:
        return []
    }
  })
  return [...free, ...literal]
}

function first(part: string, view: CommandsView, story: boolean): Item[] {
  const commands = view.commands.map(
    (command): Item => ({ text: `/${command.name}`, kind: 'command', note: command.summary, allowed: command.allowed }),
  )
  const all = story ? [...commands, item(STORY, 'story')] : commands
  if (part === '') return []
  if (part === '/') return all.filter((each) => each.kind === 'command').slice(0, MOST)
  // A word without its slash is probably meant as a command.
  const wanted = part.startsWith('/') || STORY.startsWith(part.toLowerCase()) ? part : `/${part}`
  return choose(all, wanted, [])
}

function hostList(part: string, start: number, view: CommandsView, from: number, to: number): Completion {
  const named = part.slice(start).split(',')
  const last = named.pop() ?? ''
  const items = view.hosts.map((id) => item(id, 'host'))
  return { items: choose(items, last, named), from: from + part.length - last.length, to }
}

/** Words without options and their values. */
function plainWords(words: string[], flags: Record<string, string>): string[] {
  const plain: string[] = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (!word.startsWith('--')) plain.push(word)
    else if (!word.includes('=') && flags[word.slice(2)]?.startsWith('<') === true) index++
  }
  return plain
}

/** Those that begin with what was typed, then those that contain it; without what stands there already. */
function choose(items: Item[], part: string, taken: string[]): Item[] {
  const wanted = part.toLowerCase()
  const left = items.filter((each) => !taken.includes(each.text))
  const begins = left.filter((each) => each.text.toLowerCase().startsWith(wanted))
  const contains = left.filter((each) => !begins.includes(each) && each.text.toLowerCase().includes(wanted))
  const found = [...begins, ...contains]
  // What is complete needs no suggestion of itself.
  return found.length === 1 && found[0]?.text.toLowerCase() === wanted ? [] : found.slice(0, MOST)
}

function unique(items: Item[]): Item[] {
  return [...new Map(items.map((each) => [`${each.kind} ${each.text}`, each])).values()]
}

function item(text: string, kind: Kind, note?: string): Item {
  return { text, kind, note, allowed: true }
}
