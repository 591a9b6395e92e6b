import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import type { Turn } from '../../src/ports/model.ts'
import type { Json } from '../../src/ports/store.ts'
import { type Asked, type Limits, type Recorded, type Refusal, type Said, tokensOf } from './model-script.ts'

const content = z.union([z.string(), z.array(z.object({ type: z.literal('text'), text: z.string() })).min(1)])
const message = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer']), content }),
  z.object({ role: z.literal('user'), content }),
  z.object({
    role: z.literal('assistant'),
    content: content.nullish(),
    tool_calls: z
      .array(
        z.object({
          id: z.string().min(1),
          type: z.literal('function'),
          function: z.object({ name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/), arguments: z.string() }),
        }),
      )
      .min(1)
      .optional(),
  }),
  z.object({ role: z.literal('tool'), tool_call_id: z.string().min(1), content }),
])
type Message = z.infer<typeof message>
const body = z.object({
  model: z.string().min(1),
  messages: z.array(message).min(1),
  tools: z
    .array(
      z.object({
        type: z.literal('function'),
        function: z.object({
          name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
          description: z.string().optional(),
          parameters: z.looseObject({ type: z.literal('object') }).optional(),
        }),
      }),
    )
    .min(1, 'array too short')
    .max(128)
    .optional(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
    ])
    .optional(),
  max_tokens: z.int().min(1).optional(),
  max_completion_tokens: z.int().min(1).optional(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).optional(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
})
type Body = z.infer<typeof body>

/** How the adapter marks a failed call: this wire has no place for it. */
const failedMark = 'The call failed: '

export function openAiError(
  status: number,
  message: string,
  code: string | null,
  param: string | null = null,
): Refusal {
  const type = status === 401 || status === 400 || status === 404 ? 'invalid_request_error' : 'server_error'
  return { status, body: { error: { message, type, param, code } } }
}

/** The checks of chat completions, and the request in words of the port. */
export function readOpenAi(
  raw: Json,
  headers: IncomingHttpHeaders,
  limits: Limits,
): { asked: Omit<Asked, 'n'>; body: Body } | Refusal {
  if (headers.authorization !== `Bearer ${limits.key}`)
    return openAiError(401, `Incorrect API key provided: ${headers.authorization?.slice(7)}.`, 'invalid_api_key')
  const parsed = body.safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return openAiError(400, `Invalid value at '${issue?.path.join('.')}': ${issue?.message}`, null)
  }
  const request = parsed.data
  if (limits.models !== undefined && !limits.models.includes(request.model))
    return openAiError(
      404,
      `The model \`${request.model}\` does not exist or you do not have access to it.`,
      'model_not_found',
    )
  const refused = outOfOrder(request.messages) ?? checkRest(request, limits)
  if (refused !== undefined) return refused
  const tokens = tokensOf(JSON.stringify(raw))
  if (tokens > limits.window)
    return openAiError(
      400,
      `This model's maximum context length is ${limits.window} tokens. However, your messages resulted in ${tokens} tokens.`,
      'context_length_exceeded',
      'messages',
    )
  return {
    body: request,
    asked: {
      wire: 'openai',
      model: request.model,
      system: request.messages
        .flatMap((each) => (each.role === 'system' || each.role === 'developer' ? [textOf(each.content)] : []))
        .join('\n'),
      turns: turnsOf(request.messages),
      tools: (request.tools ?? []).map(({ function: each }) => ({
        name: each.name,
        description: each.description ?? '',
        inputSchema: (each.parameters ?? { type: 'object' }) as Json,
      })),
      maxTokens: request.max_completion_tokens ?? request.max_tokens ?? 0,
      stream: request.stream === true,
    },
  }
}

function outOfOrder(messages: Message[]): Refusal | undefined {
  let open: string[] = []
  for (const [index, each] of messages.entries()) {
    const at = `messages.[${index}].role`
    if (each.role === 'tool') {
      if (!open.includes(each.tool_call_id))
        return openAiError(
          400,
          `Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.`,
          null,
          at,
        )
      open = open.filter((id) => id !== each.tool_call_id)
      continue
    }
    if (open.length > 0)
      return openAiError(
        400,
        `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${open.join(', ')}`,
        null,
        at,
      )
    if (each.role !== 'assistant') continue
    const nothing = each.content === null || each.content === undefined || each.content === ''
    if (nothing && each.tool_calls === undefined)
      return openAiError(400, `Invalid value for 'content': expected a string, got null.`, null, at)
    open = (each.tool_calls ?? []).map(({ id }) => id)
    if (new Set(open).size !== open.length) return openAiError(400, 'Duplicate tool_call_id.', null, at)
  }
  if (open.length > 0) return openAiError(400, 'tool_call_ids did not have response messages', null, 'messages')
  if (!messages.some(({ role }) => role === 'user')) return openAiError(400, 'no user message', null, 'messages')
  return undefined
}

function checkRest(request: Body, { outputLimit, demandsStream, demandsNoReasoning }: Limits): Refusal | undefined {
  const other = outputLimit === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens'
  if (outputLimit !== 'both' && request[other] !== undefined)
    return openAiError(
      400,
      `Unsupported parameter: '${other}' is not supported with this model. Use '${outputLimit}' instead.`,
      'unsupported_parameter',
      other,
    )
  if (request.tools === undefined && request.tool_choice !== undefined)
    return openAiError(400, `'tool_choice' is only allowed when 'tools' are specified.`, null, 'tool_choice')
  if (demandsNoReasoning && request.tools !== undefined && request.reasoning_effort !== 'none')
    return openAiError(
      400,
      `Function tools with reasoning_effort are not supported for ${request.model} in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.`,
      null,
      'reasoning_effort',
    )
  if (request.stream !== true && request.stream_options !== undefined && request.stream_options !== null)
    return openAiError(400, `'stream_options' is only allowed when 'stream' is enabled.`, null, 'stream_options')
  if (demandsStream && request.stream !== true)
    return openAiError(
      400,
      'This model only support stream mode, please enable the stream parameter to access the model.',
      'invalid_parameter_error',
    )
  return undefined
}

const textOf = (text: z.infer<typeof content> | null | undefined): string =>
  typeof text === 'string' ? text : (text ?? []).map((part) => part.text).join('')

function turnsOf(messages: Message[]): Turn[] {
  const turns: Turn[] = []
  for (const each of messages) {
    const text = textOf(each.content)
    const last = turns.at(-1)
    if (each.role === 'user') turns.push({ role: 'user', text })
    if (each.role === 'assistant')
      turns.push({
        role: 'assistant',
        text,
        calls: (each.tool_calls ?? []).map(({ id, function: { name, arguments: json } }) => ({
          id,
          name,
          arguments: jsonOf(json),
        })),
      })
    if (each.role !== 'tool') continue
    const failed = text.startsWith(failedMark)
    const result = { id: each.tool_call_id, text: failed ? text.slice(failedMark.length) : text, failed }
    if (last?.role === 'tools') last.results.push(result)
    else turns.push({ role: 'tools', results: [result] })
  }
  return turns
}

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Prefixes of earlier prompts are cached by themselves, in steps of 128 tokens. */
export function openAiCache(from: number): (request: Body) => { input: number; cacheRead: number; cacheWrite: number } {
  const known: string[] = []
  return ({ model, tools = [], messages }) => {
    const prompt = [model, ...tools, ...messages].map((each) => JSON.stringify(each)).join('\n')
    const shared = known.map((earlier) => {
      let end = 0
      while (end < prompt.length && prompt[end] === earlier[end]) end++
      return end
    })
    known.push(prompt)
    const longest = Math.floor(Math.max(0, ...shared) / 4)
    const cacheRead = longest < from ? 0 : longest - (longest % 128)
    return { input: tokensOf(prompt) - cacheRead, cacheRead, cacheWrite: 0 }
  }
}

const finishes = {
  end: 'stop',
  tools: 'tool_calls',
  length: 'length',
  refusal: 'content_filter',
  pause: 'stop',
} as const

const callsOf = (said: Said, asked: Asked) =>
  (said.calls ?? []).map((call, index) => ({
    id: call.id ?? `call_${asked.n}_${index}`,
    type: 'function',
    function: { name: call.name, arguments: call.malformed ?? JSON.stringify(call.arguments ?? {}) },
  }))

const finishOf = (said: Said) => finishes[said.stop ?? ((said.calls ?? []).length > 0 ? 'tools' : 'end')]

const usageOf = (usage: NonNullable<Recorded['usage']>): Json => ({
  prompt_tokens: usage.input + usage.cacheRead,
  completion_tokens: usage.output,
  total_tokens: usage.input + usage.cacheRead + usage.output,
  prompt_tokens_details: { cached_tokens: usage.cacheRead },
})

/** The answer as one JSON document. */
export function openAiAnswer(said: Said, asked: Asked, usage: NonNullable<Recorded['usage']>): Json {
  const calls = callsOf(said, asked)
  return {
    id: `chatcmpl-${asked.n}`,
    object: 'chat.completion',
    created: 1_700_000_000,
    model: asked.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: said.text ?? null, ...(calls.length > 0 ? { tool_calls: calls } : {}) },
        logprobs: null,
        finish_reason: finishOf(said),
      },
    ],
    ...(said.usage === false ? {} : { usage: usageOf(usage) }),
  }
}

/** The same answer as server-sent events, one string each. */
export function openAiEvents(said: Said, asked: Asked, usage: NonNullable<Recorded['usage']>, body: Body): string[] {
  const head = {
    id: `chatcmpl-${asked.n}`,
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: asked.model,
  }
  const event = (data: object): string => `data: ${JSON.stringify({ ...head, ...data })}\n\n`
  const chunk = (delta: object, finish: string | null = null): string =>
    event({ choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })
  const half = (text: string): number => text.length >> 1
  const text = said.text ?? ''
  const wantsUsage = body.stream_options?.include_usage === true && said.usage !== false
  return [
    chunk({ role: 'assistant', content: said.text === undefined ? null : '' }),
    ...[text.slice(0, half(text)), text.slice(half(text))]
      .filter((part) => part !== '')
      .map((part) => chunk({ content: part })),
    ...callsOf(said, asked).flatMap(({ id, type, function: { name, arguments: json } }, index) => [
      chunk({ tool_calls: [{ index, id, type, function: { name, arguments: '' } }] }),
      chunk({ tool_calls: [{ index, function: { arguments: json.slice(0, half(json)) } }] }),
      chunk({ tool_calls: [{ index, function: { arguments: json.slice(half(json)) } }] }),
    ]),
    chunk({}, finishOf(said)),
    ...(wantsUsage ? [event({ choices: [], usage: usageOf(usage) })] : []),
    'data: [DONE]\n\n',
  ]
}
