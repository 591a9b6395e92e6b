import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Table from 'cli-table3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../adapters/ssh/kit.ts'
import { compare, type Outcome, outputBegun, printedUnnoted, readOutcome } from './kill-outcome.ts'
import { CANDIDATE, createSlot, type KillHost, type Scene, type Slot, serveArtifacts } from './kill-world.ts'
import { skipReal } from './sshd.ts'

/** Kills that run at the same time, each on hosts of its own; the smallest machine has two cores. */
const SLOTS = 4
const RANDOM_KILLS = 15
const QUICK = 0.04
const SLOW = 0.4

// A point of one story that an earlier story has, too, is not tried again: until they part, both do the same on hosts alike.
const scenes: Scene[] = [
  { name: 'good release', hosts: ['bj-1', 'bj-2', 'bj-3'], until: 'done' },
  { name: 'failing host, rolled back', hosts: ['sh-1', 'sh-2'], bad: 'sh-2', until: 'rolled back' },
  { name: 'done, rolled back by its button', hosts: ['bj-1', 'bj-2'], until: 'rolled back', undo: true },
  { name: 'approved twice', hosts: ['bj-1', 'bj-2'], until: 'done', lapse: true },
]
const [good, failing, undone] = scenes as [Scene, Scene, Scene]

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
    await Promise.all(scenes.map((scene, i) => record(slots[i]!, scene)))
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

  /** Lives one after the other in each slot, all slots at the same time. */
  async function inSlots<T>(tasks: T[], live: (slot: Slot, task: T) => Promise<Life>): Promise<Life[]> {
    const queue = [...tasks]
    const lives: Life[] = []
    await Promise.all(
      slots.map(async (slot) => {
        for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
          lives.push(await live(slot, task).catch((error: Error) => broken(JSON.stringify(task), error)))
        }
      }),
    )
    return lives
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
    expect(points.length).toBeGreaterThan(20)
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
    const lives = await inSlots(inLives(points), live)
    // A press may have come before a kill already: then the rest of that release has no such point.
    lives.push(...(await inSlots(missed.splice(0), (slot, point) => live(slot, [point]))))
    judge(scene.name, points.length, lives, began)
    expect(missed).toEqual([])
  })

  test('while a job runs on a host, which goes on alone or is followed again', { timeout: 120_000 }, async () => {
    const starts = failing.hosts.flatMap((host) => [1, 2].map((nth) => ({ host, nth })))
    const tasks = starts.flatMap((start) => [true, false].map((alone) => ({ ...start, alone })))
    const began = performance.now()
    const lives = await inSlots(tasks, async (slot, { host: id, nth, alone }) => {
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

  test('at random, some of them twice', { timeout: 300_000 }, async () => {
    const seed = Number(process.env.ROLLCALL_KILL_SEED ?? Date.now() % 1_000_000)
    console.log(`random kills: ROLLCALL_KILL_SEED=${seed}`)
    const random = randomFrom(seed)
    const tasks = Array.from({ length: RANDOM_KILLS }, (_, i) => ({
      scene: scenes[i % scenes.length]!,
      at: i % 3 === 0 ? [random(), random()] : [random()],
    }))
    const lengths = new Map<string, number>()
    await Promise.all(
      scenes.map(async (scene, i) => {
        await slots[i]!.reset(scene, SLOW)
        const play = slots[i]!.play(scene)
        await until('the bot is open', () => play.said.out.includes('open'), 30)
        const opened = performance.now()
        await play.ended
        lengths.set(scene.name, performance.now() - opened)
      }),
    )
    const began = performance.now()
    const lives = await inSlots(tasks, async (slot, { scene, at }) => {
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
 * What people press is no step, and comes when it comes: those points, and later ones of a name, have a release for themselves.
 */
function inLives(points: Point[]): Point[][] {
  const alone = points.filter(({ point, nth }) => nth > 1 || / (send|start \w+)$/.test(point))
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
