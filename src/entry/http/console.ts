import type { Audit } from '../../access/audit.ts'
import { createSessions } from '../../access/sessions.ts'
import type { IncidentDesk } from '../../incident/desk.ts'
import type { ChannelLog } from '../../ports/chat.ts'
import type { Command } from '../command.ts'
import { auditRoutes } from './audit.ts'
import type { ServerDeps } from './deps.ts'
import type { Feed } from './feed.ts'
import { createStands, guard } from './guard.ts'
import { languagePlugin } from './language.ts'
import { type OidcDeps, oidcRoutes } from './oidc.ts'
import { createServer, type HttpServer } from './server.ts'
import { sessionRoutes } from './session.ts'

interface ConsoleParts {
  desk: IncidentDesk
  audit: Audit
  commands: Command[]
  log: ChannelLog
  feed: Feed
  /** As in `ServerDeps`. */
  alertTokens?: ServerDeps['alertTokens']
  slack?: ServerDeps['slack']
  /** The folder with the built client; undefined serves no pages. */
  webRoot: string | undefined
  listen: ServerDeps['listen'] & { allowedHosts?: readonly string[] }
  /** Signing in through a provider, if there is one. */
  oidc?: OidcDeps['oidc'] & { label: string }
  sessionHours?: { idle: number; longest: number }
  /** One may be any of the people without proof: the sandbox, and nothing else. */
  demo: boolean
  language: 'en' | 'zh'
  version: string
  heard?: ServerDeps['heard']
  channels: string[]
}

/** The console's server with its guard, sign-in and audit log put together. */
export async function createConsole(parts: ConsoleParts): Promise<HttpServer> {
  const { desk, audit, listen, oidc, language, version } = parts
  const people = () => desk.people
  const { store, clock } = desk
  let bound: number | undefined
  const access = {
    store,
    people,
    clock,
    audit,
    sessions: createSessions({
      store,
      people,
      clock,
      idleHours: parts.sessionHours?.idle,
      longestHours: parts.sessionHours?.longest,
    }),
    addresses: { ...listen, port: () => bound },
    demo: parts.demo,
  }
  const { channels } = parts
  const server = await createServer({
    desk,
    commands: parts.commands,
    log: parts.log,
    feed: parts.feed,
    alertTokens: parts.alertTokens,
    slack: parts.slack,
    webRoot: parts.webRoot,
    listen,
    language,
    version,
    channels,
    heard: parts.heard,
    stands: createStands(access),
    plugins: [
      guard(access),
      languagePlugin(),
      sessionRoutes({ ...access, view: { language, version, channels }, oidc: oidc && { label: oidc.label } }),
      ...(oidc === undefined ? [] : [oidcRoutes({ ...access, oidc, log: desk.log })]),
      auditRoutes({ audit }),
    ],
  })
  return {
    ...server,
    async listen() {
      const url = await server.listen()
      bound = Number(new URL(url).port) || (url.startsWith('https') ? 443 : 80)
      return url
    },
  }
}
