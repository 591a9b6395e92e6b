import { setTimeout as delay } from 'node:timers/promises'
import { createChannel } from '../../adapters/channel/index.ts'
import type { App } from '../../app.ts'
import { Fault } from '../../lib/fault.ts'
import type { Button, StoredPost } from '../../ports/chat.ts'

export const SERVICE = 'user-service'
/** A stage that takes longer has gone wrong; windows in the sandbox are seconds. */
export const STAGE_SECONDS = 180

/** What the chapters of the story are played on. */
export interface Stage {
  app: App
  say: (line: string) => void
  signal: AbortSignal
  /** What user-service depends on. */
  dependency: { name: string; running(): boolean; stop(): Promise<void>; start(): Promise<void> }
}

export type Release = Awaited<ReturnType<App['desk']['releases']['need']>>

/** States that a release does not leave by itself. */
const STANDING = ['refused', 'rejected', 'expired', 'superseded', 'held', 'done', 'rolled back', 'aborted']

export async function command({ app, say }: Stage, person: string, text: string) {
  say(`\n${person}> ${text}`)
  const answer = await app.command(person, text)
  say(`  (to ${person}) ${answer.text}`)
  if (answer.message !== undefined) say(app.render(answer.message))
  return answer
}

/** Presses what the release's card shows, as a person would: the id is read from the card. */
export async function press(stage: Stage, person: string, release: string, action: string) {
  const card = await stage.app.card(release)
  const button = card.buttons.find((each) => each.action === action)
  if (button === undefined) throw wrong(`the card of ${release} has no button ${action}`)
  return pressButton(stage, person, button, `on the card of ${release}`)
}

export async function pressButton({ app, say }: Stage, person: string, button: Button, where: string) {
  say(`\n${person} presses ${button.label} ${where}`)
  const answer = await app.press(person, button.id)
  say(`  (to ${person}) ${answer.text}`)
  return answer
}

/** alice asks for a version; resolves with the release's id when people have its plan before them. */
export async function request(stage: Stage, version: string): Promise<string> {
  const answer = await command(stage, 'alice', `/release ${SERVICE} ${version}`)
  expect(answer.ok, `the request was refused: ${answer.text}`)
  const id = /^R-\d+/.exec(answer.text)?.[0] ?? ''
  await reach(stage, id, 'awaiting approval')
  await shown(stage, `${id}/preparation, round 1`)
  return id
}

/** Asked for by alice, approved by bob. */
export async function approved(stage: Stage, version: string): Promise<string> {
  const id = await request(stage, version)
  expect((await press(stage, 'bob', id, 'release.approve')).ok, "bob's approval was refused")
  return id
}

/** Waits until the release stands at `wanted`; one that stands elsewhere, but where it comes from, ends the story at once. */
export function reach(stage: Stage, id: string, wanted: string, from?: string): Promise<Release> {
  return becomes(stage, id, wanted, ({ state }) => state.at === wanted, from)
}

/** Waits until the release is as asked. `what` says it for people; a release that stands still elsewhere ends the story at once. */
export function becomes(
  stage: Stage,
  id: string,
  what: string,
  ask: (release: Release) => boolean,
  from?: string,
): Promise<Release> {
  return until(stage, `${id} is not ${what}`, async () => {
    // Right after the request there is none yet.
    const release = await stage.app.desk.releases.get(id)
    if (release === undefined || ask(release)) return release
    const { state } = release
    const why = 'why' in state ? `: ${state.why}` : ''
    if (STANDING.includes(state.at) && state.at !== from) throw wrong(`${id} is ${state.at}, not ${what}${why}`)
    return undefined
  })
}

/** People press after they have read: waits until a message stands in the channel. */
export async function shown(stage: Stage, key: string): Promise<void> {
  await until(stage, `the channel never showed ${key}`, () => stage.app.desk.store.get('shown', `terminal/${key}`), 20)
}

/** Asks until there is an answer. Fault `demo.story` after STAGE_SECONDS. */
export async function until<T>(
  { signal }: Stage,
  otherwise: string,
  ask: () => Promise<T | undefined>,
  ms = 100,
): Promise<T> {
  const end = Date.now() + STAGE_SECONDS * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > end) throw wrong(`${otherwise} after ${STAGE_SECONDS} s`)
    await delay(ms, undefined, { signal })
  }
}

export async function allRun(stage: Stage, version: string): Promise<void> {
  const rows = await probed(stage)
  stage.say(`\nprobed: ${rows.map(([, host, , runs, state]) => `${host} ${runs} ${state}`).join(' · ')}`)
  expect(rows.length > 0 && rows.every(runs(version)), `not every host runs ${version}`)
}

export async function runEverywhere(stage: Stage, version: string): Promise<boolean> {
  return (await probed(stage)).every(runs(version))
}

const runs =
  (version: string) =>
  ([, , , found, state]: string[]) =>
    found === version && state === 'running'

async function probed({ app }: Stage): Promise<string[][]> {
  const { message } = await app.command('vera', `/hosts ${SERVICE}`)
  const table = message?.blocks.find((block) => block.type === 'table')
  return table?.type === 'table' ? table.rows : []
}

/** A message and what stands under it, in the order of posting. */
export async function threadOf({ app }: Stage, key: string): Promise<StoredPost[]> {
  const { store, clock, channel } = app.desk
  const log = createChannel({ store, clock, surfaces: [] })
  const head = await log.one(key)
  if (head === undefined) return []
  const { posts } = await log.page({ channel: head.channel ?? channel, thread: key, limit: 100 })
  return [head, ...posts]
}

/** The whole thread as people see it now. */
export async function sayThread(stage: Stage, key: string): Promise<void> {
  const [head, ...posts] = await threadOf(stage, key)
  if (head === undefined) throw wrong(`the channel has no ${key}`)
  stage.say(`\nThe thread as it stands:\n${stage.app.render(head.message)}`)
  for (const { message } of posts) stage.say(indented(stage.app.render(message)))
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line, i) => (i === 0 ? `    ↳ ${line}` : `      ${line}`))
    .join('\n')
}

export function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw wrong(otherwise)
}

export function wrong(say: string): Fault {
  return new Fault('demo.story', {
    say: `The story went another way: ${say}.`,
    next: 'look at what stands above, then at /status and /hosts',
  })
}
