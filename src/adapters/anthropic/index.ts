import { createHash } from 'node:crypto'
import Anthropic from '@anthropic-ai/sdk'
import { callModel, type ModelOptions } from '../../lib/model-call.ts'
import { ownHeaders } from '../../lib/own-headers.ts'
import { addUsage, nothingUsed } from '../../lib/usage.ts'
import type { Model, ModelAnswer, ModelRequest, ToolCall, Usage } from '../../ports/model.ts'
import { type Piece, readMessage, readStream } from './answer.ts'
import { bodyOf } from './messages.ts'

// A turn that the provider pauses is gone on with; it pauses for tools of its own only, and we use none.
const mostPauses = 3
const mostRemembered = 200

type Block = Anthropic.ContentBlockParam
/** Thinking of earlier turns: sent back as it came, left out, or not wanted at all. */
type Thinking = 'echo' | 'bare' | 'off'

/**
 * The `Model` port over Anthropic's Messages API, also behind a proxy. Prompts are cached (5 minutes). Models that think do so as they
 * are used to; the blocks of a turn that calls tools are kept in memory and sent back, and where the provider does not accept
 * them, or wants some that are lost since a restart, the request goes out without.
 */
export function createAnthropicModel(options: ModelOptions): Model {
  const own = new URL(options.baseUrl).hostname === 'api.anthropic.com'
  const client = new Anthropic({
    baseURL: options.baseUrl,
    apiKey: options.key(),
    // Whatever the environment says about another account is not meant for this one.
    authToken: null,
    maxRetries: 0,
    // Ours comes first: it counts all attempts, and the body as well.
    timeout: options.limitSeconds * 1000 + 60_000,
    // The SDK would print requests when a variable in the environment says so.
    logLevel: 'off',
    // A redirect would take the key along.
    fetchOptions: { redirect: 'manual' },
    // Since version 1 the SDK sends the key as a bearer token; gateways from before that read this header.
    defaultHeaders: ownHeaders('ANTHROPIC_CUSTOM_HEADERS', {
      authorization: `Bearer ${options.key()}`,
      ...(own ? {} : { 'x-api-key': options.key() }),
    }),
  })
  const remembered = new Map<string, { context: string; content: Block[] }>()
  // A gateway may not know the version that the SDK sends.
  let headers: Record<string, string> = {}

  async function complete(wanted: ModelRequest): Promise<ModelAnswer> {
    const request = { ...wanted, maxTokens: Math.min(wanted.maxTokens, options.maxTokens ?? wanted.maxTokens) }
    const context = digest([request.system, request.tools])
    let thinking: Thinking = 'echo'
    let aged = false
    let spent = nothingUsed
    const spend = (usage: Usage): void => {
      spent = addUsage(spent, usage)
    }

    const recall = (calls: ToolCall[]): Block[] | undefined => {
      const known = remembered.get(idsOf(calls))
      // A block of thinking holds only under the instructions and tools under which it was thought.
      return thinking === 'echo' && known?.context === context ? known.content : undefined
    }
    const send = async (body: Anthropic.MessageCreateParamsNonStreaming, signal: AbortSignal): Promise<Piece> =>
      options.stream === true
        ? readStream(await client.messages.create({ ...body, stream: true }, { signal, headers }), spend)
        : readMessage(await client.messages.create(body, { signal, headers }))

    const ask = async (signal: AbortSignal): Promise<Piece> => {
      const body = bodyOf(options.model, request, recall)
      if (thinking === 'off') body.thinking = { type: 'disabled' }
      let piece = await send(body, signal)
      let text = piece.text
      for (let pauses = 0; piece.stop === 'pause_turn' && pauses < mostPauses; pauses++) {
        spend(piece.usage)
        body.messages = [...body.messages, { role: 'assistant', content: piece.content as Block[] }]
        piece = await send(body, signal)
        text += piece.text
      }
      return { ...piece, text }
    }

    const adapt = (words: string): boolean => {
      if (/anthropic-version/i.test(words) && !aged) {
        aged = true
        headers = { 'anthropic-version': '2023-06-01' }
        return true
      }
      if (!/thinking|signature/i.test(words) || thinking === 'off') return false
      const echoed = request.turns.some((turn) => turn.role === 'assistant' && recall(turn.calls) !== undefined)
      thinking = echoed ? 'bare' : 'off'
      return true
    }

    const outcome = await callModel(ask, adapt, options, request.signal)
    if (!outcome.ok) return outcome
    const { text, calls, stop, model, usage, content } = outcome.value
    if (calls.length > 0 && content.some(({ type }) => type !== 'text' && type !== 'tool_use'))
      remember(calls, { context, content: content.map((block) => mended(block, calls)) })
    const { seconds } = outcome
    return { ok: true, text, calls, stop: stopOf(stop, calls), usage: addUsage(spent, usage), model, seconds }
  }

  function remember(calls: ToolCall[], turn: { context: string; content: Block[] }): void {
    remembered.set(idsOf(calls), turn)
    for (const oldest of remembered.keys()) {
      if (remembered.size <= mostRemembered) break
      remembered.delete(oldest)
    }
  }

  return { name: options.model, wire: 'anthropic', complete }
}

/** What was no object when it came would not be taken back. */
function mended(block: { type: string; id?: unknown }, calls: ToolCall[]): Block {
  const unread = calls.some(({ id, arguments: input }) => id === block.id && input === undefined)
  return (unread ? { ...block, input: {} } : block) as Block
}

function stopOf(stop: string | null, calls: ToolCall[]): 'end' | 'tools' | 'length' | 'refusal' {
  if (stop === 'max_tokens' || stop === 'model_context_window_exceeded') return 'length'
  if (stop === 'refusal') return 'refusal'
  return calls.length > 0 ? 'tools' : 'end'
}

const idsOf = (calls: ToolCall[]): string => calls.map(({ id }) => id).join(' ')

const digest = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')
