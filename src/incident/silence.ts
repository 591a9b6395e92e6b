import { z } from 'zod'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { asFault } from '../lib/fault.ts'
import type { Matcher } from '../ports/silences.ts'
import { type Answer, no, yes } from '../release/answer.ts'
import { localTime } from '../release/issue.ts'
import { type Episode, episodesOf } from './alert.ts'
import { type IncidentBound, refuse, SILENCE_FIELDS } from './button.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { commonLabels } from './tally.ts'

/** Longer ones are forgotten by those who made them. */
const LONGEST_MS = 30 * 86_400_000
/** A press that has no outcome after this long belongs to a process that has died. */
const FORGOTTEN_MS = 60_000

const claimSchema = z.object({ by: z.string(), at: z.string(), failed: z.boolean().optional() })

/**
 * Silences the incident's alerts at the server that they come from, for the time and the reason that were given: every alert with
 * the labels that those which fire have in common. One press at a time makes one silence.
 */
export async function silence(
  desk: IncidentDesk,
  bound: IncidentBound,
  person: Person,
  fields: Record<string, string>,
): Promise<Answer> {
  const allowed = mayDo(person, 'incident.silence')
  if (!allowed.ok) return no(allowed.why, allowed.next)
  const incident = await desk.incidents.need(bound.incident)
  const refusal = refuse(incident, bound, desk.clock()) ?? refuseSource(desk, incident)
  if (refusal !== undefined) return refusal
  const wish = readWish(incident.id, fields)
  if ('ok' in wish) return wish
  const matchers = matchersOf(await episodesOf(desk.store, incident.id))
  if (matchers.length === 0) {
    return no(
      `The alerts of ${incident.id} have no label in common: a silence would hide everything.`,
      'silence single alerts at their source',
    )
  }
  const key = await claim(desk, incident, person)
  if (typeof key !== 'string') return key
  const from = desk.clock()
  const until = new Date(from.getTime() + wish.ms)
  const id = await create(desk, key, incident.group.source, {
    matchers,
    from,
    until,
    by: person.id,
    comment: `${incident.id}: ${wish.reason}`,
  })
  const made = { id, by: person.id, until: until.toISOString(), reason: wish.reason }
  await desk.incidents.update(incident.id, (current) =>
    current.silences.some((each) => each.id === id)
      ? undefined
      : { ...current, silences: [...current.silences, made], turn: current.turn + 1 },
  )
  await desk.flows.send(incident.id, `silenced/${id}`, { kind: 'silenced' })
  return yes(`Silenced for ${formatDuration(wish.ms)}, until ${localTime(until)}.`)
}

function refuseSource(desk: IncidentDesk, { group }: Incident): Answer | undefined {
  const source = desk.config.sources.find(({ name }) => name === group.source)
  if (source?.url !== undefined) return undefined
  const say =
    source === undefined
      ? `These alerts come from ${group.source}, which is no Alertmanager that Rollcall knows.`
      : `Rollcall does not know where the Alertmanager ${group.source} answers.`
  return no(say, `set url under alerts.sources for ${group.source} in rollcall.yaml, or silence them at their source`)
}

function readWish(id: string, fields: Record<string, string>): { ms: number; reason: string } | Answer {
  const [time, reason] = SILENCE_FIELDS.map(({ name, value = '', most }) => ({
    most,
    text: (fields[name] ?? value).trim(),
  }))
  const next = `/alerts silence ${id} 2h <reason>`
  const ms = parseDuration(time?.text ?? '')
  if (ms === undefined || ms <= 0) return no('The time is no duration such as 30m, 2h or 1d.', next)
  if (ms > LONGEST_MS)
    return no(
      `${formatDuration(ms)} is longer than ${formatDuration(LONGEST_MS)}, the most that may be silenced.`,
      next,
    )
  if (reason === undefined || reason.text === '') return no('A silence needs a reason.', next)
  if (reason.text.length > reason.most) return no(`The reason is longer than ${reason.most} characters.`, next)
  return { ms, reason: reason.text }
}

/** The labels that the firing alerts share, all equal. */
export function matchersOf(episodes: readonly Episode[]): Matcher[] {
  const alerts = episodes.map(({ alert }) => alert)
  const firing = alerts.filter(({ status }) => status === 'firing')
  const shared = Object.entries(commonLabels(firing.length > 0 ? firing : alerts))
  return shared.map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }))
}

/** The key of the press that goes on, or what the loser of a race is told. */
async function claim(desk: IncidentDesk, { id, turn }: Incident, person: Person): Promise<string | Answer> {
  const now = desk.clock()
  for (let n = 1; ; n++) {
    const key = `${id}/silence/${turn}/${n}`
    if (await desk.store.insert('presses', key, { by: person.id, at: now.toISOString() })) return key
    const { by, at, failed } = claimSchema.parse((await desk.store.get('presses', key))?.document)
    if (failed === true || now.getTime() - Date.parse(at) > FORGOTTEN_MS) continue
    return no(`${by} has pressed Silence already; it is being done.`)
  }
}

/** A press that came to nothing stands in nobody's way. */
async function create(
  desk: IncidentDesk,
  key: string,
  source: string,
  wanted: Parameters<IncidentDesk['silences']['create']>[1],
): Promise<string> {
  try {
    return await desk.silences.create(source, wanted)
  } catch (error) {
    const row = await desk.store.get('presses', key)
    if (row !== undefined) {
      await desk.store.put('presses', key, { ...claimSchema.parse(row.document), failed: true }, row.version)
    }
    throw asFault(error)
  }
}
