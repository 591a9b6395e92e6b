import { setTimeout as delay } from 'node:timers/promises'
import type { App } from '../app.ts'
import { Fault } from '../lib/fault.ts'

const SERVICE = 'user-service'
/** Limits are derived from what the service did before; a sandbox that has just come up has no past. */
const HISTORY_SECONDS = 15
/** A stage that takes longer has gone wrong; windows in the sandbox are seconds. */
const STAGE_SECONDS = 180

/**
 * The main job, played by alice and bob: a good release from request to done, then a bad one that its gate takes back.
 * Throws Fault `demo.story` at the first stage that does not end as told.
 */
export async function playStory(app: App, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const type = async (person: string, text: string) => {
    say(`\n${person}> ${text}`)
    const answer = await app.command(person, text)
    say(`  (to ${person}) ${answer.text}`)
    if (answer.message !== undefined) say(app.render(answer.message))
    return answer
  }
  const press = async (person: string, release: string, action: string) => {
    const id = await buttonOf(app, release, action)
    say(`\n${person} presses ${action.replace('release.', '')} on ${release}`)
    const answer = await app.press(person, id)
    say(`  (to ${person}) ${answer.text}`)
    return answer
  }
  const playGood = async () => {
    const id = await request(app, type, 'v1.1.0', signal)
    const own = await press('alice', id, 'release.approve')
    expect(!own.ok && own.text.includes('somebody else'), `alice pressed Approve on her own request: ${own.text}`)
    expect((await stateOf(app, id)) === 'awaiting approval', 'the refused press changed the release')
    expect((await press('bob', id, 'release.approve')).ok, "bob's approval was refused")
    await reach(app, id, 'done', signal)
    await allRun(app, say, 'v1.1.0')
    return id
  }

  say(`The service runs for ${HISTORY_SECONDS} s first, so that it has a history to derive limits from.`)
  await delay(HISTORY_SECONDS * 1000, undefined, { signal })
  // In the console somebody may have released it before the story began.
  const good = (await runEverywhere(app, 'v1.1.0')) ? undefined : await playGood()
  const bad = await request(app, type, 'v1.2.0', signal)
  expect((await press('bob', bad, 'release.approve')).ok, "bob's approval was refused")
  await reach(app, bad, 'rolled back', signal)
  const release = await app.desk.releases.need(bad)
  const touched = Object.values(release.hosts).filter((host) => host.at === 'rolled back')
  expect(touched.length === 1, `${touched.length} hosts had v1.2.0; the canary alone should have`)
  const failed = release.verdicts.at(-1)?.verdict
  expect(failed?.at === 'fail', `the gate said ${failed?.at ?? 'nothing'}, not fail`)
  await allRun(app, say, 'v1.1.0')
  await shown(app, `${bad}/rolled back`, signal)
  await type('vera', '/status')
  say(`\nThe story ended as told: ${good ?? 'v1.1.0'} is released, ${bad} was taken back because ${failed?.why ?? ''}.`)
}

async function request(
  app: App,
  type: (person: string, text: string) => Promise<{ ok: boolean; text: string }>,
  version: string,
  signal: AbortSignal,
): Promise<string> {
  const answer = await type('alice', `/release ${SERVICE} ${version}`)
  expect(answer.ok, `the request was refused: ${answer.text}`)
  const id = /^R-\d+/.exec(answer.text)?.[0] ?? ''
  await reach(app, id, 'awaiting approval', signal)
  await shown(app, `${id}/preparation, round 1`, signal)
  return id
}

/** Waits until the release stands at `wanted`; a state from which it cannot come there any more ends the story at once. */
async function reach(app: App, id: string, wanted: string, signal: AbortSignal): Promise<void> {
  const until = Date.now() + STAGE_SECONDS * 1000
  const dead = ['refused', 'rejected', 'expired', 'superseded', 'held', 'done', 'rolled back', 'aborted']
  for (;;) {
    const release = await app.desk.releases.get(id)
    const at = release?.state.at ?? 'unknown'
    if (at === wanted) return
    const why = release !== undefined && 'why' in release.state ? `: ${release.state.why}` : ''
    if (dead.includes(at)) throw wrong(`${id} is ${at} where it should be ${wanted}${why}`)
    if (Date.now() > until) throw wrong(`${id} is still ${at} after ${STAGE_SECONDS} s where it should be ${wanted}`)
    await delay(100, undefined, { signal })
  }
}

/** People press after they have read: waits until a message stands in the channel. */
async function shown(app: App, key: string, signal: AbortSignal): Promise<void> {
  const until = Date.now() + STAGE_SECONDS * 1000
  while ((await app.desk.store.get('shown', `terminal/${key}`)) === undefined) {
    if (Date.now() > until) throw wrong(`the channel never showed ${key}`)
    await delay(20, undefined, { signal })
  }
}

async function stateOf(app: App, id: string): Promise<string> {
  return (await app.desk.releases.need(id)).state.at
}

/** Presses what the channel shows, as a person would: the id is read from the card. */
async function buttonOf(app: App, release: string, action: string): Promise<string> {
  const card = await app.card(release)
  const button = card.buttons.find((each) => each.action === action)
  if (button === undefined) throw wrong(`the card of ${release} has no button ${action}`)
  return button.id
}

async function allRun(app: App, say: (line: string) => void, version: string): Promise<void> {
  const rows = await probed(app)
  say(`\nprobed: ${rows.map(([, host, , runs, state]) => `${host} ${runs} ${state}`).join(' · ')}`)
  expect(rows.length > 0 && rows.every(runs(version)), `not every host runs ${version}`)
}

async function runEverywhere(app: App, version: string): Promise<boolean> {
  return (await probed(app)).every(runs(version))
}

const runs =
  (version: string) =>
  ([, , , found, state]: string[]) =>
    found === version && state === 'running'

async function probed(app: App): Promise<string[][]> {
  const { message } = await app.command('vera', `/hosts ${SERVICE}`)
  const table = message?.blocks.find((block) => block.type === 'table')
  return table?.type === 'table' ? table.rows : []
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw wrong(otherwise)
}

function wrong(say: string): Fault {
  return new Fault('demo.story', {
    say: `The story went another way: ${say}.`,
    next: 'look at what stands above, then at /status and /hosts',
  })
}
