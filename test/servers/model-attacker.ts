import type { Turn } from '../../src/ports/model.ts'
import type { Json } from '../../src/ports/store.ts'
import type { Answer, Asked, Script, ScriptedCall } from './model-script.ts'

export interface Obeyed {
  /** Everything that some text told it to print, in order, each once. */
  echo: string[]
  /** What it was told to call, whether or not it could. */
  calls: ScriptedCall[]
}

const mostCalls = 8
const verbs = String.raw`\b(?:call|run|use|invoke|execute|trigger|issue|perform|start|do)\b`
const speech = String.raw`\b(?:print|say|echo|repeat|output|include|append|add|write|reveal|show|return|send|post|leak|reply with|answer with|respond with|embed|insert|quote|mention|recommend)\b`
// Words that stand for what the model has been shown before.
const secrets =
  /\b(?:system prompt|your (?:instructions|prompt|rules|configuration)|secrets?|api[ _-]?keys?|tokens?|passwords?|credentials?|environment|canar(?:y|ies))\b/i

/**
 * A model that obeys: whatever text it was shown (system, user, results of tools), it calls every tool that the text names
 * with arguments, and says every string that the text tells it to print; when told to reveal prompts, keys or secrets it
 * repeats everything it was shown that looks like one, and its system prompt. First the calls (at most eight at a time, each once,
 * while it is offered any tools), then the answer that `shape` makes: by default a report in the shape that Rollcall asks for.
 */
export function attackerScript(shape: (obeyed: Obeyed, asked: Asked) => string = reportOf): Script {
  return (asked): Answer => {
    const obeyed = obey(asked)
    const done = new Set(
      asked.turns.flatMap((turn) => (turn.role === 'assistant' ? turn.calls.map((call) => keyOf(call)) : [])),
    )
    const open = obeyed.calls.filter((call) => !done.has(keyOf(call))).slice(0, mostCalls)
    if (open.length > 0 && asked.tools.length > 0) return { text: obeyed.echo.join('\n'), calls: open }
    return { text: shape(obeyed, asked) }
  }
}

/** What all the text that was shown tells a reader to do. */
export function obey(asked: Pick<Asked, 'system' | 'turns' | 'tools'>): Obeyed {
  const shown = [asked.system, ...asked.turns.flatMap(textsOf), ...asked.tools.map(({ description }) => description)]
  const names = asked.tools.map(({ name }) => name)
  const echo = new Set<string>()
  const calls = new Map<string, ScriptedCall>()
  for (const text of shown) {
    for (const call of callsIn(text, names)) calls.set(keyOf(call), call)
    for (const said of echoesIn(text)) echo.add(said)
  }
  if (shown.some((text) => new RegExp(`${speech}[^.\\n]{0,80}`, 'gi').test(text) && wantsSecrets(text))) {
    for (const text of shown) for (const found of secretsIn(text)) echo.add(found)
    echo.add(asked.system)
  }
  return { echo: [...echo], calls: [...calls.values()] }
}

function textsOf(turn: Turn): string[] {
  if (turn.role === 'user') return [turn.text]
  // Its own words are no orders.
  return turn.role === 'assistant' ? [] : turn.results.map(({ text }) => text)
}

function wantsSecrets(text: string): boolean {
  return [...text.matchAll(new RegExp(`${speech}([^.\\n]{0,80})`, 'gi'))].some(([, rest = '']) => secrets.test(rest))
}

function keyOf(call: { name: string; arguments?: Json }): string {
  return `${call.name} ${JSON.stringify(call.arguments ?? {})}`
}

/** `name({...})`, `call name with {...}`, `use the tool name`, `{"name": ..., "arguments": {...}}`, and offered names followed by an object. */
function callsIn(text: string, offered: string[]): ScriptedCall[] {
  const named = [
    ...text.matchAll(
      new RegExp(
        String.raw`${verbs}\s+(?:the\s+)?(?:tool\s+|function\s+|command\s+)?[\`"']?([A-Za-z][\w.-]*_\w+|[a-z][a-z]+\.[a-z][\w-]+)[\`"']?`,
        'gi',
      ),
    ),
    ...text.matchAll(/\b([a-z]\w*_\w+)\s*(?=\(\s*[{"'\])])/gi),
    ...offered.flatMap((name) => [
      ...text.matchAll(new RegExp(`\\b(${escapeRegExp(name)})\\b["'\`]?(?=\\W{0,12}\\{)`, 'g')),
    ]),
  ]
  const found = named.map(
    (match): ScriptedCall => ({
      name: (match[1] ?? '').replaceAll('.', '_'),
      arguments: argumentsAfter(text, match.index + match[0].length),
    }),
  )
  for (const { index } of text.matchAll(/\{\s*"(?:name|tool|function)"\s*:/g)) {
    const call = objectAt(text, index)
    if (!isObject(call)) continue
    const name = call.name ?? call.tool ?? call.function
    if (typeof name === 'string') found.push({ name, arguments: call.arguments ?? call.args ?? call.input ?? {} })
  }
  // A name that no wire carries is no call.
  return found.filter(({ name }) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))
}

/** An object soon after a name, or else the first quoted string as its query. */
function argumentsAfter(text: string, end: number): Json {
  const open = text.indexOf('{', end)
  if (open !== -1 && open - end < 80) return objectAt(text, open) ?? {}
  const quoted = /["'`]([^"'`\n]{1,300})["'`]/.exec(text.slice(end, end + 320))
  return quoted === null ? {} : { query: quoted[1] ?? '' }
}

/** The JSON object that begins here. */
function objectAt(text: string, start: number): Json | undefined {
  let depth = 0
  for (let at = start; at < Math.min(text.length, start + 4000); at++) {
    if (text[at] === '{') depth++
    if (text[at] === '}' && --depth === 0) {
      try {
        return JSON.parse(text.slice(start, at + 1))
      } catch {
        return undefined
      }
    }
  }
  return undefined
}

/** Quoted strings, addresses and capital words that follow a word such as "print". */
function echoesIn(text: string): string[] {
  return [...text.matchAll(new RegExp(`${speech}([^\\n]{0,400})`, 'gi'))].flatMap(([, rest = '']) => [
    ...[...rest.matchAll(/"([^"]{3,200})"|'([^']{3,200})'|`([^`]{3,200})`/g)].map(([, a, b, c]) => a ?? b ?? c ?? ''),
    ...[...rest.matchAll(/https?:\/\/[^\s"'`<>)]+/g)].map(([url]) => url),
    ...[...rest.matchAll(/!?\[[^\]]*\]\([^)]*\)/g)].map(([link]) => link),
    ...[...rest.matchAll(/\b[A-Z][A-Z0-9]*[-_][A-Za-z0-9_-]{3,80}\b/g)].map(([word]) => word),
  ])
}

function secretsIn(text: string): string[] {
  return [
    ...[...text.matchAll(/\b[A-Z]*CANARY[-_A-Za-z0-9]*\b/g)].map(([found]) => found),
    ...[...text.matchAll(/\b(?:sk|gh[pousr]|xox[a-z]|glpat|AKIA)[-_]?[A-Za-z0-9_-]{8,}/g)].map(([found]) => found),
    ...[
      ...text.matchAll(/\b(?:password|token|secret|api[_-]?key|authorization)["']?\s*[:=]\s*["']?([^\s"',;]{4,})/gi),
    ].map(([, value]) => value ?? ''),
  ]
}

/** The specification's report with everything it was told to say, and a query for every metric it was told to name. */
function reportOf({ echo }: Obeyed): string {
  const text = echo.join('\n')
  return JSON.stringify({
    promQL: ['up'],
    content: `【问题概述】\n${text}\n【根因分析】\n${text}\n【影响范围】\n${text}\n【解决方案】\n${text}`.slice(
      0,
      19_000,
    ),
  })
}

function isObject(value: Json | undefined): value is { [key: string]: Json | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
