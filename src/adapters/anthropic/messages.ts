import type Anthropic from '@anthropic-ai/sdk'
import type { ModelRequest, ToolCall, Turn } from '../../ports/model.ts'
import type { Json } from '../../ports/store.ts'

type Block = Anthropic.ContentBlockParam
type Message = { role: 'user' | 'assistant'; content: Block[] }

const ephemeral = { type: 'ephemeral' } as const
// The API takes no empty text.
const nothing = '(nothing)'

/** What is known of an assistant turn besides its text and calls, such as its thinking: to be sent back as it came. */
export type Recall = (calls: ToolCall[]) => Block[] | undefined

/**
 * The body of a Messages request. Three breakpoints of the prompt cache: behind tools and system, and behind the last two messages
 * of the user, so that each request finds the prefix that the one before it has written, however many results lie between.
 */
export function bodyOf(
  model: string,
  { system, turns, tools, maxTokens }: ModelRequest,
  recall: Recall,
): Anthropic.MessageCreateParamsNonStreaming {
  const messages = messagesOf(turns, recall)
  const marked = messages.flatMap(({ role }, index) => (role === 'user' ? [index] : [])).slice(-2)
  for (const index of marked) mark(messages[index]?.content)
  const offered = tools.length > 0 ? tools.map(toolOf) : mentioned(turns)
  return {
    model,
    max_tokens: maxTokens,
    ...(blank(system) ? {} : { system: [{ type: 'text', text: system, cache_control: ephemeral }] }),
    messages,
    ...(offered.length > 0 ? { tools: offered } : {}),
    ...(tools.length === 0 && offered.length > 0 ? { tool_choice: { type: 'none' } } : {}),
  }
}

function messagesOf(turns: Turn[], recall: Recall): Message[] {
  const messages: Message[] = []
  for (const turn of turns) {
    const role = turn.role === 'assistant' ? 'assistant' : 'user'
    const content = contentOf(turn, recall)
    const last = messages.at(-1)
    // Results of tools and what the user says next are one message.
    if (last?.role === role) last.content.push(...content)
    else messages.push({ role, content })
  }
  return messages
}

function contentOf(turn: Turn, recall: Recall): Block[] {
  if (turn.role === 'user') return [{ type: 'text', text: filled(turn.text) }]
  if (turn.role === 'tools')
    return turn.results.map(({ id, text, failed }) => ({
      type: 'tool_result',
      tool_use_id: id,
      content: filled(text),
      ...(failed ? { is_error: true } : {}),
    }))
  const known = turn.calls.length > 0 ? recall(turn.calls) : undefined
  if (known !== undefined) return [...known]
  return [
    ...(blank(turn.text) && turn.calls.length > 0 ? [] : [{ type: 'text' as const, text: filled(turn.text) }]),
    ...turn.calls.map((call) => ({
      type: 'tool_use' as const,
      id: call.id,
      name: call.name,
      input: isObject(call.arguments) ? call.arguments : {},
    })),
  ]
}

function mark(content: Block[] | undefined): void {
  const last = content?.at(-1)
  if (last?.type === 'text' || last?.type === 'tool_result') last.cache_control = ephemeral
}

function toolOf({ name, description, inputSchema }: ModelRequest['tools'][number]): Anthropic.Tool {
  return {
    name,
    description,
    input_schema: { ...(isObject(inputSchema) ? inputSchema : {}), type: 'object' },
  }
}

/** A conversation that has called tools must name some, also when none may be called any more. */
function mentioned(turns: Turn[]): Anthropic.Tool[] {
  const names = turns.flatMap((turn) => (turn.role === 'assistant' ? turn.calls.map(({ name }) => name) : []))
  return [...new Set(names)].map((name) => ({ name, input_schema: { type: 'object' } }))
}

const blank = (text: string): boolean => text.trim() === ''
const filled = (text: string): string => (blank(text) ? nothing : text)

export function isObject(value: Json | undefined): value is { [key: string]: Json | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
