import { appendFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { type App, createApp, readConfig } from '../../src/app.ts'
import { actionsNow } from '../../src/release/button.ts'
import type { Release } from '../../src/release/release.ts'

/**
 * The real bot in a process of its own, with the people who use it: they go on where the release stands, so that the same
 * call after a kill brings the story to its end. Exit code 0 at the end that was wanted, 3 at another one.
 */
export interface ChildOptions {
  config: string
  /** What the channel shows is added to this file. */
  transcript: string
  /** Where the story is to end. `rolled back` of a release that is done: by its button. */
  until: 'done' | 'rolled back' | 'aborted'
  version: string
  /** What people press; the first that fits what they see. */
  presses: Press[]
  /** Adds the name of each durable point to this file. */
  points?: string
  /** Ends itself with SIGKILL when the point is reached for the nth time. */
  killAt?: { point: string; nth: number }
}

/** One press by one person, for a release that stands as described. */
export interface Press {
  by: string
  action: string
  at: Release['state']['at']
  doing?: 'deploying' | 'observing'
  /** While this host is being changed. */
  changing?: string
  /** Not before the release's flow waits for this; nobody presses anything else till then. */
  waiting?: string
  /** Not a second time, whatever the release looks like later; an order, which the store remembers. */
  once?: boolean
  /** What the person does before and after. */
  before?: FileText
  after?: FileText
}

export interface FileText {
  file: string
  text: string
}

const SECONDS = 60
const options: ChildOptions = JSON.parse(process.argv[2] ?? '')
let hits = 0
let pressing = ''

const app = await createApp(readConfig(options.config), {
  write: (text) => appendFileSync(options.transcript, text),
  probe(stage) {
    // Each press sends one word; which one it is tells them apart.
    const point = stage.endsWith(' send') && pressing !== '' ? `${stage} of ${pressing}` : stage
    if (options.points !== undefined) appendFileSync(options.points, `${point}\n`)
    if (options.killAt?.point !== point || ++hits !== options.killAt.nth) return
    process.kill(process.pid, 'SIGKILL')
  },
})
await app.start()
process.stdout.write('open\n')
const end = await play(app)
await app.stop()
if (end !== options.until) {
  process.stderr.write(`the release ended as ${end}\n`)
  process.exitCode = 3
}

/** Alice requests. Each of the people presses once for what the card shows, again after a kill: nobody can know what came through. */
async function play({ desk, command, press, card }: App): Promise<string> {
  const pressed = new Set<string>()
  const id = (await requested(desk)) ?? (await ask(command))
  for (const until = performance.now() + SECONDS * 1000; performance.now() < until; await delay(15)) {
    const release = await desk.releases.get(id)
    if (release === undefined) continue
    const wish = await wishFor(desk, release)
    if (wish !== undefined) {
      const button = (await card(id)).buttons.find(({ action }) => action === wish.action)
      if (button === undefined || pressed.has(`${wish.by} ${button.id}`)) continue
      pressed.add(`${wish.by} ${button.id}`)
      if (wish.before !== undefined) writeFileSync(wish.before.file, wish.before.text)
      pressing = `${wish.action} by ${wish.by}, ${wish.doing ?? wish.at}`
      await press(wish.by, button.id)
      pressing = ''
      if (wish.after !== undefined) writeFileSync(wish.after.file, wish.after.text)
    } else if (['done', 'rolled back', 'refused', 'aborted', 'expired'].includes(release.state.at)) {
      for (const flow of new Set([id, release.flow])) await desk.flows.finished(flow)
      return (await desk.releases.need(id)).state.at
    }
  }
  const { state } = await desk.releases.need(id)
  return `${state.at} after ${SECONDS} s: ${JSON.stringify(state)}`
}

async function wishFor(desk: App['desk'], release: Release): Promise<Press | undefined> {
  const { state } = release
  const offered = actionsNow(release)
  for (const [place, wish] of options.presses.entries()) {
    if (wish.at !== state.at || !offered.includes(wish.action)) continue
    if (wish.doing !== undefined && state.at === 'rolling out' && wish.doing !== state.doing) continue
    if (wish.changing !== undefined && release.hosts[wish.changing]?.at !== 'deploying') continue
    if (wish.action === 'release.approve' && release.approvals.some(({ by }) => by === wish.by)) continue
    if (wish.once && (await heeded(desk, release, wish)) > earlier(place, wish)) continue
    return wish.waiting === undefined || (await waitingFor(desk, release)) === wish.waiting ? wish : undefined
  }
  return undefined
}

async function waitingFor(desk: App['desk'], { flow }: Release): Promise<string | undefined> {
  const status = await desk.flows.status(flow)
  return status?.at === 'running' ? status.waiting : undefined
}

/** Orders of this kind that the release has come past: those of its present turn may not have reached it. */
async function heeded(desk: App['desk'], { turn }: Release, { action }: Press): Promise<number> {
  const orders = (await desk.store.find('presses')).map(({ document }) => document as { kind: string; turn: number })
  return orders.filter((order) => `release.${order.kind}` === action && order.turn < turn).length
}

function earlier(place: number, { action }: Press): number {
  return options.presses.slice(0, place).filter((wish) => wish.once && wish.action === action).length
}

/** The release that is on its way already. A number that was taken before a kill, and no flow behind it, is nobody's release. */
async function requested(desk: App['desk']): Promise<string | undefined> {
  for (const { seq, entry } of await desk.store.read('release-numbers')) {
    if ((entry as { candidate: string }).candidate !== options.version) continue
    if ((await desk.flows.status(`R-${seq + 1}`)) !== undefined) return `R-${seq + 1}`
  }
  return undefined
}

async function ask(command: App['command']): Promise<string> {
  const answer = await command('alice', `/release shop ${options.version}`)
  const id = /^R-\d+/.exec(answer.text)?.[0]
  if (id === undefined) throw new Error(answer.text)
  return id
}
