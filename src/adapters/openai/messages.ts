import type OpenAI from 'openai'
import type { ModelRequest, Turn } from '../../ports/model.ts'

type Message = OpenAI.Chat.ChatCompletionMessageParam

/** What the server takes, as far as it has told. */
export interface Form {
  /** OpenAI's newer models want `max_completion_tokens`; compatible servers know only `max_tokens`. */
  limit: 'max_tokens' | 'max_completion_tokens'
  stream: boolean
  /** Whether usage may be asked for in a stream. */
  usage: boolean
  /** Whether the model may reason while it is offered tools: with OpenAI's from gpt-5.6 on, here it may not. */
  reasoning: boolean
}

// This wire has no flag for it.
const failedMark = 'The call failed: '
const nothing = '(nothing)'

/** The body of a chat completion, without what is only about streaming. */
export function bodyOf(
  model: string,
  { system, turns, tools, maxTokens }: ModelRequest,
  form: Form,
): OpenAI.Chat.ChatCompletionCreateParamsNonStreaming {
  return {
    model,
    messages: [
      ...(system.trim() === '' ? [] : [{ role: 'system' as const, content: system }]),
      ...turns.flatMap(messagesOf),
    ],
    ...(form.limit === 'max_tokens' ? { max_tokens: maxTokens } : { max_completion_tokens: maxTokens }),
    // An empty list is refused.
    ...(tools.length > 0 ? { tools: tools.map(toolOf) } : {}),
    ...(tools.length > 0 && !form.reasoning ? { reasoning_effort: 'none' as const } : {}),
  }
}

function messagesOf(turn: Turn): Message[] {
  if (turn.role === 'user') return [{ role: 'user', content: filled(turn.text) }]
  if (turn.role === 'tools')
    return turn.results.map(({ id, text, failed }) => ({
      role: 'tool',
      tool_call_id: id,
      content: failed ? failedMark + text : filled(text),
    }))
  if (turn.calls.length === 0) return [{ role: 'assistant', content: filled(turn.text) }]
  return [
    {
      role: 'assistant',
      content: turn.text === '' ? null : turn.text,
      tool_calls: turn.calls.map((call) => ({
        id: call.id,
        type: 'function',
        // Servers read it with a parser of JSON when they put the prompt together.
        function: { name: call.name, arguments: JSON.stringify(call.arguments ?? {}) },
      })),
    },
  ]
}

function toolOf({ name, description, inputSchema }: ModelRequest['tools'][number]): OpenAI.Chat.ChatCompletionTool {
  const schema = typeof inputSchema === 'object' && !Array.isArray(inputSchema) ? inputSchema : {}
  return { type: 'function', function: { name, description, parameters: { ...schema, type: 'object' } } }
}

const filled = (text: string): string => (text.trim() === '' ? nothing : text)
