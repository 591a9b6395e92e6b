import type { Json } from './store.ts'

/** A tool as the model is told of it. `inputSchema` is a JSON Schema of type object. */
export interface ToolOffer {
  name: string
  description: string
  inputSchema: Json
}

/** A call that the model wants; `arguments` is whatever it wrote, undefined when that was not JSON. */
export interface ToolCall {
  /** The provider's own id of the call; the result is sent back under it. */
  id: string
  name: string
  arguments: Json | undefined
}

export type Turn =
  | { role: 'user'; text: string }
  | { role: 'assistant'; text: string; calls: ToolCall[] }
  | { role: 'tools'; results: { id: string; text: string; failed: boolean }[] }

export interface ModelRequest {
  /** Stable over all calls of one conversation, so that the provider can cache it. */
  system: string
  turns: Turn[]
  /** Empty: the model has to answer in words. */
  tools: ToolOffer[]
  /** Most tokens of the answer. */
  maxTokens: number
  signal?: AbortSignal
}

/** Tokens, as the provider counts them. `input` holds neither what was read from its cache nor what was written to it. */
export interface Usage {
  input: number
  cacheRead: number
  cacheWrite: number
  output: number
}

export type ModelAnswer =
  | {
      ok: true
      text: string
      calls: ToolCall[]
      stop: 'end' | 'tools' | 'length' | 'refusal'
      usage: Usage
      /** As the provider names the model that answered. */
      model: string
      seconds: number
    }
  | {
      ok: false
      why: 'overloaded' | 'timeout' | 'unreachable' | 'refused' | 'malformed' | 'too-long' | 'stopped'
      /** What happened and what to do next, without any secret. */
      say: string
      next: string
      seconds: number
    }

/** A language model. Errors are values: `complete` never throws. Tries again by itself while the provider is overloaded. */
export interface Model {
  /** As it is configured, such as `claude-sonnet-4-5`. */
  readonly name: string
  /** The wire format. */
  readonly wire: 'anthropic' | 'openai'
  complete(request: ModelRequest): Promise<ModelAnswer>
}
