import { z } from 'zod'
import { personSchema } from '../access/config.ts'
import { prometheusSchema } from '../adapters/prometheus/config.ts'
import { SqliteConfig } from '../adapters/sqlite/config.ts'
import { bastionSchema, hostSchema, sshOptionsSchema } from '../adapters/ssh/config.ts'
import { type LogLevel, logLevels } from '../lib/log.ts'
import { serviceSchema } from '../release/config.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** Where the console listens. */
export const consoleSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65535).default(8888),
})

export const logSchema = z.strictObject({ level: z.enum(logLevels satisfies readonly LogLevel[]).default('info') })

/** Lists whose items are read one by one, so that a mistake in one does not hide those in the others. */
export const lists = { services: serviceSchema, hosts: hostSchema, bastions: bastionSchema, people: personSchema }

/** The single sections. A section that is left out is read as if it were empty, except prometheus. */
export const sections = {
  ssh: sshOptionsSchema,
  prometheus: prometheusSchema,
  store: SqliteConfig.extend({ kind: z.literal('sqlite').default('sqlite') }),
  console: consoleSchema,
  log: logSchema,
}

/** Sections of one word. */
export const words = { knowledge: z.string().min(1).default('knowledge'), language: z.enum(['en', 'zh']).default('en') }

export type Host = z.output<typeof hostSchema>
export type Bastion = z.output<typeof bastionSchema>
