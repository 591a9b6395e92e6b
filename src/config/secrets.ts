import { maskable } from '../lib/redact.ts'
import type { Problem } from './problems.ts'
import type { Env } from './schema.ts'

/**
 * A secret stands in the environment; the configuration names the variable under a key that ends in `Env`, such as `tokenEnv: PROM_TOKEN`.
 * Returns the values of all that are named anywhere within `section`, and a problem for each that is missing or cannot be masked.
 */
export function secretsIn(section: unknown, at: string, env: Env): { values: string[]; problems: Problem[] } {
  const values: string[] = []
  const problems: Problem[] = []
  const walk = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Object.entries(node)) {
      const here = Array.isArray(node) ? `${path}[${key}]` : `${path}.${key}`
      if (!key.endsWith('Env') || typeof value !== 'string') {
        walk(value, here)
        continue
      }
      const secret = env[value] ?? ''
      if (secret === '')
        problems.push({
          path: here,
          say: `the environment variable ${value} is not set`,
          remedy: `set ${value}, or remove ${key}`,
        })
      else if (!maskable(secret))
        problems.push({
          path: here,
          say: `${value} is too short to be kept out of logs`,
          remedy: 'use a secret of 6 characters or more',
        })
      else values.push(secret)
    }
  }
  walk(section, at)
  return { values, problems }
}
