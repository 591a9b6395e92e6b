import { type Service, serviceSchema } from '../../src/release/config.ts'

/** A service as the configuration would give it; `policy` in the YAML's words. */
export function aService(policy: Record<string, unknown> = {}, more: Record<string, unknown> = {}): Service {
  return serviceSchema.parse({
    name: 'user-service',
    tags: ['http'],
    artifact: {
      url: 'http://127.0.0.1:1/user-service-{version}.tar.gz',
      checksum: { sha256Url: 'http://127.0.0.1:1/user-service-{version}.tar.gz.sha256' },
    },
    recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { command: ['bin/health'], timeout: '5s', passes: 1 } },
    policy,
    ...more,
  })
}
