import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import type { Turn } from '../../src/ports/model.ts'
import type { Json } from '../../src/ports/store.ts'
import { type Asked, type Limits, type Recorded, type Refusal, type Said, tokensOf } from './model-script.ts'

const cacheControl = z.object({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).optional() }).nullish()
const textBlock = z.object({ type: z.literal('text'), text: z.string(), cache_control: cacheControl })
const block = z.discriminatedUnion('type', [
  textBlock,
  z.object({
    type: z.literal('tool_use'),
    id: z.string().regex(/^[A-Za-z0-9_-]+$/),
    name: z.string(),
    input: z.record(z.string(), z.unknown()),
    cache_control: cacheControl,
  }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: z.union([z.string(), z.array(textBlock)]).optional(),
    is_error: z.boolean().optional(),
    cache_control: cacheControl,
  }),
  z.object({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
])
type Block = z.infer<typeof block>
const body = z.object({
  model: z.string().min(1),
  max_tokens: z.int().min(1),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant']), content: z.union([z.string(), z.array(block)]) }))
    .min(1, 'at least one message is required'),
  system: z.union([z.string(), z.array(textBlock)]).optional(),
  tools: z
    .array(
      z.object({
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
        description: z.string().optional(),
        input_schema: z.looseObject({ type: z.literal('object') }),
        cache_control: cacheControl,
      }),
    )
    .optional(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.object({ type: z.literal('auto'), disable_parallel_tool_use: z.boolean().optional() }),
      z.object({ type: z.literal('any'), disable_parallel_tool_use: z.boolean().optional() }),
      z.object({ type: z.literal('none') }),
      z.object({ type: z.literal('tool'), name: z.string() }),
    ])
    .optional(),
  stream: z.boolean().optional(),
  thinking: z.looseObject({ type: z.string() }).optional(),
})
type Body = z.infer<typeof body>

const mostBreakpoints = 4
const lookBack = 20

export function anthropicError(status: number, type: string, message: string): Refusal {
  return { status, body: { type: 'error', error: { type, message }, request_id: 'req_scripted' } }
}

const wrong = (message: string): Refusal => anthropicError(400, 'invalid_request_error', message)

/** The checks of the Messages API, and the request in words of the port. */
export function readAnthropic(
  raw: Json,
  headers: IncomingHttpHeaders,
  limits: Limits,
  paused: ReadonlySet<string>,
): { asked: Omit<Asked, 'n'>; body: Body } | Refusal {
  const given = headers['x-api-key'] ?? headers.authorization?.replace(/^Bearer /, '')
  if (given !== limits.key) return anthropicError(401, 'authentication_error', 'invalid x-api-key')
  const version = headers['anthropic-version']
  if (version === undefined) return wrong('anthropic-version: header is required')
  if (version !== '2023-06-01' && version !== limits.version)
    return wrong(`anthropic-version: "${version}" is not a valid version`)
  // Removed by the second version.
  const gone = ['temperature', 'top_p', 'top_k'].find((name) => isObject(raw) && raw[name] !== undefined)
  if (gone !== undefined) return wrong(`${gone}: Extra inputs are not permitted`)
  const parsed = body.safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const missing = issue?.code === 'invalid_type' && issue.message.includes('undefined')
    return wrong(`${issue?.path.join('.')}: ${missing ? 'Field required' : issue?.message}`)
  }
  const request = parsed.data
  if (limits.models !== undefined && !limits.models.includes(request.model))
    return anthropicError(404, 'not_found_error', `model: ${request.model}`)
  const messages = request.messages.map(({ role, content }) => ({
    role,
    content: typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content,
  }))
  const refused =
    outOfOrder(messages, paused) ?? checkRest(request, messages) ?? checkThinking(request, messages, limits)
  if (refused !== undefined) return refused
  const tokens = tokensOf(JSON.stringify(raw))
  if (tokens > limits.window) return wrong(`prompt is too long: ${tokens} tokens > ${limits.window} maximum`)
  return {
    body: request,
    asked: {
      wire: 'anthropic',
      model: request.model,
      system: textOf(request.system ?? ''),
      turns: messages.flatMap(turnsOf),
      tools: (request.tools ?? []).map(({ name, description, input_schema }) => ({
        name,
        description: description ?? '',
        inputSchema: input_schema as Json,
      })),
      maxTokens: request.max_tokens,
      stream: request.stream === true,
    },
  }
}

const isObject = (value: Json): value is { [key: string]: Json | undefined } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

interface Message {
  role: 'user' | 'assistant'
  content: Block[]
}

/** `paused` are texts of turns that were paused: they alone may stand at the end. */
function outOfOrder(messages: Message[], paused: ReadonlySet<string>): Refusal | undefined {
  if (messages[0]?.role !== 'user') return wrong('messages: first message must use the "user" role')
  const end = messages.at(-1)
  const said = (end?.content ?? []).flatMap((each) => (each.type === 'text' ? [each.text] : [])).join('')
  if (end?.role !== 'user' && !paused.has(said))
    return wrong(
      'This model does not support assistant message prefill. The conversation must end with a user message.',
    )
  let open: string[] = []
  for (const [index, { role, content }] of messages.entries()) {
    const at = `messages.${index}`
    if (content.length === 0) return wrong(`${at}: user messages must have non-empty content`)
    if (content.some((each) => each.type === 'text' && each.text === ''))
      return wrong(`${at}: text content blocks must be non-empty`)
    const results = content.flatMap((each) => (each.type === 'tool_result' ? [each.tool_use_id] : []))
    if (role === 'assistant' && results.length > 0)
      return wrong(`${at}: \`tool_result\` blocks can only be in \`user\` messages`)
    const stranger = results.find((id) => !open.includes(id))
    if (stranger !== undefined)
      return wrong(
        `${at}.content.0: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${stranger}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
      )
    const unanswered = open.filter((id) => !results.includes(id))
    if (unanswered.length > 0)
      return wrong(
        `messages.${index - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${unanswered.join(', ')}.`,
      )
    if (new Set(results).size !== results.length) return wrong(`${at}: each tool_use must have a single result`)
    const firstText = content.findIndex((each) => each.type === 'text')
    if (firstText !== -1 && content.slice(firstText).some((each) => each.type === 'tool_result'))
      return wrong(`${at}: \`tool_result\` blocks must come first`)
    const calls = content.flatMap((each) => (each.type === 'tool_use' ? [each.id] : []))
    if (role === 'user' && calls.length > 0)
      return wrong(`${at}: \`tool_use\` blocks can only be in \`assistant\` messages`)
    if (new Set(calls).size !== calls.length) return wrong(`${at}: \`tool_use\` ids must be unique`)
    if (role === 'user' && content.some((each) => each.type === 'thinking'))
      return wrong(`${at}: \`thinking\` blocks can only be in \`assistant\` messages`)
    if (content.some((each) => each.type === 'thinking' && each.signature !== signatureOf(each.thinking)))
      return wrong(`${at}.content.0: Invalid \`signature\` in \`thinking\` block`)
    open = calls
  }
  return undefined
}

function checkRest(request: Body, messages: Message[]): Refusal | undefined {
  const blocks = messages.flatMap(({ content }) => content)
  if ((request.tools ?? []).length === 0) {
    if (request.tool_choice !== undefined) return wrong('tool_choice: may only be specified while providing tools')
    if (blocks.some((each) => each.type === 'tool_use' || each.type === 'tool_result'))
      return wrong('Requests which have `tool_use` or `tool_result` blocks in messages must define tools')
  }
  const names = (request.tools ?? []).map(({ name }) => name)
  if (new Set(names).size !== names.length) return wrong('tools: Tool names must be unique.')
  const marks = pieces(request).filter(({ marked }) => marked).length
  if (marks > mostBreakpoints)
    return wrong(`A maximum of ${mostBreakpoints} blocks with cache_control may be provided. Found ${marks}.`)
  return undefined
}

function checkThinking(request: Body, messages: Message[], { demandsThinking }: Limits): Refusal | undefined {
  if (!demandsThinking || request.thinking?.type === 'disabled') return undefined
  const at = messages.findLastIndex(({ content }) => content.some((each) => each.type === 'tool_use'))
  const [first] = messages[at]?.content ?? []
  if (first === undefined || first.type === 'thinking') return undefined
  return wrong(
    `messages.${at}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${first.type}\`. To avoid this requirement, disable \`thinking\`.`,
  )
}

function turnsOf({ role, content }: Message): Turn[] {
  const text = content.flatMap((each) => (each.type === 'text' ? [each.text] : [])).join('')
  if (role === 'assistant') {
    const calls = content.flatMap((each) =>
      each.type === 'tool_use' ? [{ id: each.id, name: each.name, arguments: each.input as Json }] : [],
    )
    return [{ role, text, calls }]
  }
  const results = content.flatMap((each) =>
    each.type === 'tool_result'
      ? [{ id: each.tool_use_id, text: textOf(each.content ?? ''), failed: each.is_error === true }]
      : [],
  )
  return [
    ...(results.length > 0 ? [{ role: 'tools' as const, results }] : []),
    ...(text === '' ? [] : [{ role: 'user' as const, text }]),
  ]
}

const textOf = (content: string | { text: string }[]): string =>
  typeof content === 'string' ? content : content.map(({ text }) => text).join('')

interface Piece {
  text: string
  marked: boolean
}

/** The prompt in the order in which it is cached: tools, system, messages. */
function pieces({ model, tools = [], system, messages, tool_choice }: Body): Piece[] {
  const cut = (value: object): Piece => {
    const { cache_control: mark, ...rest } = value as { cache_control?: unknown }
    return { text: JSON.stringify(rest), marked: mark !== undefined && mark !== null }
  }
  return [
    { text: model, marked: false },
    ...tools.map(cut),
    ...(typeof system === 'string' ? [{ text: system, marked: false }] : (system ?? []).map(cut)),
    // Another choice of tools begins the messages anew.
    { text: JSON.stringify(tool_choice ?? {}), marked: false },
    ...messages.flatMap(({ role, content }) =>
      typeof content === 'string'
        ? [{ text: role + JSON.stringify([{ type: 'text', text: content }]), marked: false }]
        : content.map((each) => ({ ...cut(each), text: role + cut(each).text })),
    ),
  ]
}

/** The cache of one server: prefixes are written at breakpoints and found again up to 20 blocks before one. */
export function anthropicCache(
  from: number,
): (request: Body) => { input: number; cacheRead: number; cacheWrite: number } {
  const known = new Set<string>()
  return (request) => {
    const hash = createHash('sha256')
    let tokens = 0
    const prefixes = pieces(request).map(({ text, marked }) => {
      hash.update(text).update('\0')
      tokens += tokensOf(text)
      return { id: hash.copy().digest('hex'), tokens, marked }
    })
    const marks = prefixes.flatMap(({ marked, tokens: length }, index) => (marked && length >= from ? [index] : []))
    const found = marks
      .flatMap((mark) => prefixes.slice(Math.max(0, mark - lookBack), mark + 1))
      .filter(({ id }) => known.has(id))
    const read = Math.max(0, ...found.map((prefix) => prefix.tokens))
    const last = prefixes[marks.at(-1) ?? -1]?.tokens ?? 0
    for (const mark of marks) known.add(prefixes[mark]?.id ?? '')
    return { input: tokens - Math.max(last, read), cacheRead: read, cacheWrite: Math.max(0, last - read) }
  }
}

const stops = {
  end: 'end_turn',
  tools: 'tool_use',
  length: 'max_tokens',
  refusal: 'refusal',
  pause: 'pause_turn',
} as const

const signatureOf = (thinking: string): string => createHash('sha256').update(thinking).digest('base64')

/** The answer as one JSON document. */
export function anthropicAnswer(said: Said, asked: Asked, usage: NonNullable<Recorded['usage']>): Json {
  const calls = (said.calls ?? []).map((call, index) => ({
    type: 'tool_use',
    id: call.id || `toolu_${asked.n}_${index}`,
    name: call.name,
    input: call.malformed ?? call.arguments ?? {},
  }))
  return {
    id: `msg_${asked.n}`,
    type: 'message',
    role: 'assistant',
    model: asked.model,
    content: [
      ...(said.thinking === undefined
        ? []
        : [{ type: 'thinking', thinking: said.thinking, signature: signatureOf(said.thinking) }]),
      ...(said.text === undefined || said.text === '' ? [] : [{ type: 'text', text: said.text }]),
      ...calls,
    ],
    stop_reason: stops[said.stop ?? (calls.length > 0 ? 'tools' : 'end')],
    stop_sequence: null,
    usage: {
      input_tokens: usage.input,
      cache_read_input_tokens: usage.cacheRead,
      cache_creation_input_tokens: usage.cacheWrite,
      output_tokens: usage.output,
    },
  }
}

/** The same answer as server-sent events, one string each. */
export function anthropicEvents(said: Said, asked: Asked, usage: NonNullable<Recorded['usage']>): string[] {
  const event = (type: string, data: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
  const whole = anthropicAnswer(said, asked, usage) as {
    content: ({ type: string; text?: string; thinking?: string; signature?: string } & { input?: Json })[]
    stop_reason: string
    usage: { output_tokens: number }
  }
  const texts = (said.calls ?? []).map((call) => call.malformed ?? JSON.stringify(call.arguments ?? {}))
  const first = whole.content.length - texts.length
  return [
    event('message_start', {
      message: { ...whole, content: [], stop_reason: null, usage: { ...whole.usage, output_tokens: 1 } },
    }),
    event('ping', {}),
    ...whole.content.flatMap((each, index) => {
      const [start, deltas] = partsOf(each, texts[index - first] ?? '')
      return [
        event('content_block_start', { index, content_block: start }),
        ...deltas.map((delta) => event('content_block_delta', { index, delta })),
        event('content_block_stop', { index }),
      ]
    }),
    event('message_delta', {
      delta: { stop_reason: whole.stop_reason, stop_sequence: null },
      usage: { output_tokens: whole.usage.output_tokens },
    }),
    event('message_stop', {}),
  ]
}

export const anthropicOverloadEvent = `event: error\ndata: ${JSON.stringify({
  type: 'error',
  error: { type: 'overloaded_error', message: 'Overloaded' },
})}\n\n`

function partsOf(
  each: { type: string; text?: string; thinking?: string; signature?: string },
  json: string,
): [object, object[]] {
  const halves = (text: string): string[] =>
    [text.slice(0, text.length >> 1), text.slice(text.length >> 1)].filter((half) => half !== '')
  if (each.type === 'text')
    return [{ type: 'text', text: '' }, halves(each.text ?? '').map((text) => ({ type: 'text_delta', text }))]
  if (each.type === 'thinking')
    return [
      { type: 'thinking', thinking: '', signature: '' },
      [
        { type: 'thinking_delta', thinking: each.thinking },
        { type: 'signature_delta', signature: each.signature },
      ],
    ]
  return [
    { ...each, input: {} },
    ['', ...halves(json)].map((partial) => ({ type: 'input_json_delta', partial_json: partial })),
  ]
}
