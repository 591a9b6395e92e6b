import { closed, countIncidents, expectVerdict, held, opened, reported, resolved } from './incidents.ts'
import { allRun, approved, becomes, expect, press, reach, type Stage, sayThread } from './stage.ts'

/**
 * The release did not do it: what the service depends on goes down while a good version is being observed. The report says so,
 * offers no rollback, and the release goes on when the dependency is back. Resolves with the ids of the release and the incident.
 */
export async function innocent(stage: Stage, version: string): Promise<{ id: string; incident: string }> {
  const { dependency, say } = stage
  const known = await countIncidents(stage)
  const id = await approved(stage, version)
  // Some hosts have it by then, and some do not: the report can tell them apart.
  const second = ({ state }: { state: { at: string; batch?: number; doing?: string } }) =>
    state.at === 'rolling out' && state.batch === 2 && state.doing === 'observing'
  await becomes(stage, id, 'observed with its second batch', second)
  say(`\n${dependency.name} goes down`)
  await dependency.stop()

  const { id: incident } = await opened(stage, id, known)
  await held(stage, id, incident)
  const { report, post } = await reported(stage, incident)
  expectVerdict(report, 'not the release')
  const dependencyCheck = report.verdict?.checks.find(({ name }) => name === 'dependency')
  const names = dependencyCheck?.speaks === 'against' && dependencyCheck.why.includes(dependency.name)
  expect(names, `the report does not blame ${dependency.name}: ${dependencyCheck?.why ?? 'it did not look'}`)
  expect(report.content.includes(dependency.name), `the text of the report does not name ${dependency.name}`)
  const offered = post.message.buttons.filter(
    ({ action, style }) => action === 'release.rollback' || style === 'primary',
  )
  expect(offered.length === 0, `the report of ${incident} offers ${offered.map(({ label }) => label).join(', ')}`)

  say(`\n${dependency.name} comes back`)
  await dependency.start()
  await resolved(stage, incident)
  await sayThread(stage, `${incident}/card`)
  expect((await press(stage, 'alice', id, 'release.resume')).ok, 'alice could not resume the release')
  await reach(stage, id, 'done', 'held')
  await allRun(stage, version)
  await closed(stage, incident)
  return { id, incident }
}
