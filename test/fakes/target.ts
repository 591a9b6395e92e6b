import { Fault } from '../../src/lib/fault.ts'
import type { HostFacts, Job, JobKey, JobState, Target } from '../../src/ports/target.ts'

export interface FakeHost {
  version?: string
  previous?: string
  versions: string[]
  state: HostFacts['state']
  freeDiskMb: number
  load1: number
  missing: string[]
  epoch: number
  /** Jobs whose effect took place, in order: `deploy v1.1.0`. */
  effects: string[]
  down: boolean
  /** What the next jobs come to, in order; an empty list means success. */
  next: (
    | { rc: number; reason: string; leaves?: Partial<Pick<FakeHost, 'version' | 'state'>> }
    | { at: 'lost' | 'orphaned'; effect: boolean }
    | { at: 'unreachable'; effect: boolean }
  )[]
}

export interface FakeTarget extends Target {
  hosts: Map<string, FakeHost>
  jobs: Map<string, JobState>
  calls: string[]
  /** Called before a job takes effect: a test may press a button here. */
  during?: (job: Job) => Promise<void>
}

/**
 * Hosts in memory that keep the rules of the job protocol: one effect per key, no lower epoch, no other script, a tombstone on
 * cancel. For tests of the release logic; how real hosts behave is tested against sshd.
 */
export function createFakeTarget(ids: string[], version = 'v1.0.0'): FakeTarget {
  const hosts = new Map(ids.map((id): [string, FakeHost] => [id, newHost(version)]))
  const jobs = new Map<string, JobState>()
  const calls: string[] = []
  const need = (id: string): FakeHost => {
    const host = hosts.get(id)
    if (host === undefined) throw new Error(`no fake host ${id}`)
    if (host.down) throw unreachable(id)
    return host
  }
  const target: FakeTarget = {
    scriptDigest: 'f'.repeat(64),
    hosts,
    jobs,
    calls,
    async probe(id) {
      const host = need(id)
      return {
        host: id,
        version: host.version,
        previous: host.previous,
        versions: host.versions,
        state: host.version === undefined ? 'absent' : host.state,
        freeDiskMb: host.freeDiskMb,
        load1: host.load1,
        cpus: 1,
        missing: host.missing,
        epoch: host.epoch,
        bootId: 'boot',
        clockSkewSeconds: 0,
      }
    },
    async run(id, job, from, onOutput) {
      calls.push(`${job.kind} ${id} ${job.key.step}/${job.key.attempt}`)
      const host = need(id)
      const key = keyOf(job.key)
      const known = jobs.get(key)
      if (known !== undefined) return known
      if (job.scriptDigest !== target.scriptDigest)
        return { at: 'refused', why: 'digest', detail: 'the script is not the approved one' }
      if (job.epoch < host.epoch) return { at: 'refused', why: 'epoch', detail: `${host.epoch} was here` }
      host.epoch = job.epoch
      await target.during?.(job)
      const end = host.next.shift()
      const state = take(host, job, end)
      jobs.set(key, state)
      if (end !== undefined && 'at' in end && end.at === 'unreachable') throw unreachable(id)
      const text = `${job.kind} ${job.version}\n`
      if (from < text.length) await onOutput({ offset: from, text: text.slice(from), bytes: text.length - from })
      return state
    },
    async look(_id, key) {
      return { state: jobs.get(keyOf(key)) ?? { at: 'new' }, output: { offset: 0, text: '', bytes: 0 } }
    },
    async cancel(id, key) {
      need(id)
      const known = jobs.get(keyOf(key))
      if (known === undefined) jobs.set(keyOf(key), { at: 'cancelled' })
      return known ?? { at: 'cancelled' }
    },
    async fence(id, _recipe, epoch) {
      const host = need(id)
      host.epoch = Math.max(host.epoch, epoch)
    },
    async leave() {},
    async close() {},
  }
  return target
}

function newHost(version: string): FakeHost {
  return {
    version,
    versions: [version],
    state: 'running',
    freeDiskMb: 10_000,
    load1: 0.1,
    missing: [],
    epoch: 0,
    effects: [],
    down: false,
    next: [],
  }
}

function take(host: FakeHost, job: Job, end: FakeHost['next'][number] | undefined): JobState {
  if (end !== undefined && 'rc' in end) {
    Object.assign(host, end.leaves ?? {})
    return { at: 'done', rc: end.rc, reason: end.reason }
  }
  if (end === undefined || end.effect) {
    host.effects.push(`${job.kind} ${job.version}`)
    host.previous = host.version
    host.version = job.kind === 'remove' ? undefined : job.version
    if (job.kind === 'deploy') host.versions = [...new Set([...host.versions, job.version])]
    host.state = 'running'
  }
  return end !== undefined && end.at !== 'unreachable' ? { at: end.at } : { at: 'done', rc: 0 }
}

function keyOf(key: JobKey): string {
  return `${key.release}/${key.host}/${key.step}/${key.attempt}`
}

function unreachable(id: string): Fault {
  return new Fault('target.unreachable', {
    say: `${id} did not answer in 10 s.`,
    next: 'check it, then press Retry',
    retry: true,
  })
}
