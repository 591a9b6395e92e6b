import Fastify, { type FastifyInstance, type FastifyPluginAsync, type InjectOptions } from 'fastify'
import { createAudit } from '../../../src/access/audit.ts'
import type { Person } from '../../../src/access/config.ts'
import { createSessions } from '../../../src/access/sessions.ts'
import { type AccessDeps, guard } from '../../../src/entry/http/guard.ts'
import { refuse } from '../../../src/entry/http/refusals.ts'
import { sessionRoutes } from '../../../src/entry/http/session.ts'
import { createLog } from '../../../src/lib/log.ts'
import { createMemoryStore, type MemoryStore } from '../../fakes/memory-store.ts'

export interface AccessWorld {
  deps: AccessDeps
  store: MemoryStore
  people: Person[]
  /** The clock, in milliseconds since 1970. */
  time: { ms: number }
  /** A server of which only the guard, sign-in and these plugins are real. */
  serve(...plugins: FastifyPluginAsync[]): Promise<FastifyInstance>
  /** What the audit log holds, oldest first: `who action target result`. */
  audited(): Promise<string[]>
  close(): Promise<void>
}

export const PORT = 8888
export const ORIGIN = `http://localhost:${PORT}`

/** Headers of a request that our own page sends. */
export const ours = { host: `localhost:${PORT}`, origin: ORIGIN }

export function accessWorld(part: Partial<AccessDeps> = {}): AccessWorld {
  const store = createMemoryStore()
  const time = { ms: Date.parse('2026-01-01T00:00:00Z') }
  const clock = () => new Date(time.ms)
  const people: Person[] = [
    { id: 'alice', name: 'Alice', roles: ['operator'], surfaces: { console: 'sub-alice' } },
    { id: 'bob', roles: ['approver'], surfaces: { console: 'sub-bob' } },
    { id: 'vera', roles: ['viewer'], surfaces: {} },
  ]
  const log = createLog({ level: 'silent' })
  const audit = createAudit({ store, key: Buffer.alloc(32, 3), clock, log })
  const sessions = createSessions({ store, people: () => people, clock })
  const addresses = { host: '127.0.0.1', port: () => PORT }
  const deps: AccessDeps = { store, sessions, audit, people: () => people, clock, addresses, demo: false, ...part }
  const open: FastifyInstance[] = []
  return {
    deps,
    store,
    people,
    time,
    async serve(...plugins) {
      const app = Fastify()
      open.push(app)
      app.setErrorHandler(refuse({ log, redact: (text) => text }))
      const view = { language: 'en' as const, version: '0', channels: ['#releases'] }
      for (const plugin of [guard(deps), sessionRoutes({ ...deps, view }), ...plugins]) await app.register(plugin)
      await app.ready()
      return app
    },
    async audited() {
      const entries = await store.read('audit')
      return entries.map(({ entry }) => {
        const { who, action, target, result } = entry as Record<string, string>
        return `${who} ${action} ${target} ${result}`
      })
    },
    async close() {
      for (const app of open) await app.close()
    },
  }
}

/** `name=value` of the cookie that an answer sets, or undefined. */
export function cookieOf(answer: { headers: Record<string, unknown> }, name: string): string | undefined {
  const all = [answer.headers['set-cookie']].flat().map(String)
  return all.find((each) => each.startsWith(`${name}=`))?.split(';', 1)[0]
}

/** Signs in as somebody of the sandbox, or with a token; the headers of a browser that has. */
export async function signedIn(app: FastifyInstance, body: object): Promise<InjectOptions['headers'] & object> {
  const answer = await app.inject({ method: 'POST', url: '/api/v1/session', headers: ours, payload: body })
  const cookie = cookieOf(answer, 'rollcall-8888') ?? cookieOf(answer, '__Host-rollcall')
  if (cookie === undefined) throw new Error(`not signed in: ${answer.statusCode} ${answer.body}`)
  return { ...ours, cookie }
}
