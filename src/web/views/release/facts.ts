import type { HostProgressView, ReleaseDetail, Tone, VerdictView, WindowView } from '../../../ports/console.ts'

/** Progress of hosts in the order in which a bar shows it: what runs the new version first, what is to come last. */
export const PROGRESS = [
  'healthy',
  'skipped',
  'rolled back',
  'failed',
  'unreachable',
  'rolling back',
  'deploying',
  'pending',
  'untouched',
] as const

export interface BatchProgress {
  /** 0 for hosts that the plan does not name. */
  id: number
  hosts: HostProgressView[]
  windowSeconds?: number
  atOnce?: number
  /** Hosts by state, in the order of the bar; states without hosts are left out. */
  counts: { state: string; count: number }[]
  /** Hosts that run the new version and passed: what the card's bar counts too. */
  healthy: number
}

/** The hosts' progress. When the release is over nothing is pending any more: what waited then was not touched. */
export function progressOf({ progress, over }: Pick<ReleaseDetail, 'progress' | 'over'>): HostProgressView[] {
  if (!over) return progress
  return progress.map((host) => (host.state === 'pending' ? { ...host, state: 'untouched' } : host))
}

/** The batches of the plan with their hosts' progress, in order; hosts outside of it form a batch 0 at the end. */
export function batchesOf(release: Pick<ReleaseDetail, 'progress' | 'plan' | 'over'>): BatchProgress[] {
  const byBatch = Map.groupBy(progressOf(release), (host) => host.batch)
  const planned = release.plan?.batches ?? []
  const ids = [...planned.map((batch) => batch.id), ...byBatch.keys()].filter((id, i, all) => all.indexOf(id) === i)
  return ids
    .sort((a, b) => (a || Number.MAX_SAFE_INTEGER) - (b || Number.MAX_SAFE_INTEGER))
    .map((id) => {
      const hosts = byBatch.get(id) ?? []
      const batch = planned.find((each) => each.id === id)
      return {
        id,
        hosts,
        windowSeconds: batch?.windowSeconds,
        atOnce: batch?.atOnce,
        counts: countStates(hosts),
        healthy: hosts.filter(({ state }) => state === 'healthy').length,
      }
    })
}

function countStates(hosts: HostProgressView[]): { state: string; count: number }[] {
  const counts = new Map<string, number>()
  for (const { state } of hosts) counts.set(state, (counts.get(state) ?? 0) + 1)
  const place = (state: string) => {
    const found = (PROGRESS as readonly string[]).indexOf(state)
    return found < 0 ? PROGRESS.length : found
  }
  return [...counts].map(([state, count]) => ({ state, count })).sort((a, b) => place(a.state) - place(b.state))
}

/** Hosts that need somebody's eye, with their reasons. */
export function troubled(release: Pick<ReleaseDetail, 'progress'>): HostProgressView[] {
  return release.progress.filter(({ state }) => ['failed', 'unreachable', 'skipped'].includes(state))
}

/**
 * Seconds of observation windows that are still to come, as the card counts them (how long deploying takes is not known
 * beforehand). Undefined when nothing is rolling out. `now` in milliseconds.
 */
export function secondsLeft(release: Pick<ReleaseDetail, 'state' | 'now' | 'plan'>, now: number): number | undefined {
  const { plan, now: where } = release
  if (release.state !== 'rolling out' || plan === undefined || where === undefined) return undefined
  const later = plan.batches
    .filter(({ id }) => id > where.batch)
    .reduce((sum, { windowSeconds }) => sum + windowSeconds, 0)
  const observing = where.doing === 'observing' && where.until !== undefined
  const here = observing
    ? Math.max(0, (new Date(where.until ?? '').getTime() - now) / 1000)
    : (plan.batches.find(({ id }) => id === where.batch)?.windowSeconds ?? 0)
  return later + here
}

/** The letter on a host's tile; those that are healthy, pending or untouched bear none, they are the usual cases. */
export const LETTERS: Record<string, string> = {
  healthy: '',
  pending: '',
  untouched: '',
  deploying: '↻',
  failed: '✕',
  unreachable: '?',
  skipped: '»',
  'rolling back': '↺',
  'rolled back': '↩',
}

/** Versions to go back to with the number of hosts each, most hosts first; null where there was none before. */
export function wayBack(versions: Record<string, string | null>): { version: string | null; hosts: number }[] {
  const counts = new Map<string | null, number>()
  for (const version of Object.values(versions)) counts.set(version, (counts.get(version) ?? 0) + 1)
  return [...counts].map(([version, hosts]) => ({ version, hosts })).sort((a, b) => b.hosts - a.hosts)
}

/** A job's state by the word that the server begins it with; `done` says its exit code too. */
const JOB_STATES = {
  new: { word: 'starting', tone: 'info' },
  starting: { word: 'starting', tone: 'info' },
  running: { word: 'running', tone: 'info' },
  succeeded: { word: 'succeeded', tone: 'good' },
  failed: { word: 'failed', tone: 'bad' },
  orphaned: { word: 'orphaned', tone: 'warn' },
  lost: { word: 'lost', tone: 'warn' },
  cancelled: { word: 'cancelled', tone: 'plain' },
  refused: { word: 'refused', tone: 'warn' },
} as const satisfies Record<string, { word: string; tone: Tone }>

type JobWord = (typeof JOB_STATES)[keyof typeof JOB_STATES]['word']

/** How a job's state is shown: `done 0` succeeded, `done 3: verify: digest` failed with that detail. Undefined for a new word. */
export function jobState(state: string): { word: JobWord; tone: Tone; detail: string } | undefined {
  const done = /^done (\d+)(?:: ([\s\S]*))?$/.exec(state)
  if (done !== null) {
    const [, code, reason] = done
    const detail =
      code === '0' ? (reason ?? '') : [`exit ${code}`, reason].filter((each) => each !== undefined).join(': ')
    return { ...JOB_STATES[code === '0' ? 'succeeded' : 'failed'], detail }
  }
  return Object.hasOwn(JOB_STATES, state) ? { ...JOB_STATES[state as keyof typeof JOB_STATES], detail: '' } : undefined
}

/** Which window it is: of a batch, and of which round when the batch was observed again. */
export function windowOf({ name, batch }: Pick<WindowView, 'name' | 'batch'>): { batch: number; round: number } {
  return { batch, round: Number(/\bround (\d+)/.exec(name)?.[1] ?? 1) }
}

/**
 * The number that the gate held against the limit: of errors the share of all requests in the window, of the rest the median of the
 * highest host. Undefined for a window whose verdict was replaced by a later round's.
 */
export function judgedValue(
  verdicts: VerdictView[],
  window: Pick<WindowView, 'batch' | 'verdict' | 'why'>,
  key: string,
): number | undefined {
  return verdicts
    .find(({ batch, verdict, why }) => batch === window.batch && verdict === window.verdict && why === window.why)
    ?.metrics.find((metric) => metric.key === key)?.value
}
