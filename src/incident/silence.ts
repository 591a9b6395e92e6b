import { z } from 'zod'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { asFault } from '../lib/fault.ts'
import { type Answer, no, yes } from '../release/answer.ts'
import { localTime } from '../release/issue.ts'
import { episodesOf } from './alert.ts'
import { type IncidentBound, refuse, SILENCE_FIELDS, stale } from './button.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { describe, MOST_SILENCES, silencesFor, toMatchers, type Wanted } from './matchers.ts'
import { activeSilences, firingOf, type Silence, silencedUntil } from './silenced.ts'

/** Longer ones are forgotten by those who made them. */
const LONGEST_MS = 30 * 86_400_000
/** A press that has no outcome after this long belongs to a process that has died. */
const FORGOTTEN_MS = 60_000

const claimSchema = z.object({ by: z.string(), at: z.string(), failed: z.boolean().optional() })

/**
 * Silences the incident's alerts at the server that they come from, for the time and the reason that were given: what the button's
 * question said, or what `silencesFor` makes of those which fire. One press at a time makes silences, all that it needs or none.
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
  const wanted = await wantedOf(desk, incident, bound)
  if ('ok' in wanted) return wanted
  const key = await claim(desk, incident, person)
  if (typeof key !== 'string') return key
  const from = desk.clock()
  const until = new Date(from.getTime() + wish.ms)
  const ids = await create(desk, key, incident.group.source, wanted, {
    from,
    until,
    by: person.id,
    comment: `${incident.id}: ${wish.reason}`,
  })
  const [id = ''] = ids
  const parts = wanted.map((matchers, n) => ({ id: ids[n] ?? '', matchers }))
  const made: Silence = { id, by: person.id, until: until.toISOString(), reason: wish.reason, parts }
  await desk.incidents.update(incident.id, (current) =>
    current.silences.some((each) => each.id === id)
      ? undefined
      : { ...current, silences: [...current.silences, made], turn: current.turn + 1 },
  )
  await desk.flows.send(incident.id, `silenced/${id}`, { kind: 'silenced' })
  return yes(
    `Silenced for ${formatDuration(wish.ms)}, until ${localTime(until)}: alerts with ${describe(wanted)}. To end it: /alerts unsilence ${incident.id}`,
  )
}

/** What is to be silenced, by the alerts as they fire now where the button does not say. */
async function wantedOf(desk: IncidentDesk, incident: Incident, bound: IncidentBound): Promise<Wanted[] | Answer> {
  const alerts = (await episodesOf(desk.store, incident.id)).map(({ alert }) => alert)
  const firing = firingOf(alerts)
  const now = desk.clock()
  if (silencedUntil(activeSilences(incident, now), firing) !== undefined) return no(stale(incident, now))
  return (
    bound.silences ??
    silencesFor(desk.config, firing.length > 0 ? firing : alerts) ??
    no(
      `The alerts of ${incident.id} have too little in common: a silence would cover others as well, and one for each alert would be more than ${MOST_SILENCES}.`,
      'silence single alerts at their source',
    )
  )
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

/** Ids in the order of `wanted`. A press that came to nothing stands in nobody's way, and leaves no silence that is not known here. */
async function create(
  desk: IncidentDesk,
  key: string,
  source: string,
  wanted: readonly Wanted[],
  common: Omit<Parameters<IncidentDesk['silences']['create']>[1], 'matchers'>,
): Promise<string[]> {
  const ids: string[] = []
  try {
    for (const matchers of wanted) {
      ids.push(await desk.silences.create(source, { ...common, matchers: toMatchers(matchers) }))
    }
    return ids
  } catch (error) {
    for (const id of ids) {
      await desk.silences.expire(source, id).catch((failed: unknown) => {
        desk.log.warn({ silence: id, code: asFault(failed).code }, 'silence of a press that failed not ended')
      })
    }
    const row = await desk.store.get('presses', key)
    if (row !== undefined) {
      await desk.store.put('presses', key, { ...claimSchema.parse(row.document), failed: true }, row.version)
    }
    throw asFault(error)
  }
}
