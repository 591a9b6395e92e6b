import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { fromDocument, toDocument } from '../lib/fault.ts'
import type { Json, Store } from '../ports/store.ts'
import type { Job, JobKey, JobState, Output } from '../ports/target.ts'
import type { Desk } from './desk.ts'
import type { Outcome, Scene } from './scene.ts'

/** The job's row in the store: one per key, readable in file names. */
export function jobId(key: JobKey): string {
  return `${key.release}/${key.host}/${key.step}/${key.attempt}`
}

/** A job for a host, from what was approved. Time: download, stop, start, health and unpacking, each within its own bound. */
export function jobFor(
  scene: Pick<Scene, 'desk' | 'plan' | 'epoch' | 'by'>,
  kind: Job['kind'],
  key: JobKey,
  version: string,
  by = scene.by,
): Job {
  const { recipe } = scene.plan
  return {
    key,
    kind,
    version,
    ...(kind === 'deploy' ? { artifact: scene.plan.artifact } : {}),
    recipe,
    epoch: scene.epoch,
    // A deploy runs the approved script or none. The way back must stay open even when the bot was renewed meanwhile.
    scriptDigest: kind === 'deploy' ? scene.plan.scriptDigest : scene.desk.target.scriptDigest,
    by,
    timeoutSeconds: 2 * recipe.commandSeconds + recipe.health.timeoutSeconds + (kind === 'deploy' ? 600 : 60),
  }
}

/** The part of a job's row that says whether it has ended. */
export interface Begun {
  state: JobState
}

export function endedState(rc: number, reason?: string): JobState {
  return { at: 'done', rc, ...(reason === undefined ? {} : { reason }) }
}

/**
 * Runs a job at most once per key: the key is durable before the host is contacted, the output goes into the stream
 * `output/<job>` numbered by byte offset, so that a second run after a crash adds only what is missing.
 */
export async function runJob(desk: Desk, job: Job): Promise<JobState> {
  const id = jobId(job.key)
  await desk.store.insert('jobs', id, {
    release: job.key.release,
    host: job.key.host,
    step: job.key.step,
    attempt: job.key.attempt,
    service: job.recipe.service,
    kind: job.kind,
    version: job.version,
    startedAt: desk.clock().toISOString(),
    state: { at: 'new' },
  })
  const stream = `output/${id}`
  const from = await endOfOutput(desk.store, stream)
  const ended = await whole(
    desk,
    job,
    await desk.target.run(job.key.host, job, from, async (chunk: Output) => {
      await desk.store.append(stream, { text: desk.redact(chunk.text), bytes: chunk.bytes }, chunk.offset)
    }),
  )
  const state = withoutSecrets(ended, desk.redact)
  await saveState(desk, id, state)
  return state
}

/** An orphaned job has lost its runner but still works: it is waited for, and ended when its time is over. */
async function whole(desk: Desk, job: Job, state: JobState): Promise<JobState> {
  const { host } = job.key
  const until = desk.clock().getTime() + job.timeoutSeconds * 1000
  let now = state
  while (now.at === 'orphaned' && desk.clock().getTime() < until) {
    await delay(ORPHAN_POLL_MS)
    now = (await desk.target.look(host, job.key, Number.MAX_SAFE_INTEGER, job.recipe.root)).state
  }
  return now.at === 'orphaned' ? desk.target.cancel(host, job.key, job.recipe.root) : now
}

/** The words in a job's end come from the host, as its output does. */
function withoutSecrets(state: JobState, redact: Desk['redact']): JobState {
  if (state.at === 'refused') return { ...state, detail: redact(state.detail) }
  return state.at === 'done' && state.reason !== undefined ? { ...state, reason: redact(state.reason) } : state
}

async function saveState(desk: Desk, id: string, state: JobState): Promise<void> {
  const row = await desk.store.get('jobs', id)
  if (row === undefined) return
  const document = { ...(row.document as object), state, endedAt: desk.clock().toISOString() } as unknown as Json
  await desk.store.put('jobs', id, document, row.version)
}

async function endOfOutput(store: Store, stream: string): Promise<number> {
  const [last] = await store.last(stream, 1)
  return last === undefined ? 0 : last.seq + (last.entry as { bytes: number }).bytes
}

/** The output of a job as one text, at most `limit` characters from its end. Masked once more: a secret may have come in two pieces. */
export async function readOutput(
  { store, redact }: Pick<Desk, 'store' | 'redact'>,
  job: string,
  limit = 4000,
): Promise<string> {
  const entries = await store.read(`output/${job}`)
  return redact(entries.map(({ entry }) => (entry as { text: string }).text).join('')).slice(-limit)
}

/**
 * What a job's end means. `lost` and `orphaned` say nothing about the effect, so the host is asked: if the version is there and
 * runs, the job did its work. Contact faults make the host `unreachable`, counted apart from failures.
 */
export async function outcomeOf(desk: Desk, job: Job, run: () => Promise<JobState>): Promise<Outcome> {
  const base = { host: job.key.host, attempt: job.key.attempt }
  const end = (at: Outcome['at'], why?: string): Outcome => ({ ...base, at, why, when: desk.clock().toISOString() })
  try {
    const state = await run()
    if (state.at === 'done')
      return state.rc === 0 ? end('healthy') : end('failed', state.reason ?? `exit code ${state.rc}`)
    if (state.at === 'refused') return end('failed', `${state.why}: ${state.detail}`)
    if (state.at === 'cancelled') return end('failed', 'the job was cancelled')
    const facts = await desk.target.probe(job.key.host, job.recipe)
    const there =
      job.kind === 'remove' ? facts.version === undefined : facts.version === job.version && facts.state === 'running'
    return there
      ? end('healthy')
      : {
          ...end('failed', `the job's runner disappeared (${state.at}); ${describe(facts.version, facts.state)}`),
          cause: 'runner-lost',
        }
  } catch (error) {
    const fault = toDocument(error)
    if (fault.code.startsWith('target.')) return end('unreachable', desk.redact(fromDocument(fault).line))
    throw error
  }
}

export function describe(version: string | undefined, state: string): string {
  return version === undefined ? 'no release is there' : `${version} is there and ${state}`
}

const ORPHAN_POLL_MS = 1000

const jobRowSchema = z.object({
  release: z.string(),
  host: z.string(),
  step: z.string(),
  attempt: z.number(),
  version: z.string(),
  startedAt: z.string(),
  state: z.object({
    at: z.string(),
    rc: z.number().optional(),
    reason: z.string().optional(),
    detail: z.string().optional(),
  }),
})

/** The jobs that ran on a host, oldest first: `R-3 deploy, attempt 1`, and how it came out in words. */
export async function jobsOf(store: Store, host: string) {
  const rows = await store.find('jobs', { where: { host } })
  return rows
    .map((row) => ({ id: row.id, ...jobRowSchema.parse(row.document) }))
    .map(({ id, release, step, attempt, version, startedAt, state }) => ({
      id,
      // The key's release is the number and a random token, which tells people nothing.
      job: `${release.split('.')[0]} ${step === 'deploy' ? 'deploy' : 'rollback'}, attempt ${attempt}`,
      version,
      startedAt,
      state: inWords(state),
    }))
    .sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
}

function inWords({ at, rc, reason, detail }: z.infer<typeof jobRowSchema>['state']): string {
  switch (at) {
    case 'new':
      return 'under way'
    case 'done':
      return rc === 0 ? 'succeeded' : `failed: ${reason ?? `exit code ${rc}`}`
    case 'lost':
      return 'its runner disappeared'
    case 'refused':
      return `refused by the host: ${detail ?? 'it did not say why'}`
    default:
      return at
  }
}
