import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { Json } from '../../ports/store.ts'
import { clean, cleanJson } from './clean.ts'
import { type Kept, mostKeptOfOne, pageCharacters } from './kept.ts'
import type { Known } from './kinds.ts'
import { summarise } from './series.ts'

/** Most characters of a result that go to the model at once. */
export const mostText = 12_000

export interface Bounded {
  text: string
  failed: boolean
  empty: boolean
  handle?: string
  characters: number
}

interface Setting {
  kept: Kept
  redact: (text: string) => string
}

/**
 * What a server answered, as the model may read it: text without unseen characters and secrets, at most 12,000 characters, the
 * whole kept under a handle when it is longer. Pictures and the like are named, not passed on.
 */
export function boundResult(
  result: CallToolResult,
  known: Known,
  args: Record<string, Json | undefined>,
  { kept, redact }: Setting,
): Bounded {
  const failed = result.isError === true
  const { texts, notes } = partsOf(result)
  const json = failed ? undefined : jsonOf(result, texts)
  const text = texts.join('\n')
  notes.push(...(json?.beside ?? []).slice(0, 5).map((note) => redact(clean(note)).slice(0, 500)))
  const value = json === undefined ? undefined : ourShape(known, args, unwrap(cleanJson(json.value)))
  const whole = masked(value === undefined ? clean(text) : JSON.stringify(value), redact)
  const after = notes.length === 0 ? '' : `\n(${notes.join('; ')})`
  const room = mostText - after.length - 300
  const characters = whole.length
  if (failed)
    return {
      text: `${cut(whole || 'The tool failed and gave no reason.', room)}${after}`,
      failed,
      empty: false,
      characters,
    }

  const summary = known.prometheus ? summarise(value, room) : undefined
  if (summary !== undefined) {
    const shown = `${redact(summary.text)}${after}`
    if (summary.whole) return { text: shown, failed, empty: summary.empty, characters }
    const handle = kept.keep(whole)
    return { text: `${shown}\n${pointer(handle, characters)}`, failed, empty: false, handle, characters }
  }
  if (isNothing(value, whole))
    return { text: `The tool answered, and there is nothing.${after}`, failed, empty: notes.length === 0, characters }
  if (whole.length <= room) return { text: `${whole}${after}`, failed, empty: false, characters }
  const handle = kept.keep(whole)
  const start = cut(whole, Math.min(room, pageCharacters))
  return {
    text: `${start}${after}\n${pointer(handle, characters, start.length)}`,
    failed,
    empty: false,
    handle,
    characters,
  }
}

/** What is kept of it is masked as a whole, so that no page boundary runs through a secret; nor does the cut at its end. */
function masked(text: string, redact: (text: string) => string): string {
  if (text.length <= mostKeptOfOne) return redact(text)
  return redact(text.slice(0, mostKeptOfOne)).slice(0, -1000)
}

/** The result of `read_result`. */
export function readKept(kept: Kept, args: Record<string, unknown>): Bounded {
  const offset = typeof args.offset === 'number' && Number.isFinite(args.offset) ? Math.floor(args.offset) : 0
  const handle = typeof args.handle === 'string' ? args.handle : ''
  const page = kept.read(handle, offset)
  if (page === undefined)
    return refusal(
      'There is no result under this handle, or it is no longer kept. Call the tool again, with a narrower question.',
    )
  const { text, from, to, total } = page
  const end = to >= total ? 'this is its end' : `go on with offset ${to}`
  return {
    text: `${text}\n(characters ${from} to ${to} of ${total}; ${end})`,
    failed: false,
    empty: text === '',
    handle,
    characters: total,
  }
}

/** A failed result in our own words. */
export function refusal(text: string): Bounded {
  return { text, failed: true, empty: false, characters: text.length }
}

function pointer(handle: string, characters: number, shown?: number): string {
  const what = shown === undefined ? 'This is a summary' : `These are the first ${shown} characters`
  return `(${what}. The whole, ${characters} characters, is kept: read_result with handle ${handle}${shown === undefined ? '' : ` and offset ${shown}`}.)`
}

function partsOf(result: CallToolResult): { texts: string[]; notes: string[] } {
  const texts: string[] = []
  const notes: string[] = []
  for (const part of result.content ?? []) {
    if (part.type === 'text') texts.push(part.text)
    else if (part.type === 'resource' && 'text' in part.resource) texts.push(part.resource.text)
    else notes.push(`${describe(part)} left out`)
  }
  const many = notes.length > 5 ? [...notes.slice(0, 5), `and ${notes.length - 5} more parts left out`] : notes
  return { texts, notes: many }
}

function describe(part: Exclude<CallToolResult['content'][number], { type: 'text' }>): string {
  switch (part.type) {
    case 'image':
    case 'audio':
      return `${part.type} of type ${clean(part.mimeType).slice(0, 60)}`
    case 'resource':
      return `binary resource of type ${clean(part.resource.mimeType ?? 'unknown').slice(0, 60)}`
    case 'resource_link':
      return `link to a resource named ${clean(part.name).slice(0, 100)}`
  }
}

/** The JSON that an answer is: its structured content, else its text, else the first of several texts with notes beside it. */
function jsonOf(result: CallToolResult, texts: string[]): { value: unknown; beside: string[] } | undefined {
  if (result.structuredContent !== undefined) return { value: result.structuredContent, beside: [] }
  for (const [text, beside] of [[texts.join('\n'), []] as const, [texts[0] ?? '', texts.slice(1)] as const]) {
    try {
      const value: unknown = JSON.parse(text)
      if (typeof value === 'object') return { value, beside: [...beside] }
    } catch {
      // Words, then.
    }
  }
  return undefined
}

/** FastMCP wraps what is no object into { result }; Prometheus' own envelope is { status, data }. */
function unwrap(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const keys = Object.keys(value)
  if (keys.length === 1 && 'result' in value) return value.result
  if ('status' in value && value.status === 'success' && 'data' in value) return value.data
  return value
}

/** What servers of one meaning shape differently is brought to one: a link costs tokens, and some cannot filter. */
function ourShape(known: Known, args: Record<string, Json | undefined>, value: unknown): unknown {
  if (!known.prometheus) return value
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && 'links' in value) {
    const { links: _, ...rest } = value
    return rest
  }
  return known.shape?.(args, value) ?? value
}

const lists = ['metrics', 'metadata', 'activeTargets', 'droppedTargets']
const totals = ['total_count', 'total_active', 'total_dropped']

function isNothing(value: unknown, whole: string): boolean {
  if (value === undefined) return whole.trim() === ''
  if (value === null) return true
  // pab1it0's server says [{}] of a metric that it does not know.
  if (Array.isArray(value))
    return value.every((each) => typeof each === 'object' && each !== null && Object.keys(each).length === 0)
  if (typeof value !== 'object') return value === ''
  const entries = Object.entries(value)
  // A page beyond the end is no proof that there is nothing.
  if (entries.some(([name, total]) => totals.includes(name) && total !== 0)) return false
  const parts = entries.filter(([name]) => lists.includes(name))
  if (parts.length > 0) return parts.every(([, part]) => Object.keys(Object(part)).length === 0)
  return entries.length === 0
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).toWellFormed()
}
