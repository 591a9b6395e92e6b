import type { App } from '../../app.ts'
import type { StoredPost } from '../../ports/chat.ts'
import { becomes, expect, type Release, type Stage, threadOf, until, wrong } from './stage.ts'

type Desk = App['desk']
type Incident = Awaited<ReturnType<Desk['incidents']['need']>>
type Report = NonNullable<Awaited<ReturnType<Desk['reports']['get']>>>

/** How many incidents there are: those after are newer. */
export function countIncidents(stage: Stage): Promise<number> {
  return stage.app.desk.incidents.count()
}

/**
 * Waits for a thread about errors of this release that is newer than the first `known`. A release that has come to its end meanwhile was
 * quicker than the alert.
 */
export function opened(stage: Stage, release: string, known: number): Promise<Incident> {
  return until(stage, `no alert opened a thread about ${release}`, async () => {
    for await (const incident of stage.app.desk.incidents.newest()) {
      if (Number(incident.id.slice(2)) <= known) break
      if (incident.release?.id === release && incident.group.labels.alertname === 'HighErrorRate') return incident
    }
    const { state } = await stage.app.desk.releases.need(release)
    if (['done', 'rolling back', 'rolled back', 'aborted'].includes(state.at))
      throw wrong(`${release} was ${state.at} before an alert came${'why' in state ? `: ${state.why}` : ''}`)
    return undefined
  })
}

/** Waits until the incident holds the release; its card says for which alert. */
export async function held(stage: Stage, release: string, incident: string): Promise<Release> {
  const found = await becomes(stage, release, `held for ${incident}`, ({ state }) => state.at === 'held')
  const card = stage.app.render(await stage.app.card(release))
  expect(card.includes(incident), `the card of ${release} does not say that ${incident} holds it`)
  // The release is held first; then it is noted why.
  await until(stage, `${incident} does not say that it holds ${release}`, async () => {
    const { release: joined } = await stage.app.desk.incidents.need(incident)
    return (joined?.id === release && joined.held) || undefined
  })
  return found
}

/** Waits for the newest report in the thread, and for the message that shows it. */
export async function reported(stage: Stage, incident: string): Promise<{ report: Report; post: StoredPost }> {
  return until(stage, `${incident} has no report`, async () => {
    const { report: id } = await stage.app.desk.incidents.need(incident)
    const report = id === undefined ? undefined : await stage.app.desk.reports.get(id)
    if (report?.status === 'failed') throw wrong(`the diagnosis of ${incident} failed: ${report.content}`)
    if (report?.status !== 'completed') return undefined
    const post = (await threadOf(stage, `${incident}/card`)).findLast(({ key }) =>
      key.startsWith(`${incident}/report/`),
    )
    // The message is an edit of the one that said that a diagnosis is under way.
    return post?.message.blocks.some(({ type }) => type === 'picture') ? { report, post } : undefined
  })
}

/** Waits until nothing of it fires any more, and its card says how long it lasted. Resolves with that card's headline. */
export async function resolved(stage: Stage, incident: string): Promise<string> {
  return until(stage, `${incident} still fires`, async () => {
    const { state } = await stage.app.desk.incidents.need(incident)
    const words = await cardText(stage, incident)
    return state.at === 'resolved' && /^Resolved at .*, after /m.test(words) ? words : undefined
  })
}

/** Waits until the thread says what became of it after the rollback; throws unless it recovered. */
export async function recovered(stage: Stage, incident: string): Promise<void> {
  await until(stage, `${incident} does not say whether it recovered`, async () => {
    const { outcome } = await stage.app.desk.incidents.need(incident)
    if (outcome === undefined) return undefined
    expect(outcome.at === 'recovered', `${incident} is ${outcome.at}: ${outcome.why}`)
    return (await cardText(stage, incident)).includes('Recovered after') || undefined
  })
}

async function cardText(stage: Stage, incident: string): Promise<string> {
  const [card] = await threadOf(stage, `${incident}/card`)
  return (card?.message.blocks ?? []).flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n')
}

/** Waits until the thread is closed: nothing more is said in it. */
export async function closed(stage: Stage, incident: string): Promise<void> {
  await until(stage, `the thread of ${incident} is not closed`, async () => {
    const status = await stage.app.desk.flows.status(incident)
    if (status?.at === 'failed') throw wrong(`the thread of ${incident} broke off: ${status.why}`)
    return status?.at === 'done' || undefined
  })
}

/** Throws unless the verdict is as told. */
export function expectVerdict({ verdict, by }: Report, wanted: string): void {
  const said = verdict === undefined ? 'nothing' : `${verdict.at}: ${verdict.why}`
  expect(verdict?.at === wanted, `the report says ${said}, not ${wanted} (written by ${by})`)
}
