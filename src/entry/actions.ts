import type { From } from '../access/audit.ts'
import type { Person } from '../access/config.ts'
import { mayDo, type Permission } from '../access/policy.ts'
import { type Sieve, withMissed } from '../access/sieve.ts'
import { acknowledge } from '../incident/acknowledge.ts'
import { type IncidentAction, type IncidentBound, readIncidentBound, refuse } from '../incident/button.ts'
import type { IncidentDesk } from '../incident/desk.ts'
import { diagnoseAgain } from '../incident/diagnose-again.ts'
import { endSilence } from '../incident/end-silence.ts'
import { refuseOffer, rollBack } from '../incident/offer.ts'
import { silence } from '../incident/silence.ts'
import { asFault } from '../lib/fault.ts'
import { abort } from '../release/abort.ts'
import { type Answer, no, stale, yes } from '../release/answer.ts'
import { approve, decide } from '../release/approve.ts'
import { actionsNow, type Bound, findButton } from '../release/button.ts'
import type { Desk } from '../release/desk.ts'
import { mayApprove } from '../release/override-freeze.ts'
import { pause } from '../release/pause.ts'
import { promote } from '../release/promote.ts'
import { reject } from '../release/reject.ts'
import type { Release } from '../release/release.ts'
import { resume } from '../release/resume.ts'
import { retry } from '../release/retry.ts'
import { skip } from '../release/skip.ts'
import { audited, type Deed } from './audited.ts'
import { noteFault } from './note-fault.ts'

type Press = (desk: IncidentDesk, bound: Bound, person: Person) => Promise<Answer>
type IncidentPress = (
  desk: IncidentDesk,
  bound: IncidentBound,
  person: Person,
  fields: Record<string, string>,
) => Promise<Answer>

/** Every button of every surface ends here: an action's name is the path of its code. */
export const ACTIONS: Record<string, Press> = {
  'release.approve': approve,
  'release.reject': reject,
  'release.pause': pause,
  'release.resume': resume,
  'release.promote': promote,
  'release.abort': abort,
  'release.retry': retry,
  'release.skip': skip,
  'release.rollback': rollBack,
}

/** The same for the buttons of an incident. */
export const INCIDENT: Record<IncidentAction, IncidentPress> = {
  'incident.acknowledge': acknowledge,
  'incident.diagnose-again': diagnoseAgain,
  'incident.silence': silence,
  'incident.end-silence': endSilence,
}

/** What a button does, and what it is about. */
type Bond = { of: 'release'; bound: Bound; act: Press } | { of: 'incident'; bound: IncidentBound; act: IncidentPress }

async function findBond({ store }: Desk, buttonId: string): Promise<Bond | undefined> {
  const row = await store.get('buttons', buttonId)
  if (row === undefined) return undefined
  const incident = readIncidentBound(row.document)
  if (incident !== undefined) return { of: 'incident', bound: incident, act: INCIDENT[incident.action] }
  const bound = await findButton(store, buttonId)
  const act = bound === undefined ? undefined : ACTIONS[bound.action]
  return bound === undefined || act === undefined ? undefined : { of: 'release', bound, act }
}

function deedOf(bond: Bond | undefined, buttonId: string, fields: Record<string, string> = {}): Deed {
  if (bond === undefined) return { action: 'unknown', about: `button ${buttonId}` }
  if (bond.of === 'release') {
    const { action, release, hosts } = bond.bound
    return { action, release, about: hosts?.join(' ') }
  }
  const { action, incident } = bond.bound
  return { action, incident, about: Object.values(fields).join(' ') }
}

/**
 * One press by one person, written into the audit log whatever comes of it. Always answers; what is wrong comes as words, not
 * as an exception. `fields` is what the button asked for.
 */
export async function press(
  desk: IncidentDesk,
  buttonId: string,
  person: Person,
  from: From = { surface: 'terminal' },
  fields: Record<string, string> = {},
): Promise<Answer> {
  try {
    const bond = await findBond(desk, buttonId)
    return await audited(desk, { person, from }, deedOf(bond, buttonId, fields), async () => {
      if (bond === undefined) return notKnown()
      if (bond.of === 'release') return bond.act(desk, bond.bound, person)
      return bond.act(desk, bond.bound, person, fields)
    })
  } catch (error) {
    const fault = asFault(error)
    noteFault(desk.log, fault, { button: buttonId.slice(0, 64), person: person.id })
    return no(fault.message, fault.next)
  }
}

/**
 * What a press would be answered now, without pressing: for a surface that asks a question first. The press itself checks
 * again, and more: who was quicker is known only then. A refusal is written into the audit log: it was tried. To ask costs
 * nothing, so `sieve` says which refusals are worth an entry of their own; the next one has the number of the others.
 */
export async function mayPress(
  desk: IncidentDesk,
  person: Person,
  buttonId: string,
  from: From = { surface: 'terminal' },
  sieve: Sieve = () => ({ pass: true, missed: 0 }),
): Promise<Answer> {
  const bond = await findBond(desk, buttonId)
  const answer = await foresee(desk, person, bond)
  if (answer.ok) return answer
  const deed = deedOf(bond, buttonId)
  const worth = sieve(deed.action)
  if (worth.pass)
    await audited(desk, { person, from }, deed, async () => ({
      ok: false,
      text: withMissed(answer.text, worth.missed),
    }))
  return answer
}

async function foresee(desk: IncidentDesk, person: Person, bond: Bond | undefined): Promise<Answer> {
  if (bond === undefined) return notKnown()
  if (bond.of === 'incident') {
    const allowed = mayDo(person, bond.bound.action)
    if (!allowed.ok) return no(allowed.why, allowed.next)
    return refuse(await desk.incidents.need(bond.bound.incident), bond.bound, desk.clock()) ?? yes('')
  }
  const { bound } = bond
  const release = await desk.releases.need(bound.release)
  const allowed = permission(person, bound.action, release)
  if (!allowed.ok) return no(allowed.why, allowed.next)
  if (!actionsNow(release).includes(bound.action)) return no(stale(release))
  const refusal = await refuseOffer(desk, bound)
  if (refusal !== undefined) return refusal
  return bound.action === 'release.approve' ? decide(release, bound, person, desk.clock()) : yes('')
}

function permission(person: Person, action: string, release: Release): Permission {
  if (action === 'release.approve') return mayApprove(person, release)
  // Whoever requested it may take the request back.
  return action === 'release.reject' && person.id === release.requester ? { ok: true } : mayDo(person, action)
}

function notKnown(): Answer {
  return no('This button is not known here.', 'type /status and use the card it names')
}
