import { readFileSync, statSync } from 'node:fs'
import { suggestion } from '../lib/did-you-mean.ts'
import { type Parts, textOf } from './parts.ts'
import type { Problem } from './problems.ts'
import type { Env } from './schema.ts'

/** Bastions that do not exist or are themselves behind another. */
export function checkRoutes({ names, readable }: Parts): Problem[] {
  const hosts = readable.hosts.map(({ at, value }) => ({
    at,
    id: textOf(value, 'id'),
    bastion: textOf(value, 'bastion'),
  }))
  const byId = new Map(hosts.map((host) => [host.id, host]))
  const bastions = names.bastions.map(({ value }) => value)
  const known = [...bastions, ...names.hosts.map(({ value }) => value)]
  return hosts.flatMap(({ at, id = at, bastion }) => {
    if (bastion === undefined || bastions.includes(bastion)) return []
    const path = `${at}.bastion`
    if (bastion === id)
      return [{ path, say: 'a host cannot be its own bastion', remedy: 'name another host, or remove it' }]
    if (!known.includes(bastion)) {
      return [
        {
          path,
          say: `no bastion has the id ${bastion}.${suggestion(bastion, known)}`,
          remedy: 'add it under bastions, or correct the id',
        },
      ]
    }
    const way = [id]
    for (let next: string | undefined = bastion; next !== undefined; next = byId.get(next)?.bastion) {
      if (way.includes(next))
        return [
          {
            path,
            say: `the bastions form a circle: ${[...way, next].join(' -> ')}`,
            remedy: 'a bastion is reached directly',
          },
        ]
      way.push(next)
    }
    return way.length > 2
      ? [{ path, say: `${bastion} is itself behind ${way[2]}`, remedy: 'name a bastion that is reached directly' }]
      : []
  })
}

/** Keys that cannot be used, and an agent that is not there. */
export function checkCredentials({ readable }: Parts, env: Env): Problem[] {
  const seen = new Set<string>()
  return [...readable.hosts, ...readable.bastions].flatMap(({ at, value }) => {
    const key = textOf(value, 'key')
    if (value.agent === true && (env.SSH_AUTH_SOCK ?? '') === '') {
      return [
        {
          path: `${at}.agent`,
          say: 'SSH_AUTH_SOCK is not set',
          remedy: 'start ssh-agent and pass the variable on, or give a key',
        },
      ]
    }
    // A key that many hosts share is one mistake.
    if (key === undefined || seen.has(key)) return []
    seen.add(key)
    const wrong = keyFile(key)
    return wrong === undefined ? [] : [{ path: `${at}.key`, ...wrong }]
  })
}

function keyFile(path: string): { say: string; remedy: string } | undefined {
  let mode: number
  try {
    const found = statSync(path)
    if (!found.isFile()) return { say: `${path} is not a file`, remedy: 'name the private key itself' }
    mode = found.mode & 0o777
  } catch {
    return { say: `no such file ${path}`, remedy: `create it with: ssh-keygen -t ed25519 -f ${path}` }
  }
  if ((mode & 0o077) !== 0)
    return { say: `${path} may be read by others (mode ${mode.toString(8)})`, remedy: `type: chmod 600 ${path}` }
  try {
    if (!readFileSync(path, 'latin1').slice(0, 100).includes('PRIVATE KEY'))
      return { say: `${path} is not a private key`, remedy: 'name the file without .pub' }
  } catch {
    return { say: `${path} cannot be read`, remedy: `let the user of this process own it: chown $(id -un) ${path}` }
  }
  return undefined
}

export function unpinnedHosts({ hosts, bastions }: Parts): Problem[] {
  return [...hosts, ...bastions]
    .filter(({ value }) => value.hostKey === undefined)
    .map(({ at, value }) => ({
      path: `${at}.hostKey`,
      say: 'no host key is pinned: this host will be refused',
      remedy: `type: rollcall enroll ${value.id}`,
    }))
}
