/**
 * A sentence as the code says it, with a placeholder for every value. What a placeholder takes is told by the sign after its name:
 *
 * - `{host}` any text; comes out unchanged
 * - `{host^}` one word without blanks
 * - `{hosts~}` names, `a, b, c and 5 more`
 * - `{count#}` a number
 * - `{limit%}` a number with its unit, `8.1 %` or `0.42 cores`
 * - `{name"}` a text in quotation marks
 * - `{time@}` a duration, `1 h 5 min`
 * - `{why*}` text that may be made of our own sentences; translated in turn
 * - `{state!}` one of our own words; nothing else fits
 * - `{rest_}` nothing, or a blank and our own sentences
 *
 * `{a|b}` stands for one of these texts, as in `host{|s}`.
 */
export type Kind = '' | '^' | '~' | '#' | '%' | '"' | '@' | '*' | '!' | '_'

export interface Template {
  /** One more than there are slots; what stands before, between and behind them. */
  literals: string[]
  slots: { name: string; kind: Kind }[]
  /** Letters of its literals: of several templates that fit, the one that says most is meant. */
  weight: number
}

export interface Captured {
  name: string
  kind: Kind
  text: string
}

const CHOICE = /\{([^{}|]*(?:\|[^{}|]*)+)\}/
const SLOT = /\{([A-Za-z][A-Za-z0-9]*)([\^~#%"@*!_]?)\}/g

/** The templates that a key of the catalogue stands for: one for each combination of its choices. */
export function compile(key: string): Template[] {
  const [choice, options] = CHOICE.exec(key) ?? []
  if (choice !== undefined && options !== undefined) {
    return options.split('|').flatMap((option) => compile(key.replace(choice, () => option)))
  }
  const literals: string[] = []
  const slots: Template['slots'] = []
  let end = 0
  for (const match of key.matchAll(SLOT)) {
    literals.push(key.slice(end, match.index))
    slots.push({ name: match[1] ?? '', kind: (match[2] ?? '') as Kind })
    end = match.index + match[0].length
  }
  literals.push(key.slice(end))
  return [{ literals, slots, weight: literals.join('').replace(/[^A-Za-z]/g, '').length }]
}

/** Words that a text must hold to fit: complete ones only, because a slot may go on with the letters of its neighbour. */
export function wordsOf({ literals }: Template): string[] {
  return literals.flatMap((literal, index) => {
    const first = index === 0
    const last = index === literals.length - 1
    return [...literal.matchAll(/[A-Za-z]{2,}/g)].flatMap(({ 0: word, index: at }) => {
      const cut = (at === 0 && !first) || (at + word.length === literal.length && !last)
      return cut ? [] : [word]
    })
  })
}

/** What is still allowed to be tried; shared by all templates that one text is compared with. */
export interface Budget {
  left: number
}

/** Places of one literal that are tried before a template is given up. */
const TRIES = 48

/**
 * The values with which the template makes exactly this text, or undefined. The first fitting place of each literal is taken;
 * others are tried only when a value is not of its kind, and at most 48 for one template, so that no text takes long.
 */
export function matchTemplate(
  { literals, slots }: Template,
  text: string,
  isWord: (text: string) => boolean,
  budget: Budget,
): Captured[] | undefined {
  const head = literals[0] ?? ''
  const tail = literals.at(-1) ?? ''
  if (slots.length === 0) return text === head ? [] : undefined
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return undefined
  const end = text.length - tail.length
  const found: Captured[] = []
  let tries = TRIES
  const from = (index: number, start: number): boolean => {
    const slot = slots[index]
    if (slot === undefined) return false
    const take = (until: number): boolean => {
      const captured = text.slice(start, until)
      if (!fits(slot.kind, captured, isWord)) return false
      found[index] = { ...slot, text: captured }
      return true
    }
    if (index === slots.length - 1) return take(end)
    const literal = literals[index + 1] ?? ''
    for (let at = text.indexOf(literal, start); at !== -1 && at + literal.length <= end; ) {
      if (tries-- <= 0 || budget.left-- <= 0) return false
      if (take(at) && from(index + 1, at + literal.length)) return true
      at = text.indexOf(literal, at + 1)
    }
    return false
  }
  return from(0, head.length) ? found : undefined
}

const AMOUNT = /^[+-]?\d[\d.]{0,20}(?:e[+-]?\d+)? ?(?:%|cores|a second|ms|us|s|TB|GB|MB|KB|B|\/s)$/
const NAMES = /^[^\s,;]+(?:, [^\s,;]+)*(?: and \d+ more)?$/
export const DURATION = /^\d+ (?:ms|s|min|h|d)(?: \d+ (?:ms|s|min|h|d))?$/

function fits(kind: Kind, text: string, isWord: (text: string) => boolean): boolean {
  switch (kind) {
    case '^':
      return text !== '' && !/\s/.test(text)
    case '~':
      return NAMES.test(text)
    case '#':
      return text.length <= 30 && /^-?\d+(?:[.,]\d+)*$/.test(text)
    case '%':
      return text.length <= 40 && AMOUNT.test(text)
    case '"':
      return text.length >= 2 && text.startsWith('"') && text.endsWith('"')
    case '@':
      return DURATION.test(text)
    case '!':
      return isWord(text)
    case '_':
      return text === '' || text.startsWith(' ')
    default:
      return true
  }
}
