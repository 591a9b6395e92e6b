import { z } from 'zod'
import { Fault } from '../lib/fault.ts'
import { maskable } from '../lib/redact.ts'

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'name an environment variable, not the key itself, such as AI_API_KEY')

const address = z
  .url({ protocol: /^https?$/, error: 'give a whole address, such as https://api.openai.com/v1', abort: true })
  .refine(isPlain, 'give it without a user, a password, a query or a fragment')

const dollars = z.number().min(0).max(10_000)

/** `ai:` in rollcall.yaml. Everything may be left out: without a key in the environment, reports come from rules. */
export const aiSchema = z.strictObject({
  /** Base URL of the model's API. The environment variable AI_BASE_URL wins. */
  baseUrl: address.optional(),
  apiKeyEnv: variable.default('AI_API_KEY'),
  /** As the provider names it. The environment variable AI_MODEL wins. */
  model: z.string().min(1).max(200).optional(),
  /** Wire format. `auto` follows the base URL: what says anthropic speaks Anthropic's, everything else OpenAI's. */
  wire: z.enum(['auto', 'anthropic', 'openai']).default('auto'),
  /** Seconds. A call, with all its attempts, may take twice as long (120 s unless told), as the specification has it. */
  timeout: z.number().positive().max(1800).default(60),
  /** Further attempts while the provider is overloaded or the connection fails, within the time of the call. */
  retries: z.int().min(0).max(20).default(4),
  /** Most tokens of one answer; 16,000 in Anthropic's format (its models think within them), otherwise 8192. */
  maxTokens: z.int().min(256).max(200_000).optional(),
  /** Ask for answers as a stream; some proxies and large models want that. */
  stream: z.boolean().default(false),
  /** US dollars per million tokens. Without them no cost is shown. */
  prices: z.strictObject({ input: dollars, cacheRead: dollars, cacheWrite: dollars, output: dollars }).optional(),
  /** Bounds of one diagnosis. */
  budget: z
    .strictObject({
      steps: z.int().min(1).max(100).default(20),
      tokens: z.int().min(1000).default(400_000),
      seconds: z.int().min(10).max(7200).default(600),
    })
    .prefault({}),
})
export type AiConfig = z.output<typeof aiSchema>

export interface ResolvedAi {
  wire: 'anthropic' | 'openai'
  /** As the SDK of the wire format wants it: without `/v1` for Anthropic's, with a path for OpenAI's. */
  baseUrl: string
  model: string
  /** Of one call with all its attempts. */
  limitSeconds: number
  retries: number
  maxTokens: number
  stream: boolean
  /** The variable that holds the key: what a person is told to check. */
  keyName: string
  /** The key itself, for the adapter and the redactor only. A function, so that it appears in no print of this object. */
  key: () => string
  prices: AiConfig['prices']
  budget: AiConfig['budget']
}

type Env = Readonly<Record<string, string | undefined>>

const homes = { anthropic: 'https://api.anthropic.com', openai: 'https://api.openai.com/v1' } as const

/**
 * What is configured and what the environment says, put together: AI_BASE_URL, AI_API_KEY (or the variable that
 * `apiKeyEnv` names) and AI_MODEL, which win over the file. Undefined without a key: there is no model then.
 *
 * Without a base URL, a key that begins with `sk-ant-` means Anthropic and any other OpenAI. Without a model:
 * `claude-sonnet-5-5` at Anthropic (also behind a proxy that is given an `sk-ant-` key), `qwen-max` at DashScope,
 * `Qwen/Qwen3-Coder-480B-A35B-Instruct` at ModelScope (both are the specification's), `gpt-5.5` elsewhere; the
 * specification's claude-3-5-sonnet-20241022 and gpt-4 are retired.
 *
 * Throws Fault `agent.address-invalid` for an AI_BASE_URL that is no http(s) address, and `agent.key-too-short` for a
 * key that could not be kept out of logs.
 */
export function resolveAi(config: AiConfig, env: Env): ResolvedAi | undefined {
  const key = env[config.apiKeyEnv]?.trim() ?? ''
  if (key === '') return undefined
  if (!maskable(key))
    throw new Fault('agent.key-too-short', {
      say: `The key in ${config.apiKeyEnv} is too short to be kept out of logs.`,
      next: `correct ${config.apiKeyEnv}`,
    })
  const given = fromEnv(env) ?? config.baseUrl
  const wire = config.wire === 'auto' ? wireOf(given, key) : config.wire
  const baseUrl = given === undefined ? homes[wire] : normalise(given, wire)
  return {
    wire,
    baseUrl,
    model: env.AI_MODEL?.trim() || config.model || usualModel(wire, baseUrl, key),
    limitSeconds: config.timeout * 2,
    retries: config.retries,
    maxTokens: config.maxTokens ?? (wire === 'anthropic' ? 16_000 : 8192),
    stream: config.stream,
    keyName: config.apiKeyEnv,
    key: () => key,
    prices: config.prices,
    budget: config.budget,
  }
}

function fromEnv({ AI_BASE_URL }: Env): string | undefined {
  const text = AI_BASE_URL?.trim() ?? ''
  if (text === '') return undefined
  if (address.safeParse(text).success) return text
  throw new Fault('agent.address-invalid', {
    say: 'AI_BASE_URL is not an http or https address, or it has a user, a password, a query or a fragment.',
    next: 'set AI_BASE_URL to an address such as https://api.openai.com/v1',
  })
}

function wireOf(baseUrl: string | undefined, key: string): 'anthropic' | 'openai' {
  if (baseUrl === undefined) return key.startsWith('sk-ant-') ? 'anthropic' : 'openai'
  const { hostname, pathname } = new URL(baseUrl)
  return /anthropic/i.test(`${hostname}${pathname}`) ? 'anthropic' : 'openai'
}

/** Anthropic's SDK appends `/v1/messages` by itself, OpenAI's `/chat/completions`. */
function normalise(baseUrl: string, wire: 'anthropic' | 'openai'): string {
  const url = new URL(baseUrl)
  const path = url.pathname.replace(/\/+$/, '')
  if (wire === 'anthropic') return url.origin + path.replace(/\/v1(\/messages)?$/, '')
  const base = path.replace(/\/chat\/completions$/, '')
  return url.origin + (base === '' ? '/v1' : base)
}

function usualModel(wire: 'anthropic' | 'openai', baseUrl: string, key: string): string {
  const { hostname } = new URL(baseUrl)
  if (wire === 'openai' && /(^|\.)aliyuncs\.com$/.test(hostname)) return 'qwen-max'
  if (wire === 'openai' && /(^|\.)modelscope\.cn$/.test(hostname)) return 'Qwen/Qwen3-Coder-480B-A35B-Instruct'
  return wire === 'anthropic' || key.startsWith('sk-ant-') ? 'claude-sonnet-5-5' : 'gpt-5.5'
}

function isPlain(text: string): boolean {
  const { username, password, search, hash } = new URL(text)
  return username === '' && password === '' && search === '' && hash === ''
}
