import OpenAI from 'openai'
import { callModel, type ModelOptions } from '../../lib/model-call.ts'
import { ownHeaders } from '../../lib/own-headers.ts'
import type { Model, ModelAnswer, ModelRequest, Usage } from '../../ports/model.ts'
import { type Completion, readChunks, readCompletion } from './answer.ts'
import { bodyOf, type Form } from './messages.ts'

// Rough: about what English and JSON come to; a server that does not count must not make the budget endless.
const charactersPerToken = 4

/**
 * The `Model` port over chat completions, of OpenAI and of whatever speaks like it (Qwen, ModelScope, vLLM, proxies). Prompts are
 * cached by the provider itself. What a server does not know is left away after it has refused it once. Usage that a
 * server does not count is estimated from the length.
 */
export function createOpenAiModel(options: ModelOptions): Model {
  const client = new OpenAI({
    baseURL: options.baseUrl,
    apiKey: options.key(),
    // Whatever the environment says about another account is not meant for this one.
    adminAPIKey: null,
    organization: null,
    project: null,
    maxRetries: 0,
    // Ours comes first: it counts all attempts, and the body as well.
    timeout: options.limitSeconds * 1000 + 60_000,
    // The SDK would print requests when a variable in the environment says so.
    logLevel: 'off',
    // A redirect would take the request along.
    fetchOptions: { redirect: 'manual' },
    defaultHeaders: ownHeaders('OPENAI_CUSTOM_HEADERS', { authorization: `Bearer ${options.key()}` }),
  })
  const own = new URL(options.baseUrl).hostname.endsWith('openai.com')
  let form: Form = {
    limit: own ? 'max_completion_tokens' : 'max_tokens',
    stream: options.stream === true,
    usage: true,
    reasoning: true,
  }

  async function complete(wanted: ModelRequest): Promise<ModelAnswer> {
    const request = { ...wanted, maxTokens: Math.min(wanted.maxTokens, options.maxTokens ?? wanted.maxTokens) }
    const swapped = new Set<keyof Form>()
    // Other calls may change the form while this one is on its way.
    let sent = form
    const ask = async (signal: AbortSignal): Promise<Completion> => {
      sent = form
      const body = bodyOf(options.model, request, sent)
      const salt = request.turns.length
      if (!sent.stream) return readCompletion(await client.chat.completions.create(body, { signal }), salt)
      const more = sent.usage ? { stream_options: { include_usage: true } } : {}
      return readChunks(await client.chat.completions.create({ ...body, ...more, stream: true }, { signal }), salt)
    }
    const adapt = (words: string): boolean => {
      const change = changeOf(sent, words)
      const [key] = Object.keys(change ?? {}) as (keyof Form)[]
      if (key === undefined || swapped.has(key)) return false
      swapped.add(key)
      form = { ...form, ...change }
      return true
    }
    const outcome = await callModel(ask, adapt, options, request.signal)
    if (!outcome.ok) return outcome
    const { text, calls, stop, model, usage } = outcome.value
    const { seconds } = outcome
    return {
      ok: true,
      text,
      calls,
      stop,
      usage: usage ?? estimated(request, outcome.value),
      model: model || options.model,
      seconds,
    }
  }

  return { name: options.model, wire: 'openai', complete }
}

/** What to change after a refusal in these words, if that is what they are about. */
function changeOf(sent: Form, words: string): Partial<Form> | undefined {
  if (sent.stream && /stream_options|include_usage/i.test(words)) return { usage: false }
  if (!sent.stream && /(only|must|require|enable|please)[^.]{0,60}\bstream/i.test(words)) return { stream: true }
  if (sent.reasoning && /function tools with reasoning_effort/i.test(words)) return { reasoning: false }
  const unknown = /unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|extra (inputs|fields)|not permitted/i
  // The name of the one may stand within the advice to use the other.
  const refused = /max_(completion_)?tokens/i.exec(words)?.[0].toLowerCase()
  if (refused !== sent.limit || !unknown.test(words)) return undefined
  return { limit: sent.limit === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens' }
}

function estimated({ system, turns, tools }: ModelRequest, { text, calls }: Completion): Usage {
  const tokens = (value: unknown): number => Math.ceil(JSON.stringify(value).length / charactersPerToken)
  return { input: tokens([system, turns, tools]), cacheRead: 0, cacheWrite: 0, output: tokens([text, calls]) }
}
