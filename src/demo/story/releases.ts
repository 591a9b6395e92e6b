import { allRun, approved, expect, press, reach, request, runEverywhere, SERVICE, type Stage, shown } from './stage.ts'

/** A release from request to done; alice cannot approve her own. */
export async function good(stage: Stage, version: string): Promise<string> {
  const id = await request(stage, version)
  const own = await press(stage, 'alice', id, 'release.approve')
  expect(!own.ok && own.text.includes('somebody else'), `alice pressed Approve on her own request: ${own.text}`)
  const { state } = await stage.app.desk.releases.need(id)
  expect(state.at === 'awaiting approval', 'the refused press changed the release')
  expect((await press(stage, 'bob', id, 'release.approve')).ok, "bob's approval was refused")
  await reach(stage, id, 'done')
  await allRun(stage, version)
  return id
}

/** A release that its gate takes back from the canary; `before` is what runs then. Resolves with its id and the gate's reason. */
export async function bad(stage: Stage, version: string, before: string): Promise<{ id: string; why: string }> {
  const id = await approved(stage, version)
  const release = await reach(stage, id, 'rolled back')
  const touched = Object.values(release.hosts).filter((host) => host.at === 'rolled back')
  expect(touched.length === 1, `${touched.length} hosts had ${version}; the canary alone should have`)
  const failed = release.verdicts.at(-1)?.verdict
  expect(failed?.at === 'fail', `the gate said ${failed?.at ?? 'nothing'}, not fail`)
  await allRun(stage, before)
  await shown(stage, `${id}/rolled back`)
  await stage.app.desk.flows.finished(id)
  return { id, why: failed?.why ?? '' }
}

/** Takes back what an earlier story has released, so that this one finds an upgrade where it expects one. */
export async function backFrom(stage: Stage, version: string): Promise<void> {
  if (!(await runEverywhere(stage, version))) return
  for await (const { id, candidate, state } of stage.app.desk.releases.newest({ service: SERVICE })) {
    if (candidate !== version || state.at !== 'done') continue
    expect((await press(stage, 'bob', id, 'release.rollback')).ok, `${id} of the last story could not be rolled back`)
    const { flow } = await reach(stage, id, 'rolled back', 'done')
    return stage.app.desk.flows.finished(flow)
  }
}
