import { z } from 'zod'
import type { ArtifactSource } from '../ports/artifacts.ts'
import type { Recipe } from '../ports/target.ts'
import { redSchema } from './metrics-config.ts'
import { durationSchema, policySchema } from './policy-config.ts'

export { type Freeze, freezeSchema, type Policy, policySchema } from './policy-config.ts'

const nameSchema = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'use lower-case letters, digits and - only, at most 63, beginning with a letter or digit',
  )

/** An http or https URL. `{version}` may stand in its path or query, never in the part that says which server is asked. */
const urlTemplate = z.string().superRefine((template, context) => {
  const fail = (message: string, remedy: string): void =>
    context.addIssue({ code: 'custom', message, params: { remedy } })
  const probe = template.replaceAll('{version}', 'v0.0.0-probe')
  const url = URL.canParse(probe) ? new URL(probe) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return fail('is not an http or https URL', 'write it like https://host/path')
  if (url.origin.includes('v0.0.0-probe'))
    fail('has {version} in the server part', 'use {version} in the path or query only')
  if (url.username !== '' || url.password !== '')
    fail('holds a user or password', 'leave them out; anybody who sees a card would see them')
  const unknown = /\{(?!version\})[^}]*\}/.exec(template)
  if (unknown !== null) fail(`has ${unknown[0]}, which means nothing here`, 'use {version}')
})

const versionedUrl = urlTemplate.refine((template) => template.includes('{version}'), {
  error: 'has no {version}',
  params: { remedy: 'put {version} where the version stands' },
})

const checksumSchema = z
  .strictObject({
    /** The body is `<hex>` or lines of `<hex>  <name>`. */
    sha256Url: versionedUrl.optional(),
    /** For old packages only. */
    md5Url: versionedUrl.optional(),
    /** A file with lines of `<hex>  <name>`, as sha256sum writes it: a path on the bot's machine, or an URL. */
    file: z.string().min(1).optional(),
    algorithm: z.enum(['sha256', 'md5']).optional(),
  })
  .transform((given, context): ArtifactSource['checksum'] => {
    const { sha256Url, md5Url, file, algorithm } = given
    const fail = (message: string, remedy: string): typeof z.NEVER => {
      context.addIssue({ code: 'custom', message, params: { remedy } })
      return z.NEVER
    }
    if ([sha256Url, md5Url, file].filter((each) => each !== undefined).length !== 1) {
      return fail('needs exactly one of sha256Url, md5Url and file', 'name where the checksum of a version can be read')
    }
    if (algorithm !== undefined && file === undefined)
      return fail('has an algorithm without a file', 'leave algorithm out: the URL says it')
    if (sha256Url !== undefined) return { by: 'url', url: sha256Url, algorithm: 'sha256' }
    if (md5Url !== undefined) return { by: 'url', url: md5Url, algorithm: 'md5' }
    if (file === undefined || !/^https?:/.test(file))
      return { by: 'file', path: file ?? '', algorithm: algorithm ?? 'sha256' }
    const url = urlTemplate.safeParse(file)
    for (const issue of url.error?.issues ?? []) context.addIssue({ ...issue, code: 'custom', path: ['file'] })
    return { by: 'url', url: file, algorithm: algorithm ?? 'sha256' }
  })

const argvSchema = z
  .array(
    z.string().refine((word) => !word.includes('\0'), 'holds a NUL'),
    'expected a list of words such as [bin/start, --port, "8080"]',
  )
  .min(1, 'give the program and its arguments as a list')
  .refine((argv) => /^[^-\s]/.test(argv[0] ?? ''), 'must begin with the name of a program')

const hostUrl = z.string().refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
  error: 'is not an http or https URL',
  params: { remedy: 'write it as the host itself reaches it, like http://127.0.0.1:8080/health' },
})

const healthSchema = z
  .strictObject({
    url: hostUrl.optional(),
    command: argvSchema.optional(),
    timeout: durationSchema.prefault('60s'),
    passes: z.int().min(1).max(100).default(3),
  })
  .superRefine(
    (health, context) => {
      if ((health.url === undefined) !== (health.command === undefined)) return
      context.addIssue({
        code: 'custom',
        message: health.url === undefined ? 'has neither url nor command' : 'has both url and command',
        params: { remedy: 'give one: an url that answers 2xx, or a command that exits 0, on the host itself' },
      })
    },
    { when: isObject },
  )

const systemFolders =
  'bin boot dev etc home lib lib32 lib64 media mnt opt proc root run sbin srv sys tmp usr var'.split(' ')

const rootSchema = z
  .string()
  .regex(/^~?(\/[A-Za-z0-9._@+-]+)+$/, 'must be an absolute folder, or one below ~/, of letters, digits and . _ @ + -')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not contain . or ..')
  .refine((path) => !systemFolders.includes(path.slice(1)), {
    error: 'is a folder of the system',
    params: { remedy: 'use a folder of its own for each service, such as /opt/releases/user-service' },
  })

/** How the service is put on a host. `start` and `stop`, or `systemd`. Durations in milliseconds after parsing. */
export const recipeSchema = z
  .strictObject({
    /** Default: /opt/releases/<service>. */
    root: rootSchema.optional(),
    start: argvSchema.optional(),
    stop: argvSchema.optional(),
    systemd: z
      .strictObject({
        unit: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,200}$/, 'is not the name of a systemd unit'),
        sudo: z.boolean().default(false),
      })
      .optional(),
    health: healthSchema,
    commandTimeout: durationSchema.prefault('60s'),
    /** The current and the previous release are always among those kept. */
    keep: z.int().min(2, 'keep at least 2: the current release and the one to go back to').max(100).default(5),
  })
  .superRefine(
    ({ start, stop, systemd }, context) => {
      const commands = start !== undefined && stop !== undefined
      const partly = start !== undefined || stop !== undefined
      if (systemd === undefined ? commands : !partly) return
      context.addIssue({
        code: 'custom',
        message:
          systemd === undefined
            ? 'does not say how the service is started and stopped'
            : 'has a systemd unit and commands as well',
        params: { remedy: 'give start and stop, or systemd with its unit' },
      })
    },
    { when: isObject },
  )

/** Which hosts; conditions are joined by "and", without any it is all of them. */
export const selectorSchema = z.strictObject({
  ids: z.array(z.string()).min(1).optional(),
  regions: z.array(z.string()).min(1).optional(),
  labels: z.record(z.string(), z.string()).optional(),
})

export const serviceSchema = z
  .strictObject({
    name: nameSchema,
    repo: z.url().optional(),
    /** What the service is made of, such as http or postgres: knowledge files are found by them. */
    tags: z
      .array(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'use lower-case letters, digits, _ and - only'))
      .default([]),
    artifact: z.strictObject({
      url: versionedUrl,
      checksum: checksumSchema,
      delivery: z.enum(['host', 'upload']).default('host'),
    }),
    recipe: recipeSchema,
    hosts: selectorSchema.prefault({}),
    /** Services that call this one. */
    upstream: z.array(nameSchema).default([]),
    /** Services that this one calls. */
    downstream: z.array(nameSchema).default([]),
    red: redSchema.prefault({}),
    policy: policySchema.prefault({}),
  })
  .transform((service) => ({
    ...service,
    recipe: { ...service.recipe, root: service.recipe.root ?? `/opt/releases/${service.name}` },
  }))
export type Service = z.output<typeof serviceSchema>

/** The recipe in the form that the target port takes; seconds are rounded up. */
export function toRecipe(service: Service): Recipe {
  const { root, start, stop, systemd, health, commandTimeout, keep } = service.recipe
  return {
    service: service.name,
    root,
    run:
      systemd === undefined
        ? { by: 'commands', start: start ?? [], stop: stop ?? [] }
        : { by: 'systemd', unit: systemd.unit, sudo: systemd.sudo },
    health: {
      ...(health.url === undefined ? {} : { url: health.url }),
      ...(health.command === undefined ? {} : { command: health.command }),
      timeoutSeconds: Math.ceil(health.timeout / 1000),
      passes: health.passes,
    },
    commandSeconds: Math.ceil(commandTimeout / 1000),
    keep,
  }
}

/** Where the packages of the service lie, in the form that the artifacts port takes. */
export function toArtifactSource(service: Service): ArtifactSource {
  return service.artifact
}

/** True when the selector names this host. */
export function selects(
  selector: Service['hosts'],
  host: { id: string; region?: string; labels?: Record<string, string> },
): boolean {
  const { ids, regions, labels } = selector
  if (ids !== undefined && !ids.includes(host.id)) return false
  if (regions !== undefined && !regions.includes(host.region ?? '')) return false
  return Object.entries(labels ?? {}).every(([key, value]) => host.labels?.[key] === value)
}

function isObject(payload: { value: unknown }): boolean {
  return typeof payload.value === 'object' && payload.value !== null
}
