import { z } from 'zod'
import { personSchema } from '../access/config.ts'
import { mcpSchema } from '../adapters/mcp-client/config.ts'
import { MongoConfig } from '../adapters/mongo/config.ts'
import { prometheusSchema } from '../adapters/prometheus/config.ts'
import { slackSchema } from '../adapters/slack/config.ts'
import { SqliteConfig } from '../adapters/sqlite/config.ts'
import { bastionSchema, hostSchema, sshOptionsSchema } from '../adapters/ssh/config.ts'
import { wecomSchema } from '../adapters/wecom/config.ts'
import { aiSchema } from '../agent/config.ts'
import { alertsSchema } from '../incident/config.ts'
import { type LogLevel, logLevels } from '../lib/log.ts'
import { serviceSchema } from '../release/config.ts'

export type Env = Readonly<Record<string, string | undefined>>

const absolute = z.url({ protocol: /^https?$/, error: 'give a whole address, such as https://rollcall.example.com' })
const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'name an environment variable, such as OIDC_CLIENT_SECRET')

/** Where the console listens, and how people sign in. */
export const consoleSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65535).default(8888),
  /** What people type, when something in front ends TLS. */
  publicUrl: absolute
    .refine(
      (url) => !URL.canParse(url) || (new URL(url).pathname === '/' && !/[?#@]/.test(url)),
      'give it without a path',
    )
    .optional(),
  /** Further names, with or without a port, that requests may be addressed to. */
  allowedHosts: z.array(z.string().regex(/^[A-Za-z0-9.:[\]-]{1,255}$/, 'give a name or name:port')).default([]),
  /** Addresses and CIDR ranges whose X-Forwarded-For is believed when publicUrl is set: what ends TLS, wherever it runs. */
  trustedProxies: z
    .array(
      z.union(
        [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()],
        'give an address or a range, such as 10.0.0.5 or 10.0.0.0/24',
      ),
    )
    .default(['127.0.0.0/8', '::1']),
  oidc: z
    .strictObject({
      issuer: absolute,
      clientId: z.string().min(1).max(200),
      clientSecretEnv: variable.optional(),
      /** What stands on the button. */
      label: z.string().min(1).max(60).default('single sign-on'),
      scopes: z
        .array(z.string().min(1).max(100))
        .refine((scopes) => scopes.includes('openid'), 'add openid: without it no account is named')
        .default(['openid']),
    })
    .optional(),
  /** A session that is not used for so long is over. */
  sessionHours: z
    .number()
    .positive()
    .max(24 * 30)
    .default(12),
  /** Every session is over after so long. */
  sessionDays: z.number().positive().max(90).default(7),
})

const logSchema = z.strictObject({ level: z.enum(logLevels satisfies readonly LogLevel[]).default('info') })

/** Lists whose items are read one by one, so that a mistake in one does not hide those in the others. */
export const lists = { services: serviceSchema, hosts: hostSchema, bastions: bastionSchema, people: personSchema }

/** The single sections. A section that is left out is read as if it were empty, except prometheus. */
export const sections = {
  ssh: sshOptionsSchema,
  prometheus: prometheusSchema,
  store: SqliteConfig.extend({
    // With mongo the next one is read in its place; it stands here so that both are offered to whoever mistypes.
    kind: z
      .enum(['sqlite', 'mongo'])
      .default('sqlite')
      .transform(() => 'sqlite' as const),
  }),
  /** `store:` when its kind says so. */
  mongo: MongoConfig,
  console: consoleSchema,
  alerts: alertsSchema,
  ai: aiSchema,
  mcp: mcpSchema,
  slack: slackSchema,
  wecom: wecomSchema,
  log: logSchema,
}

/** Where knowledge lies unless told; the bundled folder is used when there is no such folder. */
export const usualKnowledge = 'knowledge'

/** Sections of one word. */
export const words = {
  knowledge: z.string().min(1).default(usualKnowledge),
  language: z.enum(['en', 'zh']).default('en'),
}

export type Host = z.output<typeof hostSchema>
export type Bastion = z.output<typeof bastionSchema>
