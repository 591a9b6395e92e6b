import type { IncomingHttpHeaders } from 'node:http'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyPluginAsync,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Person } from '../../access/config.ts'
import { signInFirst } from '../../access/refusals.ts'
import type { IncidentDesk } from '../../incident/desk.ts'
import type { ChannelLog } from '../../ports/chat.ts'
import type { Command, CommandAnswer } from '../command.ts'
import type { Feed } from './feed.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; set by the guard, undefined on public routes for those who have not signed in. */
    person: Person | undefined
  }
}

/** Who answers what Slack sends in HTTP mode. The body is given as it came, as the signature is made of its bytes. Never throws. */
export type SlackEvents = (request: {
  headers: IncomingHttpHeaders
  raw: string
}) => Promise<{ status: number; body: string; type: string; headers?: Record<string, string> }>

export interface ServerDeps {
  desk: IncidentDesk
  commands: Command[]
  /** The record of what was posted. */
  log: ChannelLog
  feed: Feed
  /** The bearer token of each source of alerts that has one, by the source's name. */
  alertTokens?: ReadonlyMap<string, string>
  /** Answers what Slack sends in HTTP mode; without it there is no route for that. */
  slack?: SlackEvents | undefined
  /** Registered before every route, so that their hooks hold for all of them: the guard, sign-in, audit. */
  plugins: FastifyPluginAsync[]
  /** The folder with the built client; undefined serves no pages. */
  webRoot: string | undefined
  listen: {
    host: string
    port: number
    publicUrl?: string
    /** Addresses and CIDR ranges whose X-Forwarded-For is believed when there is a publicUrl; loopback unless told. */
    trustedProxies?: readonly string[]
  }
  language: 'en' | 'zh'
  /** Rollcall's own. */
  version: string
  channels: string[]
  /** What a surface of its own answers to typed text before it is read as a command; undefined when it is none of its own. */
  heard?: (person: Person, text: string) => Promise<CommandAnswer | undefined>
  /** Whether the session of this request still holds. Asked while a reader of the events stays connected. */
  stands?: (request: FastifyRequest) => Promise<boolean>
  /** Milliseconds between signs of life to readers of the events; 15,000 unless told. */
  heartbeatMs?: number
  /** Milliseconds after which a reader that takes nothing is cut off; 300,000 unless told. */
  stalledMs?: number
}

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** The person who asks. The guard lets nobody else through to a route that needs one. */
export function personOf(request: FastifyRequest): Person {
  if (request.person !== undefined) return request.person
  throw signInFirst()
}
