import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Json } from '../../src/ports/store.ts'
import {
  anthropicAnswer,
  anthropicCache,
  anthropicError,
  anthropicEvents,
  anthropicOverloadEvent,
  readAnthropic,
} from './model-anthropic.ts'
import { openAiAnswer, openAiCache, openAiError, openAiEvents, readOpenAi } from './model-openai.ts'
import {
  type Answer,
  type Asked,
  type Limits,
  type Recorded,
  type Said,
  type Script,
  tokensOf,
} from './model-script.ts'

export { attackerScript, type Obeyed, obey } from './model-attacker.ts'
export type { Answer, Asked, Limits, Recorded, Said, Script, ScriptedCall, Wire } from './model-script.ts'

export interface ModelServer {
  /** Without a path: the base URL of the Anthropic format. */
  url: string
  /** With `/v1`: the base URL of the OpenAI format. */
  openAiUrl: string
  key: string
  /** Every request that arrived, in order. */
  requests: Recorded[]
  /** Another script from now on. */
  script(next: Script): void
  close(): Promise<void>
}

/**
 * A scripted model on a free port of loopback. It speaks the Messages API at `/v1/messages` and chat completions at
 * `/v1/chat/completions` (also `/chat/completions`), both with streaming, and refuses what the real ones refuse.
 */
export async function startModelServer(script: Script, options: Partial<Limits> = {}): Promise<ModelServer> {
  const limits: Limits = {
    key: 'sk-ant-scripted-0123456789',
    models: undefined,
    window: 200_000,
    cacheFrom: 1024,
    version: '2026-10-21',
    demandsThinking: false,
    outputLimit: 'both',
    demandsNoReasoning: false,
    demandsStream: false,
    ...options,
  }
  const caches = { anthropic: anthropicCache(limits.cacheFrom), openai: openAiCache(limits.cacheFrom) }
  const requests: Recorded[] = []
  const paused = new Set<string>()
  const timers = new Set<NodeJS.Timeout>()
  let current = script
  let n = 0

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://loopback').pathname
    const wire = request.method !== 'POST' ? undefined : wireOf(path)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const raw = jsonOf(Buffer.concat(chunks).toString('utf8'))
    const recorded: Recorded = { wire, path, headers: request.headers, body: raw ?? null, status: 0 }
    requests.push(recorded)
    const end = (status: number, body: Json | string, headers: Record<string, string> = {}): void => {
      recorded.status = status
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const type = typeof body === 'string' ? 'text/html' : 'application/json'
      response.writeHead(status, { 'content-type': type, 'request-id': 'req_scripted', ...headers }).end(text)
    }
    if (wire === undefined) return end(404, anthropicError(404, 'not_found_error', 'Not Found').body)
    if (raw === undefined)
      return end(400, openAiError(400, 'We could not parse the JSON body of your request.', null).body)

    const events = wire === 'anthropic' ? forAnthropic(raw, request) : forOpenAi(raw, request)
    if ('status' in events) return end(events.status, events.body)
    n++
    const asked: Asked = { ...events.asked, n }

    const say = (said: Said): { usage: NonNullable<Recorded['usage']>; parts: string[] } => {
      const calls = (said.calls ?? []).map(
        (call) => call.name + (call.malformed ?? JSON.stringify(call.arguments ?? {})),
      )
      const output = Math.max(1, tokensOf([said.thinking ?? '', said.text ?? '', ...calls].join('')))
      const usage = { ...events.count(), output }
      return { usage, parts: events.parts(said, asked, usage) }
    }
    const open = (): void => {
      recorded.status = 200
      response.writeHead(200, { 'content-type': asked.stream ? 'text/event-stream' : 'application/json' })
    }
    const answer = async (next: Answer): Promise<void> => {
      if ('slowMs' in next) {
        await pause(next.slowMs, timers)
        return answer(next.then ?? { text: 'late' })
      }
      if ('hang' in next) {
        if (next.midStream !== true) return
        const { parts } = say({ text: 'This is the beginning of' })
        open()
        response.write(
          parts
            .slice(0, Math.ceil(parts.length / 2))
            .join('')
            .slice(0, asked.stream ? undefined : 20),
        )
        return
      }
      if ('drop' in next) {
        const { parts } = say(next.drop)
        const text = parts.join('')
        open()
        response.write(text.slice(0, Math.floor(text.length * 0.6)), () => response.destroy())
        return
      }
      if ('malformed' in next) {
        open()
        response.end(next.malformed)
        return
      }
      if ('overload' in next) {
        if (next.midStream === true && asked.stream) {
          open()
          response.end(events.brokenStream)
          return
        }
        const { status, body } = events.overload(next.overload)
        return end(status, body, next.retryAfter === undefined ? {} : { 'retry-after': String(next.retryAfter) })
      }
      if ('status' in next) return end(next.status, next.body, next.headers)
      if (next.stop === 'pause') paused.add(next.text ?? '')
      const { usage, parts } = say(next)
      recorded.usage = usage
      open()
      for (const part of parts) response.write(part)
      response.end()
    }
    await answer(await current(asked))
  }

  const forAnthropic = (raw: Json, request: IncomingMessage) => {
    const read = readAnthropic(raw, request.headers, limits, paused)
    if ('status' in read) return read
    return {
      asked: read.asked,
      count: () => caches.anthropic(read.body),
      parts: (said: Said, asked: Asked, usage: NonNullable<Recorded['usage']>): string[] =>
        asked.stream ? anthropicEvents(said, asked, usage) : [JSON.stringify(anthropicAnswer(said, asked, usage))],
      brokenStream: anthropicOverloadEvent,
      overload: (status: number) =>
        anthropicError(
          status,
          status === 429 ? 'rate_limit_error' : status === 529 ? 'overloaded_error' : 'api_error',
          'Overloaded',
        ),
    }
  }
  const forOpenAi = (raw: Json, request: IncomingMessage) => {
    const read = readOpenAi(raw, request.headers, limits)
    if ('status' in read) return read
    return {
      asked: read.asked,
      count: () => caches.openai(read.body),
      parts: (said: Said, asked: Asked, usage: NonNullable<Recorded['usage']>): string[] =>
        asked.stream ? openAiEvents(said, asked, usage, read.body) : [JSON.stringify(openAiAnswer(said, asked, usage))],
      brokenStream: `data: ${JSON.stringify(openAiError(503, 'The server is overloaded', 'server_error').body)}\n\n`,
      overload: (status: number) =>
        openAiError(status, 'The engine is currently overloaded', status === 429 ? 'rate_limit_exceeded' : null),
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      // A script that throws is a mistake of the test: it shows as a refusal that no client retries.
      if (!response.headersSent) response.writeHead(418)
      response.end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    openAiUrl: `${url}/v1`,
    key: limits.key,
    requests,
    script(next) {
      current = next
    },
    async close() {
      for (const timer of timers) clearTimeout(timer)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

/** Each answer in turn; the last one again and again. */
export function inTurn(...answers: [Answer, ...Answer[]]): Script {
  let next = 0
  return () => answers[Math.min(next++, answers.length - 1)] as Answer
}

function wireOf(path: string): 'anthropic' | 'openai' | undefined {
  if (path === '/v1/messages') return 'anthropic'
  return /^(\/v1)?\/chat\/completions$/.test(path) ? 'openai' : undefined
}

function pause(ms: number, timers: Set<NodeJS.Timeout>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      resolve()
    }, ms)
    timers.add(timer)
  })
}

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
