import { appendFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { type App, createApp, readConfig } from '../../src/app.ts'

/**
 * The real bot in a process of its own, with the people who use it: they go on where the release stands, so that the same
 * call after a kill brings the story to its end. Exit code 0 at the end that was wanted, 3 at another one.
 */
export interface ChildOptions {
  config: string
  /** What the channel shows is added to this file. */
  transcript: string
  /** Where the story is to end. `rolled back` of a release that is done: by its button. */
  until: 'done' | 'rolled back'
  version: string
  /** Press Roll back once the release is done. */
  undo?: boolean
  /** Written by somebody while the first approval is asked for: what was approved is not true any more then. */
  meanwhile?: { file: string; text: string }
  /** Adds the name of each durable point to this file. */
  points?: string
  /** Ends itself with SIGKILL when the point is reached for the nth time. */
  killAt?: { point: string; nth: number }
}

const SECONDS = 60
const options: ChildOptions = JSON.parse(process.argv[2] ?? '')
let hits = 0

const app = await createApp(readConfig(options.config), {
  write: (text) => appendFileSync(options.transcript, text),
  probe(point) {
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

/** Alice requests and promotes, bob approves and rolls back. Each presses once for what the card shows. */
async function play({ desk, command, press, card }: App): Promise<string> {
  const pressed = new Set<string>()
  const id = (await requested(desk)) ?? (await ask(command))
  for (const until = performance.now() + SECONDS * 1000; performance.now() < until; await delay(15)) {
    const release = await desk.releases.get(id)
    if (release === undefined) continue
    const { state, turn } = release
    const wish = wishFor(state.at)
    if (wish !== undefined) {
      const button = (await card(id)).buttons.find(({ action }) => action === wish.action)
      if (button === undefined || pressed.has(`${turn} ${wish.action}`)) continue
      pressed.add(`${turn} ${wish.action}`)
      if (options.meanwhile !== undefined) writeFileSync(options.meanwhile.file, options.meanwhile.text)
      await press(wish.by, button.id)
    } else if (['done', 'rolled back', 'refused', 'aborted', 'expired'].includes(state.at)) {
      for (const flow of new Set([id, release.flow])) await desk.flows.finished(flow)
      return (await desk.releases.need(id)).state.at
    }
  }
  const { state } = await desk.releases.need(id)
  return `${state.at} after ${SECONDS} s: ${JSON.stringify(state)}`
}

function wishFor(at: string): { by: string; action: string } | undefined {
  if (at === 'awaiting approval') return { by: 'bob', action: 'release.approve' }
  if (at === 'held') return { by: 'alice', action: 'release.promote' }
  return at === 'done' && options.undo ? { by: 'bob', action: 'release.rollback' } : undefined
}

/** The release that is on its way already. A number that was taken before a kill, and no flow behind it, is nobody's release. */
async function requested(desk: App['desk']): Promise<string | undefined> {
  const numbers = await desk.store.read('release-numbers')
  for (const { seq } of numbers) if ((await desk.flows.status(`R-${seq + 1}`)) !== undefined) return `R-${seq + 1}`
  return undefined
}

async function ask(command: App['command']): Promise<string> {
  const answer = await command('alice', `/release shop ${options.version}`)
  const id = /^R-\d+/.exec(answer.text)?.[0]
  if (id === undefined) throw new Error(answer.text)
  return id
}
