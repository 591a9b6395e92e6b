import { join } from 'node:path'
import { bundledKnowledge } from '../lib/bundled.ts'
import type { SandboxHost } from './fleet.ts'
import { releasesFolder } from './provision.ts'

/** The sandbox in the shape of rollcall.yaml: plain data, before parsing. */
export interface WorldConfig {
  services: Record<string, unknown>[]
  hosts: Record<string, unknown>[]
  people: Record<string, unknown>[]
  prometheus?: { url: string }
  alerts?: { sources: { name: string; url: string }[] }
  store: { kind: 'sqlite'; folder: string }
  knowledge: string
}

/**
 * Windows and intervals are scaled to seconds, and a window needs few requests; what is decided with them is decided by
 * the same rules as in production.
 */
export function worldConfig(world: {
  hosts: SandboxHost[]
  artifactUrl: string
  prometheusUrl: string | undefined
  /** It sends from loopback without a token: such a source is called `local`. */
  alertmanagerUrl?: string
  /** What user-service calls. */
  downstream?: string[]
  folder: string
}): WorldConfig {
  const { hosts, artifactUrl, prometheusUrl, alertmanagerUrl, downstream, folder } = world
  const artifact = `${artifactUrl}/user-service/user-service-{version}.tar.gz`
  return {
    services: [
      {
        name: 'user-service',
        tags: ['http', 'nodejs'],
        ...(downstream === undefined ? {} : { downstream }),
        artifact: { url: artifact, checksum: { sha256Url: `${artifact}.sha256` }, delivery: 'host' },
        recipe: {
          root: `~/${releasesFolder}`,
          start: ['bin/start'],
          stop: ['bin/stop'],
          // By command, because every sandbox host has a port of its own.
          health: { command: ['bin/health'], timeout: '15s', passes: 2 },
          commandTimeout: '10s',
          keep: 3,
        },
        policy: {
          batches: ['1', '50%', '100%'],
          windows: ['14s', '14s', '14s'],
          interval: '3s',
          warmup: '2s',
          minRequests: 100,
          freshSeconds: 10,
          rateWindow: '4s',
          approvalExpires: '10m',
        },
      },
    ],
    hosts: hosts.map(({ id, ip, port, user, keyPath, hostKey, region }) => ({
      id,
      ip,
      port,
      user,
      key: keyPath,
      hostKey,
      region,
    })),
    people: [
      // An approver as well, so that what refuses her own request is the rule of two people and not a missing role.
      { id: 'alice', roles: ['operator', 'approver'], surfaces: { terminal: 'alice' } },
      { id: 'bob', roles: ['approver'], surfaces: { terminal: 'bob' } },
      { id: 'vera', roles: ['viewer'], surfaces: { terminal: 'vera' } },
    ],
    ...(prometheusUrl === undefined ? {} : { prometheus: { url: prometheusUrl } }),
    ...(alertmanagerUrl === undefined ? {} : { alerts: { sources: [{ name: 'local', url: alertmanagerUrl }] } }),
    store: { kind: 'sqlite', folder: join(folder, 'rollcall') },
    // Wherever the demo is started: what comes with the project.
    knowledge: bundledKnowledge,
  }
}
