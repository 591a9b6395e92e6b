import type { From } from '../access/audit.ts'
import type { Person } from '../access/config.ts'
import type { IncidentDesk } from '../incident/desk.ts'
import { describe } from '../incident/matchers.ts'
import { matchersOf } from '../incident/silenced.ts'
import { asFault } from '../lib/fault.ts'
import type { Json } from '../ports/store.ts'
import type { Answer } from '../release/answer.ts'
import type { Desk } from '../release/desk.ts'
import { findRelease } from '../release/find.ts'
import type { Release } from '../release/release.ts'

/** What a press or a command is about to change. */
export interface Deed {
  action: string
  /** The id of a release, or a service: the release of it that is meant. */
  release?: string
  /** The id of an incident. */
  incident?: string
  /** What else it is about: a version, hosts. */
  about?: string
}

/** Who does it, and where from. */
interface Doer {
  person: Person
  from: From
}

/** Does it, and writes down who did it and what came of it: done, refused, or failed, with the release before and after. */
export async function audited<A extends Answer & { release?: string }>(
  desk: IncidentDesk,
  { person, from }: Doer,
  deed: Deed,
  act: () => Promise<A>,
): Promise<A> {
  const found = await look(desk, deed.release)
  const about = [found?.id ?? deed.release ?? deed.incident, deed.about]
  const target = about.filter((part) => part !== undefined && part !== '').join(' ')
  const before = found === undefined ? await incidentNow(desk, deed.incident) : stateOf(found)
  const note = { who: person.id, from, action: deed.action, target, before }
  try {
    const answer = await act()
    const after = answer.release === undefined ? await stateNow(desk, found, deed) : { release: answer.release }
    const came = answer.ok ? ({ result: 'done' } as const) : ({ result: 'refused', why: answer.text } as const)
    await desk.audit.note({ ...note, ...came, after })
    return answer
  } catch (error) {
    const fault = asFault(error)
    // What somebody could have done otherwise was refused; the rest is ours.
    const failed = fault.retry || fault.code.startsWith('internal.')
    const after = await stateNow(desk, found, deed)
    await desk.audit.note({ ...note, result: failed ? 'failed' : 'refused', why: fault.message, after })
    throw error
  }
}

/** A release that cannot be read is no reason to leave anything undone. */
async function look(desk: Desk, which: string | undefined): Promise<Release | undefined> {
  if (which === undefined) return undefined
  try {
    return await findRelease(desk, which)
  } catch {
    return undefined
  }
}

async function stateNow(desk: IncidentDesk, found: Release | undefined, { incident }: Deed): Promise<Json | undefined> {
  if (found === undefined) return incidentNow(desk, incident)
  const now = await look(desk, found.id)
  return now && stateOf(now)
}

/** What of an incident a decision can change at once; one that cannot be read is no reason to leave anything undone. */
async function incidentNow(desk: IncidentDesk, id: string | undefined): Promise<Json | undefined> {
  if (id === undefined) return undefined
  try {
    const incident = await desk.incidents.get(id)
    if (incident === undefined) return undefined
    const { state, acknowledged, silences } = incident
    return {
      state: state.at,
      ...(acknowledged === undefined ? {} : { acknowledged: acknowledged.by }),
      silences: silences.map((silence) => {
        const { by, until, endedBy } = silence
        return { by, until, covers: describe(matchersOf(silence)), ...(endedBy === undefined ? {} : { endedBy }) }
      }),
    }
  } catch {
    return undefined
  }
}

/** What of a release a decision can change at once. */
function stateOf({ state, approvals, stop }: Release): Json {
  return {
    state: state.at,
    approvals: approvals.map(({ by }) => by),
    ...(stop ? { stop: `${stop.kind} by ${stop.by}` } : {}),
  }
}
