import { z } from 'zod'
import { BrokeOff, Strange } from '../../lib/model-call.ts'
import type { ToolCall, Usage } from '../../ports/model.ts'
import type { Json } from '../../ports/store.ts'

const count = z
  .number()
  .nullish()
  .transform((tokens) => Math.max(0, tokens ?? 0))
const words = z
  .string()
  .nullish()
  .transform((said) => said ?? '')
// Where a number is missing, nothing was counted.
const details = z
  .object({ cached_tokens: count, cache_write_tokens: count })
  .nullish()
  .transform((known) => known ?? { cached_tokens: 0, cache_write_tokens: 0 })
const usageSchema = z
  .object({ prompt_tokens: count, completion_tokens: count, prompt_tokens_details: details })
  .nullish()
const piece = z.object({ id: words, function: z.object({ name: words, arguments: words }).partial().nullish() })
const completionSchema = z.object({
  model: words,
  choices: z
    .array(
      z.object({
        message: z.object({ content: words, refusal: words, tool_calls: z.array(piece).nullish() }),
        finish_reason: words,
      }),
    )
    .min(1),
  usage: usageSchema,
})
const chunkSchema = z.object({
  model: words,
  choices: z
    .array(
      z.object({
        delta: z
          .object({
            content: words,
            refusal: words,
            tool_calls: z.array(piece.extend({ index: z.number().nullish() })).nullish(),
          })
          .partial()
          .nullish(),
        finish_reason: words,
      }),
    )
    .nullish(),
  usage: usageSchema,
})

interface WrittenCall {
  id: string
  name: string
  json: string
}

export interface Completion {
  text: string
  calls: ToolCall[]
  stop: 'end' | 'tools' | 'length' | 'refusal'
  model: string
  /** Undefined when the server did not count. */
  usage: Usage | undefined
}

/**
 * `salt` makes ids of calls that came without one, unique within the conversation. Throws `Strange` for what is no chat completion.
 */
export function readCompletion(raw: unknown, salt: number): Completion {
  const parsed = completionSchema.safeParse(raw)
  const choice = parsed.data?.choices[0]
  if (parsed.data === undefined || choice === undefined) throw new Strange('no chat completion')
  const { content, refusal, tool_calls: calls } = choice.message
  const written = (calls ?? []).map((call) => ({
    id: call.id,
    name: call.function?.name ?? '',
    json: call.function?.arguments ?? '',
  }))
  return together({ content, refusal, written, finish: choice.finish_reason }, parsed.data, salt)
}

/** Puts a stream together. Throws `BrokeOff` when it ends before the model has finished. */
export async function readChunks(stream: AsyncIterable<unknown>, salt: number): Promise<Completion> {
  const said = { content: '', refusal: '', written: [] as WrittenCall[], finish: '' }
  let model = ''
  let usage: z.output<typeof usageSchema>
  let any = false
  for await (const raw of stream) {
    const parsed = chunkSchema.safeParse(raw)
    if (!parsed.success) throw new Strange('no chunk of a chat completion')
    any = true
    model ||= parsed.data.model
    usage = parsed.data.usage ?? usage
    const choice = parsed.data.choices?.[0]
    said.content += choice?.delta?.content ?? ''
    said.refusal += choice?.delta?.refusal ?? ''
    for (const part of choice?.delta?.tool_calls ?? []) extend(said.written, part)
    if (choice?.finish_reason) said.finish = choice.finish_reason
  }
  if (!any) throw new Strange('no stream of a chat completion')
  if (said.finish === '') throw new BrokeOff('the stream ended early')
  return together(said, { model, usage }, salt)
}

/** A call comes in pieces: the first has its id and name, the others are told by their index, or come right behind. */
function extend(written: WrittenCall[], part: z.output<typeof piece> & { index?: number | null }): void {
  const last = written.length - 1
  const begins = last < 0 || (part.id !== '' && part.id !== written[last]?.id)
  const at = part.index ?? (begins ? last + 1 : last)
  const call = written[at] ?? { id: '', name: '', json: '' }
  written[at] = {
    id: call.id || part.id,
    name: call.name || (part.function?.name ?? ''),
    json: call.json + (part.function?.arguments ?? ''),
  }
}

function together(
  said: { content: string; refusal: string; written: WrittenCall[]; finish: string },
  { model, usage }: { model: string; usage?: z.output<typeof usageSchema> },
  salt: number,
): Completion {
  const calls = said.written
    .filter((call) => call !== undefined && call.name !== '')
    .map(({ id, name, json }, index) => ({ id: id || `call_${salt}_${index}`, name, arguments: objectOf(json) }))
  const cached = usage?.prompt_tokens_details
  return {
    // Some servers leave what the model thinks in front of its answer.
    text: (said.content || said.refusal).replace(/^\s*<think>[\s\S]*?<\/think>\s*/, ''),
    calls,
    stop: stopOf(said, calls),
    model,
    usage:
      usage === null || usage === undefined || cached === undefined
        ? undefined
        : {
            input: Math.max(0, usage.prompt_tokens - cached.cached_tokens - cached.cache_write_tokens),
            cacheRead: cached.cached_tokens,
            cacheWrite: cached.cache_write_tokens,
            output: usage.completion_tokens,
          },
  }
}

/** Not every server says `tool_calls` when there are some. */
function stopOf({ finish, refusal }: { finish: string; refusal: string }, calls: ToolCall[]): Completion['stop'] {
  if (finish === 'length') return 'length'
  if (finish === 'content_filter' || refusal !== '') return 'refusal'
  return calls.length > 0 ? 'tools' : 'end'
}

/** Arguments are an object, written as text; none at all are the empty one. */
function objectOf(json: string): Json | undefined {
  if (json.trim() === '') return {}
  try {
    const value: Json = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
