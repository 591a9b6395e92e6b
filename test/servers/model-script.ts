import type { IncomingHttpHeaders } from 'node:http'
import type { ToolOffer, Turn } from '../../src/ports/model.ts'
import type { Json } from '../../src/ports/store.ts'

export type Wire = 'anthropic' | 'openai'

/** A request that passed the checks of its wire format, in words of the `Model` port. */
export interface Asked {
  wire: Wire
  /** 1 for the first request that reached the script. */
  n: number
  model: string
  system: string
  turns: Turn[]
  tools: ToolOffer[]
  maxTokens: number
  stream: boolean
}

export interface ScriptedCall {
  /** Made up when left out; '' is sent as it is. */
  id?: string
  name: string
  arguments?: Json
  /** Instead of `arguments`: text that is no JSON. */
  malformed?: string
}

/** What the model says. With calls and no `stop` it stops for its tools. */
export interface Said {
  text?: string
  calls?: ScriptedCall[]
  /** Sent before the text: what the model thinks, in Anthropic's format only. */
  thinking?: string
  stop?: 'end' | 'tools' | 'length' | 'refusal' | 'pause'
  /** OpenAI only: no usage in the answer. */
  usage?: false
}

export type Answer =
  | Said
  /** `retryAfter` in seconds; `midStream`: the stream begins, then says that it is overloaded. */
  | { overload: 429 | 500 | 502 | 503 | 529; retryAfter?: number; midStream?: true }
  | { status: number; body: Json | string; headers?: Record<string, string> }
  /** 200 with this text instead of JSON, or as the stream. */
  | { malformed: string }
  | { slowMs: number; then?: Answer }
  /** Never answers. `midStream`: the head and the first half come. */
  | { hang: true; midStream?: true }
  /** The connection is cut in the middle of this answer. */
  | { drop: Said }

export type Script = (asked: Asked) => Answer | Promise<Answer>

/** Everything that arrived, refused or not. */
export interface Recorded {
  wire: Wire | undefined
  path: string
  headers: IncomingHttpHeaders
  body: Json
  /** 0 while nothing was sent. */
  status: number
  /** Tokens as they were counted for the answer. */
  usage?: { input: number; cacheRead: number; cacheWrite: number; output: number }
}

export interface Limits {
  /** The key that is asked for. */
  key: string
  /** Other models are 404; any when undefined. */
  models: readonly string[] | undefined
  /** Tokens of the longest prompt. */
  window: number
  /** The shortest prefix that is cached, tokens. */
  cacheFrom: number
  /** Anthropic only: the newest `anthropic-version` that the server knows. */
  version: '2026-10-21' | '2023-06-01'
  /** Anthropic only: assistant turns that call tools have to begin with their thinking, unless it is disabled. */
  demandsThinking: boolean
  /** OpenAI only: which of the two the server knows; the other is 400. */
  outputLimit: 'max_tokens' | 'max_completion_tokens' | 'both'
  /** OpenAI only: tools are refused unless reasoning is switched off. */
  demandsNoReasoning: boolean
  /** OpenAI only: answers are given as a stream or not at all. */
  demandsStream: boolean
}

/** As the provider refuses: a status and a body in its own shape. */
export interface Refusal {
  status: number
  body: Json
}

/** About four characters each. */
export const tokensOf = (text: string): number => Math.ceil(text.length / 4)
