import { z } from 'zod'

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, not the secret itself')

const address = z
  .url({ protocol: /^https?$/, error: 'an address such as http://prometheus:9090', abort: true })
  .refine((text) => new URL(text).username === '' && new URL(text).password === '', {
    error: 'no password in the address; use basicAuth',
  })
  .refine((text) => new URL(text).search === '' && new URL(text).hash === '', { error: 'no query and no fragment' })

const header = z.string().regex(/^[\t\x20-\x7e]*$/, 'printable ASCII only')

/** `prometheus:` in rollcall.yaml. Secrets are named, never written: they are read from the environment. */
export const prometheusSchema = z
  .strictObject({
    /** Base address; a path prefix is kept (Thanos, Mimir, a proxy). */
    url: address,
    bearerTokenEnv: variable.optional(),
    basicAuth: z.strictObject({ user: z.string().min(1), passwordEnv: variable }).optional(),
    timeoutSeconds: z.number().positive().max(300).default(10),
    /** Sent with each request, such as X-Scope-OrgID. */
    headers: z.record(z.string().regex(/^[A-Za-z0-9-]+$/, 'a header name'), header).default({}),
    /** PEM file of the authority that signed the server's certificate. */
    tlsCaFile: z.string().min(1).optional(),
  })
  .refine(({ bearerTokenEnv, basicAuth }) => bearerTokenEnv === undefined || basicAuth === undefined, {
    error: 'give either bearerTokenEnv or basicAuth',
    path: ['basicAuth'],
  })
export type PrometheusConfig = z.output<typeof prometheusSchema>
