import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import type { HostFacts, Job, JobKey, Recipe } from '../../ports/target.ts'
import type { Frame } from './frames.ts'
import { printable } from './frames.ts'
import { quote } from './quote.ts'

const script = (name: string) => readFileSync(join(import.meta.dirname, 'scripts', name), 'utf8')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/**
 * The fixed texts that are sent: the job protocol (what both sides know, the call, the runner that stays behind), and the
 * payload whose digest people approve.
 */
const jobScript = script('job.sh')
export const agentScript = script('agent.sh')
export const runnerScript = script('runner.sh')
export const deployScript = script('deploy.sh')
export const deployDigest = sha256(deployScript)

/**
 * The one command line that is ever executed. It reads a length and then exactly so many bytes from stdin, so login
 * shells and argument limits do not matter and the artifact may follow. `head -c` would not do: busybox's reads ahead.
 */
export const bootstrap = quote(['sh', '-c', script('bootstrap.sh').trim()])

// The texts are most of what is sent, and the same every time.
const head = quote(['set', '--', jobScript, agentScript])
const quoted = new Map([runnerScript, deployScript].map((text) => [text, quote([text])]))

/** What goes to stdin: length, the agent in its two parts, and its arguments quoted. */
export function program(verb: string, nonce: string, root: string, args: readonly string[]): Buffer {
  const rest = [verb, nonce, root, ...args].map((word) => quoted.get(word) ?? quote([word]))
  const text = `${head} ${rest.join(' ')}\neval "$1$2"`
  return Buffer.from(`${Buffer.byteLength(text)}\n${text}`)
}

export const newNonce = (): string => randomBytes(8).toString('hex')

/**
 * The job's folder name: release--host--step--attempt of [A-Za-z0-9._-], no leading dot or dash, one to one.
 * Other bytes become _hh, and so does a dash that would make `--` or stand at an end; an empty part is _; what is too
 * long for a file name ends in _h + sha256.
 */
export function encodeKey(key: JobKey): string {
  const parts = [key.release, key.host, key.step, String(key.attempt)].map(encodePart)
  const name = parts.join('--')
  return name.length <= 200 ? name : `${name.slice(0, 120)}_h${sha256(name)}`
}

function encodePart(part: string): string {
  const bytes = Buffer.from(part)
  let out = ''
  bytes.forEach((byte, index) => {
    const char = String.fromCharCode(byte)
    const edge = index === 0 || index === bytes.length - 1 || out.endsWith('-')
    const plain = /[A-Za-z0-9]/.test(char) || (char === '.' && index > 0) || (char === '-' && !edge)
    out += plain ? char : `_${byte.toString(16).padStart(2, '0')}`
  })
  return out === '' ? '_' : out
}

const line = z
  .string()
  .max(4096)
  .regex(/^[^\0\r\n]*$/, 'one line')
const argv = z.array(z.string().max(4096)).min(1).max(64)
const versionName = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/)
  .refine((name) => name !== 'current')
const httpUrl = line.regex(/^https?:\/\/\S+$/i)

const recipeSchema = z.object({
  service: line.min(1),
  root: line.refine((path) => /^~?\/[^/]/.test(path) && posix.normalize(path) === path && !path.endsWith('/'), {
    message: 'an absolute folder, or one below ~/, without ., .. or a slash at its end',
  }),
  run: z.discriminatedUnion('by', [
    z.object({ by: z.literal('commands'), start: argv, stop: argv }),
    z.object({ by: z.literal('systemd'), unit: line.regex(/^[A-Za-z0-9@][A-Za-z0-9:_.@\\-]*$/), sudo: z.boolean() }),
  ]),
  health: z.object({
    url: httpUrl.optional(),
    command: argv.optional(),
    timeoutSeconds: z.number().positive(),
    passes: z.number().int().positive(),
  }),
  commandSeconds: z.number().positive(),
  keep: z.number().int().positive(),
})

const jobSchema = z.object({
  kind: z.enum(['deploy', 'switch', 'remove']),
  version: versionName,
  artifact: z
    .union([
      z.object({ algorithm: z.literal('sha256'), digest: z.string().regex(/^[0-9a-f]{64}$/), url: httpUrl }),
      z.object({ algorithm: z.literal('md5'), digest: z.string().regex(/^[0-9a-f]{32}$/), url: httpUrl }),
    ])
    .optional(),
  epoch: z.number().int().nonnegative(),
  scriptDigest: z.string().regex(/^[0-9a-f]{64}$/),
  by: z.string().max(1000),
  timeoutSeconds: z.number().positive(),
})

/** Throws `target.bad-job` before anything is sent: what the scripts on the host rely on. */
export function checkJob(job: Job): void {
  checkRecipe(job.recipe)
  const checked = jobSchema.safeParse(job)
  if (!checked.success) throw badJob(checked.error)
  if (job.kind === 'deploy' && job.artifact === undefined) throw badJob('artifact: a deploy needs one')
}

export function checkRecipe(recipe: Recipe): void {
  const checked = recipeSchema.safeParse(recipe)
  if (!checked.success) throw badJob(checked.error)
  const { url, command } = recipe.health
  if (recipe.run.by === 'commands' && url === undefined && command === undefined) {
    throw badJob('health: give url or command')
  }
}

function badJob(problem: z.ZodError | string): Fault {
  const what =
    typeof problem === 'string'
      ? problem
      : problem.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  return new Fault('target.bad-job', {
    say: `The job was not sent: ${what}.`,
    next: 'correct the service in rollcall.yaml',
  })
}

/** The health check as argv; a unit without a check of its own is asked whether it is active. */
function healthCommand(recipe: Recipe): string[] {
  if (recipe.health.command !== undefined) return recipe.health.command
  if (recipe.health.url !== undefined || recipe.run.by === 'commands') return []
  return ['systemctl', 'is-active', '--quiet', '--', recipe.run.unit]
}

const seconds = (value: number) => String(Math.max(1, Math.ceil(value)))

/**
 * The job's arguments as a text that runner and payload source. The first three are the runner's; the order of the rest
 * is that of the head of deploy.sh. `bytes` is the artifact's size when it is known, else 0.
 */
export function deployArgs(job: Job, bytes: number): string {
  const { recipe, artifact } = job
  const commands = recipe.run.by === 'commands' ? recipe.run : undefined
  const unit = recipe.run.by === 'systemd' ? recipe.run : undefined
  return quote([
    'set',
    '--',
    String(job.epoch),
    seconds(job.timeoutSeconds),
    auditFields(job),
    job.kind,
    recipe.service,
    job.version,
    recipe.root,
    String(recipe.keep),
    seconds(recipe.commandSeconds),
    unit?.unit ?? '',
    unit?.sudo ? '1' : '',
    quote(commands?.start ?? []),
    quote(commands?.stop ?? []),
    recipe.health.url ?? '',
    quote(healthCommand(recipe)),
    seconds(recipe.health.timeoutSeconds),
    String(recipe.health.passes),
    artifact?.delivery ?? '',
    artifact?.url ?? '',
    artifact?.algorithm ?? 'sha256',
    artifact?.digest ?? '',
    String(bytes),
  ])
}

/** The inside of the JSON object that becomes the host's audit line; the host adds what was there before, and the rc. */
function auditFields(job: Job): string {
  const { artifact } = job
  const fields = {
    at: `${new Date().toISOString().slice(0, 19)}Z`,
    key: encodeKey(job.key),
    kind: job.kind,
    to: job.kind === 'remove' ? '' : job.version,
    digest: artifact === undefined ? '' : `${artifact.algorithm}:${artifact.digest}`,
    by: printable(job.by),
  }
  return JSON.stringify(fields).slice(1, -1)
}

/** Arguments of the verb `run`, in the order of `submit` in agent.sh. */
export function runArgs(job: Job, from: number): string[] {
  const upload = job.artifact?.delivery === 'upload' ? job.artifact : undefined
  return [
    encodeKey(job.key),
    String(from),
    deployScript,
    deployArgs(job, 0),
    job.scriptDigest,
    upload?.algorithm ?? '',
    upload?.digest ?? '',
    job.version,
    runnerScript,
  ]
}

/** Arguments of the verb `probe`. */
export function probeArgs(recipe: Recipe): string[] {
  const unit = recipe.run.by === 'systemd' ? recipe.run : undefined
  return [recipe.health.url ?? '', unit?.unit ?? '', unit?.sudo ? '1' : '', ...healthCommand(recipe)]
}

const one = z.tuple([z.string()])
const many = z.array(z.string().max(128)).max(1000).default([])
const factsSchema = z.object({
  boot: one,
  clock: one.transform(([text]) => Number.parseFloat(text)).pipe(z.number().positive()),
  epoch: one
    .optional()
    .transform((value) => Number(value?.[0] ?? 0))
    .pipe(z.number().int().nonnegative()),
  free: one.transform(([text]) => Number(text) / 1024).pipe(z.number().nonnegative()),
  load: one.transform(([text]) => Number(text)).pipe(z.number().nonnegative()),
  cpus: one.transform(([text]) => Number(text)).pipe(z.number().int().positive()),
  state: z.tuple([z.enum(['running', 'unhealthy', 'stopped', 'absent'])]),
  version: one.optional(),
  previous: one.optional(),
  release: many,
  missing: many,
  unwritable: one.optional(),
})

/** A probe's answer, checked as data from outside. `sent` and `heard` are our clock in ms. Throws a ZodError. */
export function parseFacts(host: string, frames: readonly Frame[], sent: number, heard: number): HostFacts {
  const raw: Record<string, string[]> = {}
  for (const frame of frames) {
    if (frame.type !== 'fact') continue
    raw[frame.name] = [...(raw[frame.name] ?? []), printable(frame.value).slice(0, 256)]
  }
  const facts = factsSchema.parse(raw)
  return {
    host,
    ...(facts.version && { version: facts.version[0] }),
    ...(facts.previous && { previous: facts.previous[0] }),
    versions: facts.release,
    state: facts.state[0],
    freeDiskMb: Math.floor(facts.free),
    load1: facts.load,
    cpus: facts.cpus,
    missing: facts.missing,
    ...(facts.unwritable && { unwritable: facts.unwritable[0] }),
    epoch: facts.epoch,
    bootId: facts.boot[0],
    clockSkewSeconds: Math.round(facts.clock * 10 - (sent + heard) / 200) / 10,
  }
}
