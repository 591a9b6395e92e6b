import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Table from 'cli-table3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../adapters/ssh/kit.ts'
import { compare, type Outcome, outputBegun, printedUnnoted, readOutcome } from './kill-outcome.ts'
import { CANDIDATE, createSlot, type KillHost, NEXT, type Scene, type Slot, serveArtifacts } from './kill-world.ts'
import { skipReal } from './sshd.ts'

/** Kills that run at the same time, each on hosts of its own; the smallest machine has two cores. */
const SLOTS = 4
const RANDOM_KILLS = 15
const CHANGES = 7
const QUICK = 0.04
const SLOW = 0.4

/** As long as it takes a person to end it. */
const LONG = { windows: ['10m', '10m'], interval: '10m' }
const ROLLING = { at: 'rolling out' } as const
const OBSERVING = { ...ROLLING, doing: 'observing' } as const

// A point of one story that an earlier story has, too, is not tried again: until they part, both do the same on hosts alike.
interface Told extends Scene {
  /** The point that the scene is there for. */
  passes: string
}
const scenes: Told[] = [
  {
    name: 'good release, each inconclusive gate promoted',
    hosts: ['bj-1', 'bj-2', 'bj-3'],
    until: 'done',
    passes: 'journaled release:held 2, over',
  },
  {
    name: 'failing host, rolled back',
    hosts: ['sh-1', 'sh-2'],
    bad: 'sh-2',
    until: 'rolled back',
    passes: 'journaled release:roll back sh-2, attempt 1',
  },
  {
    name: 'done, rolled back by its button',
    hosts: ['bj-1', 'bj-2'],
    until: 'rolled back',
    presses: () => [{ by: 'bob', action: 'release.rollback', at: 'done' }],
    passes: 'journaled rollback:roll back bj-1, attempt 1',
  },
  {
    name: 'approved twice',
    hosts: ['bj-1', 'bj-2'],
    until: 'done',
    lapse: true,
    presses: (world) => [{ by: 'bob', action: 'release.approve', at: 'awaiting approval', before: world.publish() }],
    passes: 'journaled release:tell: approval lapsed, round 1',
  },
  {
    name: 'paused in a window and between hosts, resumed, promoted in the windows',
    hosts: ['bj-1', 'bj-2', 'bj-3'],
    until: 'done',
    held: 'bj-2',
    policy: { ...LONG, minHealthyPercent: 66 },
    presses: (world) => [
      { by: 'bob', action: 'release.pause', ...OBSERVING, once: true },
      { by: 'bob', action: 'release.pause', ...ROLLING, changing: 'bj-2', once: true, after: world.letGo('bj-2') },
      { by: 'alice', action: 'release.resume', at: 'held' },
      { by: 'alice', action: 'release.promote', ...OBSERVING },
    ],
    passes: 'journaled wait release:batch 2, before wave 2, order 1',
  },
  {
    name: 'failed host, repaired and retried',
    hosts: ['sh-1', 'sh-2'],
    bad: 'sh-2',
    until: 'done',
    policy: { gate: 'ask' },
    presses: (world) => [
      { by: 'alice', action: 'release.retry', at: 'held', once: true, before: world.repair('sh-2') },
    ],
    passes: 'journaled release:deploy sh-2, batch 2, attempt 2, try 1',
  },
  {
    name: 'failed host, skipped',
    hosts: ['sh-1', 'sh-2'],
    bad: 'sh-2',
    until: 'done',
    policy: { gate: 'ask' },
    presses: () => [{ by: 'alice', action: 'release.skip', at: 'held', once: true }],
    passes: 'journaled release:batch 2: skipped hosts 1',
  },
  {
    name: 'aborted between the hosts of batch 1',
    hosts: ['bj-1', 'bj-2', 'bj-3'],
    until: 'aborted',
    held: 'bj-1',
    policy: { batches: ['100%'], windows: ['10m'], interval: '10m', minHealthyPercent: 66 },
    presses: (world) => [
      { by: 'bob', action: 'release.abort', ...ROLLING, changing: 'bj-1', after: world.letGo('bj-1') },
    ],
    passes: 'journaled wait release:batch 1, before wave 2, order 1',
  },
  {
    name: 'approved by two people',
    hosts: ['bj-1', 'bj-2'],
    until: 'done',
    policy: { approvals: 2 },
    presses: () => [
      { by: 'carol', action: 'release.approve', at: 'awaiting approval' },
      // Only when the flow has seen the first: two words at once would be one look.
      { by: 'dave', action: 'release.approve', at: 'awaiting approval', waiting: 'decision, round 1, look 2' },
    ],
    passes: 'journaled release:read the decision, round 1, look 2',
  },
]
/** Another configuration, and what shows of it on the plan. */
const CHANGED = {
  policy: { batches: ['100%'], windows: ['60ms'], gate: 'ask' },
  recipe: { start: ['./start', 'anew'], keep: 3 },
  plan: {
    plan: {
      batches: [{ windowSeconds: 0.06 }],
      rules: { gate: 'ask' },
      recipe: { run: { start: ['./start', 'anew'] }, keep: 3 },
    },
  },
}

const [good, failing, undone] = scenes as [Told, Told, Told]

interface Point {
  point: string
  nth: number
}

/** One life of a release with its kills. */
interface Life {
  what: string
  killed: number
  /** Why it did not end as the recorded run; empty when it did. */
  problems: string[]
  doubleEffects: number
  doubledMessages: number
}

interface Row {
  scenario: string
  points: number
  killed: number
  lives: number
  right: number
  doubleEffects: number
  doubledMessages: number
  seconds: number
}

describe.skipIf(skipReal)('the bot, killed with SIGKILL and started again', () => {
  const slots: Slot[] = []
  const rows: Row[] = []
  const wanted = new Map<string, Outcome>()
  const recorded = new Map<string, Point[]>()
  let artifacts: Awaited<ReturnType<typeof serveArtifacts>>
  let cache: string

  beforeAll(async () => {
    cache = mkdtempSync(join(tmpdir(), 'rollcall-kill-cache-'))
    artifacts = await serveArtifacts()
    for (let i = 1; i <= SLOTS; i++) slots.push(await createSlot(`kill-${i}`, artifacts, cache))
    await inSlots(scenes, record)
  }, 120_000)

  afterAll(async () => {
    await Promise.all(slots.map((slot) => slot.dispose()))
    await artifacts?.close()
    if (cache !== undefined) rmSync(cache, { recursive: true, force: true })
    if (rows.length > 0) console.log(tableOf(rows))
  }, 60_000)

  /** What the story leaves, and which points it passes, when nobody disturbs it. */
  async function record(slot: Slot, scene: Scene): Promise<void> {
    await slot.reset(scene, QUICK)
    expect(await slot.play(scene, { record: true }).ended).toMatchObject({ code: 0, errors: '' })
    const { outcome, wrong } = await readOutcome(slot)
    expect(wrong).toEqual([])
    wanted.set(scene.name, outcome)
    const times = new Map<string, number>()
    recorded.set(
      scene.name,
      slot.points().map((point) => {
        const nth = (times.get(point) ?? 0) + 1
        times.set(point, nth)
        return { point, nth }
      }),
    )
  }

  /** Starts the bot once more, lets it come to the end, and says what is not as it should be. */
  async function finish(
    slot: Slot,
    scene: Scene,
    what: string,
    killed: number,
    printed: string[] = [],
    restart = slot.play(scene),
  ): Promise<Life> {
    const ended = await restart.ended
    const { outcome, wrong } = await readOutcome(slot)
    const { differences, doubleEffects, doubled } = compare(wanted.get(scene.name)!, withoutTwins(outcome, printed))
    const problems = [...wrong, ...differences]
    if (ended.code !== 0) problems.unshift(`the restart ended with ${ended.code ?? ended.signal}`)
    if (ended.errors !== '') problems.push(`the restart said ${ended.errors.slice(0, 1000)}`)
    return { what, killed, problems, doubleEffects, doubledMessages: doubled.length }
  }

  /** One task after the other in each slot, all slots at the same time. */
  async function inSlots<T, R>(tasks: T[], work: (slot: Slot, task: T) => Promise<R>): Promise<R[]> {
    const queue = [...tasks]
    const results: R[] = []
    await Promise.all(
      slots.map(async (slot) => {
        for (let task = queue.shift(); task !== undefined; task = queue.shift()) results.push(await work(slot, task))
      }),
    )
    return results
  }

  /** Lives in the slots; what broke one of them is its problem, the others go on. */
  function liveAll<T>(tasks: T[], live: (slot: Slot, task: T) => Promise<Life>): Promise<Life[]> {
    return inSlots(tasks, (slot, task) => live(slot, task).catch((error: Error) => broken(JSON.stringify(task), error)))
  }

  function judge(scenario: string, points: number, lives: Life[], began: number): void {
    const sum = (of: (life: Life) => number) => lives.reduce((total, life) => total + of(life), 0)
    rows.push({
      scenario,
      points,
      killed: sum(({ killed }) => killed),
      lives: lives.length,
      right: lives.filter(({ problems }) => problems.length === 0).length,
      doubleEffects: sum(({ doubleEffects }) => doubleEffects),
      doubledMessages: sum(({ doubledMessages }) => doubledMessages),
      seconds: (performance.now() - began) / 1000,
    })
    expect(
      lives.filter(({ problems }) => problems.length > 0).map(({ what, problems }) => ({ what, problems })),
    ).toEqual([])
    expect(lives.filter((life) => life.doubleEffects + life.doubledMessages > 0)).toEqual([])
    expect(sum(({ killed }) => killed)).toBeGreaterThanOrEqual(points)
  }

  test.each(scenes)('at every point that was recorded: $name', { timeout: 600_000 }, async (scene) => {
    const before = scenes.slice(0, scenes.indexOf(scene)).flatMap(({ name }) => recorded.get(name)!)
    const known = new Set(before.map(({ point, nth }) => `${point} ${nth}`))
    const points = recorded.get(scene.name)!.filter(({ point, nth }) => !known.has(`${point} ${nth}`))
    expect(points).toContainEqual({ point: scene.passes, nth: 1 })
    const began = performance.now()
    const missed: Point[] = []
    const live = async (slot: Slot, kills: Point[]) => {
      await slot.reset(scene, QUICK)
      let killed = 0
      const printed: string[] = []
      for (const killAt of kills) {
        const { signal } = await slot.play(scene, { killAt }).ended
        if (signal === 'SIGKILL') killed++
        else missed.push(killAt)
        // A point of one flow may be reached while another flow's message is being printed.
        printed.push(...(await printedUnnoted(slot, printed)))
      }
      const what = kills.map(({ point, nth }) => `${point} (${nth})`).join(', then ')
      return finish(slot, scene, what, killed, printed)
    }
    const lives = await liveAll(inLives(points), live)
    // A press may have come before a kill already: then the rest of that release has no such point.
    lives.push(...(await liveAll(missed.splice(0), (slot, point) => live(slot, [point]))))
    judge(scene.name, points.length, lives, began)
    expect(missed).toEqual([])
  })

  test('while a job runs on a host, which goes on alone or is followed again', { timeout: 120_000 }, async () => {
    const starts = failing.hosts.flatMap((host) => [1, 2].map((nth) => ({ host, nth })))
    const tasks = starts.flatMap((start) => [true, false].map((alone) => ({ ...start, alone })))
    const began = performance.now()
    const lives = await liveAll(tasks, async (slot, { host: id, nth, alone }) => {
      await slot.reset(failing, QUICK)
      const host = slot.hosts().find((each) => each.id === id)!
      const begun = () => host.effects().filter((line) => line.startsWith('start')).length
      host.hold(nth)
      const first = slot.play(failing)
      await until(`start ${nth} on ${id}`, () => begun() === nth, 30)
      await outputBegun(slot, id)
      first.child.kill('SIGKILL')
      const { signal } = await first.ended
      const audit = join(host.service, '.rollcall', 'audit.log')
      const before = existsSync(audit) ? readFileSync(audit, 'utf8').split('\n').length - 1 : 0
      const visits = () => host.sshd.log().split('Accepted publickey').length
      const visited = visits()
      if (alone) host.hold(0)
      const second = slot.play(failing)
      if (!alone) {
        await until(`the bot is back on ${id}`, () => visits() > visited, 30)
        host.hold(0)
      }
      const life = await finish(slot, failing, `start ${nth} on ${id}`, signal === 'SIGKILL' ? 1 : 0, [], second)
      // Held, so it had not ended when its bot was killed.
      if (before !== nth - 1) life.problems.push(`${before} jobs had ended at the kill, not ${nth - 1}`)
      return life
    })
    judge('while a host works', tasks.length, lives, began)
  })

  test('and its configuration changed meanwhile: what was approved stays, the next release takes the new', {
    timeout: 300_000,
  }, async () => {
    const points = recorded.get(good.name)!
    const names = points.map(({ point }) => point)
    const begun = names.indexOf('after release:check again before the rollout, round 1')
    const over = names.indexOf('before release:done')
    expect(begun).toBeGreaterThan(0)
    const pick = (share: number) => points[Math.round(begun + share * (over - begun))]!
    const later = Array.from({ length: CHANGES }, (_, i) => pick((i + 1) / CHANGES))
    const lapsing = points.find(({ point }) => point === 'before release:check again before the rollout, round 1')!
    const began = performance.now()
    const lives = await liveAll([lapsing, ...later], async (slot, killAt) => {
      const what = `${killAt.point} (${killAt.nth}), then another configuration`
      const life: Life = { what, killed: 0, problems: [], doubleEffects: 0, doubledMessages: 0 }
      await slot.reset(good, QUICK)
      if ((await slot.play(good, { killAt }).ended).signal === 'SIGKILL') life.killed = 1
      const printed = await printedUnnoted(slot, [])
      slot.configure(CHANGED.policy, CHANGED.recipe)
      if (killAt !== lapsing) Object.assign(life, await finish(slot, good, what, life.killed, printed))
      else {
        expect(await slot.play(good).ended).toMatchObject({ code: 0, errors: '' })
        const { outcome, wrong } = await readOutcome(slot)
        life.problems.push(...wrong)
        expect(outcome.threads).toContain('The approval lapsed: the facts have changed since')
        expect(outcome.release).toMatchObject([CHANGED.plan])
      }
      const start = `start ${CANDIDATE}${killAt === lapsing ? ' anew' : ''}`
      const next = await slot.play(good, { version: NEXT }).ended
      expect(next).toMatchObject({ code: 0, errors: '' })
      const { outcome } = await readOutcome(slot)
      expect(outcome.release).toMatchObject([{ candidate: CANDIDATE }, { candidate: NEXT, ...CHANGED.plan }])
      for (const host of slot.hosts()) {
        const effects = ['stop v1.0.0', start, `stop ${CANDIDATE}`, `start ${NEXT} anew`]
        expect(outcome.hosts[host.id]).toMatchObject({ current: NEXT, effects, daemons: 1 })
      }
      return life
    })
    judge('configuration changed meanwhile', later.length + 1, lives, began)
  })

  test('at random, some of them twice', { timeout: 300_000 }, async () => {
    const seed = Number(process.env.ROLLCALL_KILL_SEED ?? Date.now() % 1_000_000)
    console.log(`random kills: ROLLCALL_KILL_SEED=${seed}`)
    const random = randomFrom(seed)
    const tasks = Array.from({ length: RANDOM_KILLS }, (_, i) => ({
      scene: scenes[i % scenes.length]!,
      at: i % 3 === 0 ? [random(), random()] : [random()],
    }))
    const lengths = new Map<string, number>()
    await inSlots(scenes, async (slot, scene) => {
      await slot.reset(scene, SLOW)
      const play = slot.play(scene)
      await until('the bot is open', () => play.said.out.includes('open'), 30)
      const opened = performance.now()
      await play.ended
      lengths.set(scene.name, performance.now() - opened)
    })
    const began = performance.now()
    const lives = await liveAll(tasks, async (slot, { scene, at }) => {
      let killed = 0
      const printed: string[] = []
      // One that came to its end before its moment is killed earlier the next time.
      for (let haste = 1; killed < at.length && haste < 8; haste *= 1.3) {
        await slot.reset(scene, SLOW)
        killed = 0
        printed.length = 0
        for (const share of at) {
          const play = slot.play(scene)
          await until('the bot is open', () => play.said.out.includes('open'), 30)
          await Promise.race([delay((share * lengths.get(scene.name)!) / at.length / haste), play.ended])
          play.child.kill('SIGKILL')
          if ((await play.ended).signal === 'SIGKILL') killed++
          printed.push(...(await printedUnnoted(slot, printed)))
        }
      }
      return finish(slot, scene, `${scene.name}, at ${at.map((share) => share.toFixed(3))}`, killed, printed)
    })
    judge(`at random, seed ${seed}`, tasks.flatMap(({ at }) => at).length, lives, began)
  })

  test('SIGTERM lets the job on the host end, a second process is refused, the next one goes on', {
    timeout: 120_000,
  }, async () => {
    const slot = slots[0]!
    const scene: Scene = { ...good, name: 'drained', hosts: undone.hosts }
    await record(slot, scene)
    await slot.reset(scene, QUICK)
    const [first, second] = slot.hosts() as [KillHost, KillHost]
    first.hold(1)
    const killAt = { point: `before release:deploy ${first.id}, batch 1, attempt 1, try 1`, nth: 1 }
    expect(await slot.play(scene, { killAt }).ended).toMatchObject({ signal: 'SIGKILL' })

    const a = slot.serve()
    await until('the job runs on the host', () => first.effects().length === 2, 30)
    const b = await slot.serve().ended
    expect(b).toMatchObject({ code: 1, out: '' })
    expect(b.errors).toContain(`The data folder ${slot.data} is in use by process ${a.child.pid}`)
    expect(b.errors).toContain(`Next: stop that process (kill ${a.child.pid})`)

    a.child.kill('SIGTERM')
    await until('it says that it ends', () => a.said.out.includes('Ending: what runs on hosts is finished first.'))
    // Its job on the host is held: it cannot have ended, and must not have left it.
    expect(a.child.exitCode).toBeNull()
    first.hold(0)
    const term = performance.now()
    expect(await a.ended).toMatchObject({ code: 0, errors: expect.not.stringContaining('"level"') })
    expect(performance.now() - term).toBeLessThan(10_000)
    const drained = (await readOutcome(slot)).outcome
    expect(drained.release).toMatchObject([{ hosts: { [first.id]: { at: 'healthy' } } }])
    expect(drained.hosts[first.id]).toMatchObject({ effects: ['stop v1.0.0', `start ${CANDIDATE}`], daemons: 1 })
    expect(second.effects()).toEqual([])

    const c = slot.serve()
    for (const batch of [1, 2]) {
      await until(`batch ${batch} is held`, () => c.said.out.split('    ↳ Held:').length === batch + 1, 30)
      c.child.stdin.write('/release promote shop\n')
    }
    await until('it is done', () => c.said.out.includes('↳ Done:'), 30)
    c.child.kill('SIGTERM')
    const last = await c.ended
    expect(last).toMatchObject({ code: 0, errors: expect.not.stringContaining('"level"') })
    writeFileSync(slot.transcript, readFileSync(slot.transcript, 'utf8') + a.said.out + last.out)
    // Its last steps may still have to come.
    const life = await finish(slot, scene, 'drained', 1)
    expect(life).toMatchObject({ problems: [], doubleEffects: 0, doubledMessages: 0 })
  })
})

function broken(what: string, error: Error): Life {
  return { what, killed: 0, problems: [error.message], doubleEffects: 0, doubledMessages: 0 }
}

/**
 * Three kills for each release, a third of the story apart: the later ones hit a process that goes on after the one before.
 * Later points of a name have a release for themselves: they are counted from the start of a process.
 */
function inLives(points: Point[]): Point[][] {
  const alone = points.filter(({ nth }) => nth > 1)
  const steps = points.filter((point) => !alone.includes(point))
  const third = Math.ceil(steps.length / 3)
  const lives = steps.slice(0, third).map((_, i) => steps.filter((_, place) => place % third === i))
  return [...lives, ...alone.map((point) => [point])]
}

/** Without the lines that a kill between a line and its note has made the next process print again. */
function withoutTwins(outcome: Outcome, printed: string[]): Outcome {
  const threads = [...outcome.threads]
  for (const title of printed) threads.splice(threads.indexOf(title), 1)
  return { ...outcome, threads }
}

function tableOf(rows: Row[]): string {
  const head = [
    'scenario',
    'points',
    'killed at',
    'releases ended right',
    'double effects',
    'doubled messages',
    'seconds',
  ]
  const table = new Table({ head, style: { head: [], border: [] } })
  for (const { scenario, points, killed, lives, right, doubleEffects, doubledMessages, seconds } of rows) {
    const percent = Math.floor((100 * killed) / points)
    const all = [scenario, points, `${killed} (${percent} %)`, `${right} of ${lives}`, doubleEffects, doubledMessages]
    table.push([...all, seconds.toFixed(0)])
  }
  return table.toString()
}

/** mulberry32, Tommy Ettinger, public domain: numbers from 0 to 1 that a seed repeats. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
