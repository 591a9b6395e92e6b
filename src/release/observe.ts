import { formatDuration } from '../lib/duration.ts'
import type { Verdict } from './gate.ts'
import { hear } from './hear.ts'
import { deploying, hold, pausedBy, stopBy } from './hold.ts'
import { verdictBlocks } from './issue.ts'
import { lookAtMetrics } from './look.ts'
import type { Plan } from './plan.ts'
import type { Offer, State } from './release.ts'
import { type Course, mark, numbered, phase, type Scene, tell } from './scene.ts'
import type { Order } from './steer.ts'

type Batch = Plan['batches'][number]

/** What a window came to: the gate's last word, or an order that ended it. */
type Seen =
  | { at: 'verdict'; verdict: Verdict }
  | { at: 'promoted'; by: string }
  | { at: 'stopped'; course: Course }
  | { at: 'paused'; why: string }

/**
 * Observes a batch until its gate has spoken. Pass goes on; fail rolls back or asks, as the policy says; inconclusive and error
 * hold and ask: never promoted, never rolled back by themselves.
 */
export async function observeBatch(scene: Scene, batch: Batch): Promise<Course> {
  const last = batch.id === scene.plan.batches.at(-1)?.id
  for (;;) {
    const seen = await observeWindow(scene, batch)
    if (seen.at === 'stopped') return seen.course
    if (seen.at === 'promoted') {
      await tell(scene, numbered(scene, `batch ${batch.id}: promoted`), {
        title: `Batch ${batch.id}: promoted by ${seen.by} before the window ended`,
        tone: 'info',
        blocks: [],
      })
      return { go: 'on' }
    }
    if (seen.at === 'paused') {
      const offers: Offer[] = ['resume', 'promote', 'abort', 'rollback']
      const order = await hold(scene, {
        why: seen.why,
        offers,
        batch: batch.id,
        after: afterWindow(scene, batch),
      })
      const stop = stopBy(order)
      if (stop !== undefined) return stop
      if (order.kind === 'promote') return { go: 'on' }
      continue
    }
    const { verdict } = seen
    await tell(scene, numbered(scene, `batch ${batch.id}: gate`), {
      title: `Batch ${batch.id}: the gate says ${verdict.at}${verdict.at === 'pass' ? (last ? '' : ', on to the next batch') : `: ${verdict.why}`}`,
      tone: verdict.at === 'pass' ? 'good' : verdict.at === 'fail' ? 'bad' : 'warn',
      blocks: verdictBlocks(verdict),
    })
    if (verdict.at === 'pass') return { go: 'on' }
    if (verdict.at === 'fail' && scene.plan.rules.gate === 'automatic') {
      return { go: 'rollback', by: 'the gate', why: verdict.why }
    }
    const blind = scene.plan.thresholds.length === 0
    const order = await hold(scene, {
      why: `gate ${verdict.at}: ${verdict.why}`,
      offers: blind ? ['promote', 'rollback', 'abort'] : offersAfter(verdict.at),
      next: blind ? withMetrics(scene) : undefined,
      batch: batch.id,
      gate: verdict.at,
      after: afterWindow(scene, batch),
    })
    const stop = stopBy(order)
    if (stop !== undefined) return stop
    if (order.kind === 'promote') return { go: 'on' }
  }
}

/** After a hold at a window: the window once more, or, promoted, the next batch. After the last one nothing is deployed any more. */
function afterWindow({ plan }: Scene, batch: Batch): (now: Date, kind: Order['kind']) => State {
  return (now, kind) => {
    const next = plan.batches.find(({ id }) => id > batch.id)
    if (kind === 'promote' && next !== undefined) return deploying(next.id)(now)
    return observing(batch, now, kind === 'promote' ? 0 : batch.windowSeconds)
  }
}

function observing(batch: Batch, since: Date, seconds: number): State {
  const until = new Date(since.getTime() + seconds * 1000).toISOString()
  return { at: 'rolling out', batch: batch.id, doing: 'observing', since: since.toISOString(), until }
}

function offersAfter(verdict: Verdict['at']): Offer[] {
  return verdict === 'fail' ? ['rollback', 'resume', 'promote', 'abort'] : ['resume', 'promote', 'rollback', 'abort']
}

/** Approval is bound to the thresholds: a plan without any gets none later, so a new window would see no more than this one. */
function withMetrics({ id, request }: Scene): string {
  return `Resume would see no more. To have it watched: /release rollback ${id}, and once Prometheus has its metrics, ${request}`
}

/**
 * One window. The gate looks at every interval; `failureLimit` failing looks in a row end it early. At the end a pass, an
 * inconclusive or an error stands; a first fail at the very end is looked at again until it is confirmed or gone.
 */
async function observeWindow(scene: Scene, batch: Batch): Promise<Seen> {
  const { rules } = scene.plan
  const name = numbered(scene, `window of batch ${batch.id}, round`)
  const started = await scene.flow.now(name)
  const ends = new Date(started.getTime() + batch.windowSeconds * 1000)
  await mark(scene, `${name}: observing`, (release) => ({
    ...release,
    state: observing(batch, started, batch.windowSeconds),
  }))
  await phase(
    scene,
    `batch ${batch.id} of ${scene.plan.batches.length}: observing for ${formatDuration(batch.windowSeconds * 1000)}`,
  )
  // Each look may condemn: the gate shares its chance of a false alarm out among them.
  const looks = Math.max(1, Math.ceil((batch.windowSeconds * 1000) / rules.interval))
  let failures = 0
  let due = started.getTime()
  for (let look = 1; ; look++) {
    due = due < ends.getTime() ? Math.min(due + rules.interval, ends.getTime()) : due + rules.interval
    const stop = await waitUntil(scene, `${name}, look ${look}`, new Date(due), batch.id)
    if (stop !== undefined) return stop
    const verdict = await scene.flow.step(`${name}, judge ${look}`, () =>
      lookAtMetrics(scene, batch, started, { name, looks }),
    )
    failures = verdict.at === 'fail' ? failures + 1 : 0
    if (failures >= rules.failureLimit) return { at: 'verdict', verdict }
    // The clock went back to before the window: its next look would come that much later, and could see nothing till then.
    if (verdict.time * 1000 < started.getTime() && verdict.at !== 'pass') return { at: 'verdict', verdict }
    if (due >= ends.getTime() && verdict.at !== 'fail') return { at: 'verdict', verdict }
  }
}

/** Waits for a moment and heeds what people press meanwhile; undefined when the moment has come. */
async function waitUntil(scene: Scene, name: string, until: Date, batch: number): Promise<Seen | undefined> {
  for (let n = 1; ; n++) {
    const event = await scene.flow.wait(`${name}, order ${n}`, { until })
    if (event === undefined) return undefined
    const order = await hear(scene, event, { accepts: ['promote', 'pause'], batch })
    if (order === undefined) continue
    const course = stopBy(order)
    if (course !== undefined) return { at: 'stopped', course }
    if (order.kind === 'promote') return { at: 'promoted', by: order.by }
    if (order.kind === 'pause') return { at: 'paused', why: pausedBy(order) }
  }
}
