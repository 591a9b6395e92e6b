import { checkAlerts } from './check-alerts.ts'
import { checkConsole, strangersOnly } from './check-console.ts'
import { checkCredentials, checkRoutes, unpinnedHosts } from './check-hosts.ts'
import { checkApprovals, speechlessPeople } from './check-people.ts'
import {
  checkChecksumFiles,
  checkHostsNamed,
  checkRoots,
  checkSelectors,
  hurriedWindows,
  unknownNeighbours,
} from './check-services.ts'
import { silentSurfaces } from './check-surfaces.ts'
import { type At, exists, type Parts, textOf } from './parts.ts'
import type { Problem, Readable } from './problems.ts'
import type { Env } from './schema.ts'

/** What only shows when the parts are seen together, or with the machine. `problems` forbid the start, `warnings` do not. */
export function crossCheck(parts: Parts, env: Env): { problems: Problem[]; warnings: Problem[] } {
  return {
    problems: [
      ...duplicates(parts),
      ...checkHostsNamed(parts),
      ...checkSelectors(parts),
      ...checkRoots(parts),
      ...checkChecksumFiles(parts),
      ...checkRoutes(parts),
      ...checkCredentials(parts, env),
      ...checkApprovals(parts),
      ...checkPrometheus(parts),
      ...checkConsole(parts),
      ...checkAlerts(parts),
    ],
    warnings: [
      ...unknownNeighbours(parts),
      ...unpinnedHosts(parts),
      ...hurriedWindows(parts),
      ...speechlessPeople(parts),
      ...strangersOnly(parts),
      ...silentSurfaces(parts),
    ],
  }
}

function duplicates({ names, readable }: Parts): Problem[] {
  const ids = 'give each its own'
  return [
    ...twice(names.services, (name) => [['name', name]], ids),
    ...twice([...names.hosts, ...names.bastions], (id) => [['id', id]], ids),
    ...twice(names.people, (id) => [['id', id]], ids),
    ...twice(readable.hosts, addressOf, 'one of the two has a wrong ip or port, or they are one host'),
    ...twice(
      readable.people,
      ({ surfaces }) =>
        Object.entries(typeof surfaces === 'object' && surfaces !== null ? surfaces : {}).map(([surface, id]) => [
          `surfaces.${surface}`,
          String(id),
        ]),
      'an id on a surface belongs to one person',
    ),
  ]
}

function addressOf(host: Readable): [string, string][] {
  const [ip, bastion] = [textOf(host, 'ip'), textOf(host, 'bastion')]
  if (ip === undefined) return []
  return [['port', `${ip}:${host.port ?? 22}${bastion === undefined ? '' : ` behind ${bastion}`}`]]
}

function twice<T>(items: At<T>[], keys: (value: T) => (readonly [string, string])[], remedy: string): Problem[] {
  const first = new Map<string, string>()
  return items.flatMap(({ at, value }) =>
    keys(value).flatMap(([field, key]) => {
      const seen = first.get(`${field} ${key}`)
      if (seen !== undefined) return [{ path: `${at}.${field}`, say: `${key} is that of ${seen} already`, remedy }]
      first.set(`${field} ${key}`, at)
      return []
    }),
  )
}

function checkPrometheus({ prometheus }: Parts): Problem[] {
  if (prometheus === undefined) return []
  const { headers, tlsCaFile } = prometheus
  const open = headers.filter((name) => /auth|cookie|token|secret|key/i.test(name))
  const problems = open.map((name) => ({
    path: `prometheus.headers.${name}`,
    say: 'a secret does not belong into this file',
    remedy: 'use bearerTokenEnv or basicAuth, which name an environment variable',
  }))
  if (tlsCaFile === undefined || exists(tlsCaFile)) return problems
  return [
    ...problems,
    {
      path: 'prometheus.tlsCaFile',
      say: `no such file ${tlsCaFile}`,
      remedy: 'put the certificate of the authority there, in PEM',
    },
  ]
}
