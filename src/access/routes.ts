import { Fault } from '../lib/fault.ts'
import type { Action } from './policy.ts'

type RouteAccess = Action | 'public'

/**
 * The one table of what each route of the HTTP interface asks for: an action of the policy table, or nothing (`public`).
 * Where a route carries out somebody's words (a button, a command), their own action is checked again inside. A route that is
 * not listed here cannot be registered.
 */
export const routes = {
  'GET /healthz': 'public',
  'GET /': 'public',
  'GET /*': 'public',
  // Whoever asks from this machine, and others by a personal token (src/entry/http/metrics.ts).
  'GET /metrics': 'public',
  'GET /index.html': 'public',
  'GET /assets/*': 'public',

  'GET /api/v1/session': 'public',
  'POST /api/v1/session': 'public',
  'DELETE /api/v1/session': 'public',
  'GET /api/v1/session/oidc': 'public',
  'GET /api/v1/session/oidc/callback': 'public',

  'POST /api/v1/messages': 'help.read',
  'GET /api/v1/commands': 'help.read',

  'GET /api/v1/releases': 'status.read',
  'GET /api/v1/releases/:id': 'status.read',
  'GET /api/v1/releases/:id/issue': 'status.read',
  'GET /api/v1/releases/:id/series': 'status.read',
  'GET /api/v1/messages': 'status.read',
  'GET /api/v1/messages/one': 'status.read',
  'GET /api/v1/jobs/output': 'status.read',
  'GET /api/v1/services': 'status.read',
  'GET /api/v1/surfaces': 'status.read',
  'GET /api/v1/events': 'status.read',
  'GET /api/v1/actions': 'status.read',
  'POST /api/v1/actions': 'status.read',

  'GET /api/v1/hosts': 'hosts.read',
  'POST /api/v1/hosts/probe': 'hosts.read',

  // Machines, not people: each source proves itself by its own token (src/entry/http/alerts.ts).
  'POST /api/v1/alertmanager': 'public',
  'POST /v1/alerts': 'public',
  // Slack in HTTP mode signs every request (src/adapters/slack/http.ts).
  'POST /slack/events': 'public',
  'GET /api/v1/alerts': 'alerts.read',
  'GET /api/v1/incidents': 'alerts.read',
  'GET /api/v1/incidents/:id': 'alerts.read',
  'GET /api/v1/pictures/:id': 'alerts.read',

  'GET /api/v1/people': 'people.read',
  'GET /api/v1/audit': 'audit.read',
} as const satisfies Record<string, RouteAccess>

/** The pages of the interface's description are many, and all the same. */
const docs = /^\/api\/docs(\/.*)?$/

/**
 * What a route asks for, by its method and its pattern as it was registered (`/api/v1/releases/:id`; the parameter's name does
 * not matter). HEAD is GET without the body. Undefined for what is not in the table, which nobody may use: OPTIONS among it, as
 * no other origin is ever answered.
 */
export function accessOf(method: string, pattern: string): RouteAccess | undefined {
  const verb = method === 'HEAD' ? 'GET' : method
  if (verb === 'GET' && docs.test(pattern)) return 'help.read'
  const key = `${verb} ${pattern.replace(/:[A-Za-z_]\w*/g, ':id')}`
  return Object.hasOwn(routes, key) ? routes[key as keyof typeof routes] : undefined
}

/** Fault `access.route-not-listed` for a route that would stand outside the table. */
export function needListed(method: string, pattern: string): RouteAccess {
  const access = accessOf(method, pattern)
  if (access !== undefined) return access
  throw new Fault('access.route-not-listed', {
    say: `The route ${method} ${pattern} is not in the table of routes, so nobody would know who may use it.`,
    next: 'add it to src/access/routes.ts with the action that it asks for',
  })
}
