import { canonicalJson } from '../lib/canonical-json.ts'
import { asFault } from '../lib/fault.ts'
import { addUsage, nothingUsed } from '../lib/usage.ts'
import type { Model, ModelAnswer, ModelRequest, ToolCall, ToolOffer, Turn, Usage } from '../ports/model.ts'
import type { Tools } from '../ports/tools.ts'
import { objectsIn } from './answer-json.ts'
import { type Budget, totalOf } from './budget.ts'

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: string[] }

export interface AgentSpec<T> {
  model: Model
  /** Read-only tools; without any the model answers from the prompt alone. */
  tools: Tools | undefined
  system: string
  prompt: string
  budget: Budget
  /** Runs an effect once and keeps its result under the name: a flow's step. Called in the same order on every replay. */
  record: <R>(name: string, effect: () => Promise<R>) => Promise<R>
  /** What an object found in the answer is taken for; `problems` are told to the model once. */
  parse: (value: unknown) => Parsed<T>
  clock: () => Date
  /** The result of a tool in the form that the model sees; it is untrusted. */
  present?: (tool: string, text: string) => string
  /** Before each call of the model that really takes place. */
  onStep?: (step: number) => Promise<void>
}

/** One call of a tool, answered by the tool or refused by us. */
export interface CallRecord {
  step: number
  name: string
  /** Canonical JSON. */
  arguments: string
  /** As the tool gave it; why it was refused otherwise. */
  text: string
  failed: boolean
  empty: boolean
  /** It never reached a tool. */
  refused: boolean
}

/** What happened, complete enough to be replayed and paid for. */
export interface AgentRecord {
  transcript: Turn[]
  calls: CallRecord[]
  usage: Usage
  /** Calls of the model. */
  steps: number
  /** Calls that reached a tool, by its name. */
  tools: Record<string, number>
  /** Time that calls took, one after the other. */
  seconds: number
  /** As the provider named the model that answered last. */
  model?: string
}

type NoAnswer = Extract<ModelAnswer, { ok: false }>['why'] | 'refusal' | 'invalid'
export type AgentResult<T> = AgentRecord & ({ ok: true; value: T } | { ok: false; why: NoAnswer; say: string })

/** As much as may be configured: what the model is allowed to write is the adapter's to limit. */
const MAX_TOKENS = 200_000
/** Calls of one answer that are carried out. */
const CALLS_AT_ONCE = 8
/** Steps in a row that brought nothing new; then the model has to answer. */
const FRUITLESS = 3
/** A call may take at least this long, also when the budget is spent. */
const LAST_CALL_SECONDS = 60
const LONGEST_RESULT = 40_000
const SHRUNK_RESULT = 400
const LAST =
  'There are no further tool calls. Answer now, with what you have, in the JSON format that was asked for. State what remains unknown.'

/**
 * Asks a model until it has answered in the form that `parse` takes: at most `budget.steps` calls, read-only tools of one answer
 * at the same time, an identical call refused, the last call without tools, one turn of repair. It stops early when the model
 * answers without wanting a tool. Trouble of the model or of tools is a value; only what `record` throws is thrown.
 */
export async function runAgent<T>(spec: AgentSpec<T>): Promise<AgentResult<T>> {
  const { budget } = spec
  const log: AgentRecord = {
    transcript: [{ role: 'user', text: spec.prompt }],
    calls: [],
    usage: nothingUsed,
    steps: 0,
    tools: {},
    seconds: 0,
  }
  const offered = await offersOf(spec)
  const seen = new Map<string, string>()
  let lastSize = 0
  let fruitless = 0
  let shrunk = false
  let repaired = false
  let mustAnswer = offered.length === 0

  const spent = () =>
    log.steps >= budget.steps - 2 ||
    totalOf(log.usage) + 2 * lastSize > budget.tokens ||
    log.seconds >= budget.seconds ||
    fruitless >= FRUITLESS

  for (;;) {
    if (!mustAnswer && spent()) {
      mustAnswer = true
      log.transcript.push({ role: 'user', text: LAST })
    }
    const answer = await ask(spec, log, mustAnswer ? [] : offered)
    if (!answer.ok) {
      if (answer.why === 'too-long' && !shrunk && log.steps < budget.steps) {
        shrunk = true
        mustAnswer = true
        log.transcript = [...log.transcript.map(shrink), { role: 'user', text: LAST }]
        continue
      }
      return { ...log, ok: false, why: answer.why, say: answer.say }
    }
    lastSize = totalOf(answer.usage)
    if (answer.stop === 'refusal') {
      log.transcript.push({ role: 'assistant', text: answer.text, calls: [] })
      return { ...log, ok: false, why: 'refusal', say: 'The model declined to answer.' }
    }
    if (!mustAnswer && answer.calls.length > 0) {
      log.transcript.push({ role: 'assistant', text: answer.text, calls: answer.calls })
      const before = seen.size
      const records = await callTools(spec, log, offered, seen, answer.calls)
      fruitless = seen.size === before ? fruitless + 1 : 0
      log.transcript.push({ role: 'tools', results: records })
      continue
    }
    const read = readAnswer(spec, answer.text)
    // An assistant's turn may not be empty on every wire.
    log.transcript.push({ role: 'assistant', text: answer.text.trim() || '(no words)', calls: [] })
    if (read.ok) return { ...log, ok: true, value: read.value }
    if (repaired || log.steps >= budget.steps) {
      return {
        ...log,
        ok: false,
        why: 'invalid',
        say: `The model's answer has not the required form: ${read.problems[0]}.`,
      }
    }
    repaired = true
    mustAnswer = true
    log.transcript.push({ role: 'user', text: repairWords(read.problems, answer.stop === 'length') })
  }
}

/** What the model may call, as it was when the conversation began: a replay offers the same. */
async function offersOf<T>({ tools, record }: AgentSpec<T>): Promise<ToolOffer[]> {
  if (tools === undefined) return []
  return record('tools', async () => {
    try {
      const listed = await tools.list()
      return listed.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }))
    } catch {
      return []
    }
  })
}

async function ask<T>(spec: AgentSpec<T>, log: AgentRecord, tools: ToolOffer[]): Promise<ModelAnswer> {
  log.steps++
  const step = log.steps
  const left = Math.max(LAST_CALL_SECONDS, spec.budget.seconds - log.seconds)
  const request: ModelRequest = {
    system: spec.system,
    turns: [...log.transcript],
    tools,
    maxTokens: MAX_TOKENS,
  }
  const { answer, seconds } = await spec.record(`model ${step}`, async () => {
    await spec.onStep?.(step)
    const begun = spec.clock().getTime()
    const answer = await complete(spec.model, { ...request, signal: AbortSignal.timeout(left * 1000) })
    return { answer, seconds: since(begun, spec.clock()) }
  })
  log.seconds += seconds
  if (answer.ok) {
    log.usage = addUsage(log.usage, answer.usage)
    log.model = answer.model
  }
  return answer
}

async function complete(model: Model, request: ModelRequest): Promise<ModelAnswer> {
  try {
    return await model.complete(request)
  } catch (error) {
    const { message, next } = asFault(error)
    return { ok: false, why: 'malformed', say: message, next, seconds: 0 }
  }
}

/** The results in the order of the calls. Those that are new and valid run at the same time. */
async function callTools<T>(
  spec: AgentSpec<T>,
  log: AgentRecord,
  offered: ToolOffer[],
  seen: Map<string, string>,
  calls: ToolCall[],
): Promise<{ id: string; text: string; failed: boolean }[]> {
  const step = log.steps
  const left = Math.max(LAST_CALL_SECONDS / 2, spec.budget.seconds - log.seconds)
  let slowest = 0
  const records = await Promise.all(
    calls.map(async (call, index): Promise<CallRecord> => {
      const args = canonicalJson(call.arguments)
      const where = `${step}.${index + 1}`
      const common = { step, name: call.name.slice(0, 100), arguments: args.slice(0, 4000) }
      const refused = whyRefused(call, args, index, offered, seen)
      if (refused !== undefined) return { ...common, text: refused, failed: true, empty: false, refused: true }
      seen.set(`${call.name} ${args}`, where)
      const { result, seconds } = await spec.record(`tool ${where} ${call.name}`, async () => {
        const begun = spec.clock().getTime()
        const result = await callTool(spec, call, left)
        return { result, seconds: since(begun, spec.clock()) }
      })
      slowest = Math.max(slowest, seconds)
      return { ...common, ...result, refused: false }
    }),
  )
  log.seconds += slowest
  log.calls.push(...records)
  for (const { name, refused } of records) if (!refused) log.tools[name] = (log.tools[name] ?? 0) + 1
  return records.map(({ text, failed, refused, name }, index) => ({
    id: calls[index]?.id ?? '',
    text: refused || spec.present === undefined ? text : spec.present(name, text),
    failed,
  }))
}

function whyRefused(
  { name, arguments: given }: ToolCall,
  args: string,
  index: number,
  offered: ToolOffer[],
  seen: Map<string, string>,
): string | undefined {
  const names = offered.map((offer) => offer.name)
  if (!names.includes(name)) return `There is no such tool. The tools are: ${names.join(', ')}.`
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return 'The arguments are not a JSON object. Call again with an object that fits the schema.'
  const earlier = seen.get(`${name} ${args}`)
  if (earlier !== undefined)
    return `Refused: the same call was made in step ${earlier}. Its result stands above; use it.`
  if (index >= CALLS_AT_ONCE) return `Refused: at most ${CALLS_AT_ONCE} calls at the same time.`
  return undefined
}

async function callTool<T>(
  { tools }: AgentSpec<T>,
  call: ToolCall,
  seconds: number,
): Promise<Pick<CallRecord, 'text' | 'failed' | 'empty'>> {
  try {
    if (tools === undefined || call.arguments === undefined)
      return { text: 'No such tool.', failed: true, empty: false }
    const signal = AbortSignal.timeout(seconds * 1000)
    const { text, failed, empty } = await tools.call(call.name, call.arguments, { signal })
    return { text: text.slice(0, LONGEST_RESULT), failed, empty }
  } catch (error) {
    return { text: `The tool failed: ${asFault(error).message}`, failed: true, empty: false }
  }
}

function readAnswer<T>(spec: AgentSpec<T>, text: string): Parsed<T> {
  const objects = objectsIn(text)
  if (objects.length === 0) return { ok: false, problems: ['it holds no JSON object'] }
  // What came last is what the model ended with.
  const read = objects.map(spec.parse)
  return read.findLast((each) => each.ok) ?? read.at(-1) ?? { ok: false, problems: ['it holds no JSON object'] }
}

function repairWords(problems: string[], cut: boolean): string {
  const list = problems.slice(0, 10).map((problem) => `- ${problem}`)
  const short = cut ? ' It was also cut off because it was too long: write less.' : ''
  return `Your answer cannot be used:\n${list.join('\n')}\nAnswer again with the corrected JSON object only.${short}`
}

function shrink(turn: Turn): Turn {
  if (turn.role !== 'tools') return turn
  const results = turn.results.map((each) =>
    each.text.length <= SHRUNK_RESULT
      ? each
      : { ...each, text: `${each.text.slice(0, SHRUNK_RESULT)}… (shortened: the conversation had become too long)` },
  )
  return { role: 'tools', results }
}

function since(begun: number, now: Date): number {
  return Math.max(0, (now.getTime() - begun) / 1000)
}
