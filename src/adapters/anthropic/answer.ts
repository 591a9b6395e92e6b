import type Anthropic from '@anthropic-ai/sdk'
import { z } from 'zod'
import { BrokeOff, Strange } from '../../lib/model-call.ts'
import type { ToolCall, Usage } from '../../ports/model.ts'
import type { Json } from '../../ports/store.ts'
import { isObject } from './messages.ts'

const count = z
  .number()
  .nullish()
  .transform((tokens) => Math.max(0, tokens ?? 0))
const usageSchema = z.object({
  input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
  output_tokens: count,
})
const messageSchema = z.object({
  model: z.string(),
  content: z.array(z.looseObject({ type: z.string() })),
  stop_reason: z.string().nullable(),
  usage: usageSchema,
})
const text = z.object({ type: z.literal('text'), text: z.string() })
const call = z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.json().optional() })

export interface Piece {
  text: string
  calls: ToolCall[]
  /** As the API names it. */
  stop: string | null
  model: string
  usage: Usage
  /** As it came, to be sent back. */
  content: { type: string }[]
}

/** Throws `Strange` for what is no message. */
export function readMessage(raw: unknown): Piece {
  const parsed = messageSchema.safeParse(raw)
  if (!parsed.success) throw new Strange('no message')
  const { model, content, stop_reason: stop, usage } = parsed.data
  const calls = content.flatMap((block): ToolCall[] => {
    const found = call.safeParse(block)
    if (!found.success) return []
    const { id, name, input } = found.data
    return [{ id, name, arguments: isObject(input) ? input : undefined }]
  })
  const said = content.flatMap((block) => {
    const found = text.safeParse(block)
    return found.success ? [found.data.text] : []
  })
  return { text: said.join(''), calls, stop, model, usage: usageOf(usage), content }
}

/** Puts a stream together; `spent` counts what was paid for also when it breaks off, which throws `BrokeOff`. */
export async function readStream(
  stream: AsyncIterable<Anthropic.RawMessageStreamEvent>,
  spent: (usage: Usage) => void,
): Promise<Piece> {
  const blocks = new Map<number, { type: string; [key: string]: unknown }>()
  const json = new Map<number, string>()
  let message: Record<string, unknown> | undefined
  let usage: Record<string, unknown> = {}
  let stop: string | null = null
  let complete = false
  try {
    for await (const event of stream) {
      if (event.type === 'message_start') {
        message = { ...event.message }
        usage = { ...event.message.usage }
      } else if (event.type === 'content_block_start') blocks.set(event.index, { ...event.content_block })
      else if (event.type === 'content_block_delta') {
        const block = blocks.get(event.index)
        if (block !== undefined) extend(block, event.delta, event.index, json)
      } else if (event.type === 'message_delta') {
        stop = event.delta.stop_reason
        // Its counters are totals; those that it leaves out stay as they were.
        for (const [key, value] of Object.entries(event.usage ?? {})) if (value !== null) usage[key] = value
      } else if (event.type === 'message_stop') complete = true
    }
  } catch (error) {
    spent(countOf(usage))
    throw error
  }
  if (message === undefined) throw new Strange('no stream of a message')
  if (!complete) {
    spent(countOf(usage))
    throw new BrokeOff('the stream ended early')
  }
  for (const [index, written] of json) {
    const block = blocks.get(index)
    // Something that is no object stands for what cannot be read.
    if (block !== undefined) block.input = written === '' ? {} : (jsonOf(written) ?? null)
  }
  const content = [...blocks].sort(([a], [b]) => a - b).map(([, block]) => block)
  return readMessage({ ...message, content, stop_reason: stop, usage })
}

function extend(
  block: { type: string; [key: string]: unknown },
  delta: Anthropic.RawContentBlockDelta,
  index: number,
  json: Map<number, string>,
): void {
  const grow = (key: string, more: string): void => {
    block[key] = `${block[key] ?? ''}${more}`
  }
  if (delta.type === 'text_delta') grow('text', delta.text)
  else if (delta.type === 'input_json_delta') json.set(index, (json.get(index) ?? '') + delta.partial_json)
  else if (delta.type === 'thinking_delta') grow('thinking', delta.thinking)
  else if (delta.type === 'signature_delta') block.signature = delta.signature
}

/** As far as it can be read. */
function countOf(usage: unknown): Usage {
  const { data } = usageSchema.safeParse(usage)
  return data === undefined ? { input: 0, cacheRead: 0, cacheWrite: 0, output: 0 } : usageOf(data)
}

function usageOf(usage: z.output<typeof usageSchema>): Usage {
  return {
    input: usage.input_tokens,
    cacheRead: usage.cache_read_input_tokens,
    cacheWrite: usage.cache_creation_input_tokens,
    output: usage.output_tokens,
  }
}

function jsonOf(written: string): Json | undefined {
  try {
    return JSON.parse(written)
  } catch {
    return undefined
  }
}
