/** The HTTP side of Slack: Web API, uploads and response URLs. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { MethodContext } from './context.ts'
import type { Faults } from './faults.ts'
import { takeUpload } from './files.ts'
import { METHODS, type Method } from './methods.ts'
import { respond } from './responses.ts'
import { isObject, type Json, type Rates, Refusal, text } from './types.ts'

export interface HttpContext extends MethodContext {
  botToken: string
  appToken: string
  scopes: readonly string[]
  rates: Rates
  faults: Faults
}

/** Fifty and more a minute; the others here are of tier 4, a hundred and more. */
const TIER_3 = new Set([
  'chat.update',
  'chat.delete',
  'conversations.history',
  'conversations.replies',
  'conversations.info',
])

/** Parameters that hold JSON when they come in a form. */
const NESTED = ['blocks', 'attachments', 'metadata', 'view', 'files']

export async function answerHttp(context: HttpContext, request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const raw = await bodyOf(request)
  if (url.pathname.startsWith('/upload/')) {
    const { status, body } = takeUpload(context.workspace, url.pathname.slice('/upload/'.length), raw, request.headers)
    return send(response, status, body, 'text/plain')
  }
  if (url.pathname.startsWith('/hook/')) {
    const args = argsOf(request, raw)
    const { status, body } = respond(context, url.pathname.slice('/hook/'.length), args)
    context.workspace.calls.push({ method: 'response_url', args, at: Date.now(), status, ...(body.ok ? {} : body) })
    return send(response, status, body.ok ? 'ok' : JSON.stringify(body))
  }
  if (!url.pathname.startsWith('/api/')) return send(response, 404, 'not found', 'text/plain')
  await answerMethod(context, url.pathname.slice('/api/'.length), request, response, raw)
}

async function answerMethod(
  context: HttpContext,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
  raw: Buffer,
) {
  const { workspace, faults } = context
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined
  const headers: Record<string, string> = {}
  const { token: inBody, ...args } = argsOf(request, raw)
  const note = { method: name, args, at: Date.now(), status: 200 }
  const finish = (status: number, body: Json) => {
    note.status = status
    workspace.calls.push({ ...note, ...(body.ok === true ? {} : { error: text(body.error) }) })
    if (body.ok === true && faults.losesAnswer(name)) return request.socket.destroy()
    send(response, status, JSON.stringify(body), 'application/json', headers)
  }
  const slow = faults.slowness(name)
  if (slow > 0) await new Promise((resolve) => setTimeout(resolve, slow))
  if (request.socket.destroyed) return
  try {
    if (method === undefined) throw new Refusal('unknown_method')
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? text(inBody)
    const wait = mayCall(context, name, method, bearer, args, headers)
    if (wait > 0) {
      headers['retry-after'] = String(Math.ceil(wait / 1000))
      return finish(429, { ok: false, error: 'ratelimited' })
    }
    parseNested(args)
    finish(200, { ok: true, ...method.run(context, args) })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const metadata = error.messages.length === 0 ? {} : { response_metadata: { messages: error.messages } }
    finish(200, { ok: false, error: error.error, ...error.more, ...metadata })
  }
}

/** Token, scope and rate, in this order; the milliseconds to wait, 0 when it may go on. */
function mayCall(
  context: HttpContext,
  name: string,
  method: Method,
  bearer: string,
  args: Json,
  headers: Record<string, string>,
): number {
  if (bearer === '') throw new Refusal('not_authed')
  const kind = bearer === context.botToken ? 'bot' : bearer === context.appToken ? 'app' : undefined
  if (kind === undefined || context.faults.invalidAuth) throw new Refusal('invalid_auth')
  if (kind !== method.token) throw new Refusal('not_allowed_token_type')
  const scopes = kind === 'app' ? ['connections:write'] : context.scopes
  const needed = method.scope?.(context, args)
  headers['x-oauth-scopes'] = scopes.join(',')
  if (needed !== undefined) {
    headers['x-accepted-oauth-scopes'] = needed
    if (!scopes.includes(needed)) throw new Refusal('missing_scope', [], { needed, provided: scopes.join(',') })
  }
  const channel = text(args.channel) || text(args.channel_id)
  const told = channel === '' ? 0 : context.faults.limited(channel)
  if (told > 0) return told
  if (name === 'chat.postMessage') return context.faults.spend(`post ${channel}`, context.rates.post)
  const perMinute = context.rates.perMinute ?? (TIER_3.has(name) ? 50 : 100)
  return context.faults.spend(name, { burst: perMinute, perSecond: perMinute / 60 })
}

function argsOf(request: IncomingMessage, raw: Buffer): Json {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const type = request.headers['content-type'] ?? ''
  const query = Object.fromEntries(url.searchParams)
  if (raw.length === 0) return query
  if (type.startsWith('application/json')) {
    try {
      const parsed: unknown = JSON.parse(raw.toString())
      return isObject(parsed) ? parsed : {}
    } catch {
      return {}
    }
  }
  return { ...query, ...Object.fromEntries(new URLSearchParams(raw.toString())) }
}

function parseNested(args: Json): void {
  for (const name of NESTED) {
    const value = args[name]
    if (typeof value !== 'string') continue
    try {
      args[name] = value === '' ? undefined : JSON.parse(value)
    } catch {
      throw new Refusal(
        name === 'blocks'
          ? 'invalid_blocks_format'
          : name === 'metadata'
            ? 'invalid_metadata_format'
            : 'invalid_arguments',
      )
    }
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'application/json',
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, ...headers })
  response.end(body)
}
