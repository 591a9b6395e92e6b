import { setTimeout as delay } from 'node:timers/promises'
import { closed, countIncidents, expectVerdict, held, opened, recovered, reported, resolved } from './incidents.ts'
import { allRun, approved, becomes, expect, press, pressButton, reach, type Stage, sayThread, wrong } from './stage.ts'

/** alice looks at the canary for a moment; its gate needs several times as long to be sure. */
const GLANCE_MS = 3000

/**
 * The release did it: alice promotes a bad version past its gate, the alert fires and holds the rollout, the report proves it with
 * numbers and a chart, and Roll back stands under it. Resolves with the ids of the release and the incident.
 */
export async function guilty(stage: Stage, version: string, before: string): Promise<{ id: string; incident: string }> {
  const known = await countIncidents(stage)
  const id = await approved(stage, version)
  await becomes(stage, id, 'observed', ({ state }) => state.at === 'rolling out' && state.doing === 'observing')
  await delay(GLANCE_MS, undefined, { signal: stage.signal })
  expect((await press(stage, 'alice', id, 'release.promote')).ok, 'alice could not promote it past its gate')

  const { id: incident } = await opened(stage, id, known)
  await held(stage, id, incident)
  const { report } = await reported(stage, incident)
  expectVerdict(report, 'release')
  await pressRollback(stage, incident)
  await reach(stage, id, 'rolled back', 'held')
  await allRun(stage, before)
  await resolved(stage, incident)
  await recovered(stage, incident)
  await closed(stage, incident)
  await stage.app.desk.flows.finished(id)
  await sayThread(stage, `${incident}/card`)
  return { id, incident }
}

/** Presses what stands under the report; once more when it was put anew between the look and the press, as people do. */
async function pressRollback(stage: Stage, incident: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { post } = await reported(stage, incident)
    const button = post.message.buttons.find(({ action }) => action === 'release.rollback')
    if (button === undefined) throw wrong(`the report of ${incident} offers no rollback`)
    expect(button.style === 'primary', `Roll back under the report of ${incident} is ${button.style}, not primary`)
    const answer = await pressButton(stage, 'bob', button, `under the report of ${incident}`)
    if (answer.ok) return
    expect(tries < 3, `the rollback was refused: ${answer.text}`)
    await delay(500, undefined, { signal: stage.signal })
  }
}
