import type { From } from '../access/audit.ts'
import type { Person } from '../access/config.ts'
import { mayDo, type Permission } from '../access/policy.ts'
import { type Sieve, withMissed } from '../access/sieve.ts'
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
import { rollback } from '../release/rollback.ts'
import { skip } from '../release/skip.ts'
import { audited } from './audited.ts'
import { noteFault } from './note-fault.ts'

type Press = (desk: Desk, bound: Bound, person: Person) => Promise<Answer>

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
  'release.rollback': rollback,
}

/**
 * One press by one person, written into the audit log whatever comes of it. Always answers; what is wrong comes as words, not
 * as an exception.
 */
export async function press(
  desk: Desk,
  buttonId: string,
  person: Person,
  from: From = { surface: 'terminal' },
): Promise<Answer> {
  try {
    const bound = await findButton(desk.store, buttonId)
    const action = bound === undefined ? undefined : ACTIONS[bound.action]
    if (bound === undefined || action === undefined) {
      return await audited(desk, { person, from }, { action: 'unknown', about: `button ${buttonId}` }, async () =>
        notKnown(),
      )
    }
    const deed = { action: bound.action, release: bound.release, about: bound.hosts?.join(' ') }
    return await audited(desk, { person, from }, deed, () => action(desk, bound, person))
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
  desk: Desk,
  person: Person,
  buttonId: string,
  from: From = { surface: 'terminal' },
  sieve: Sieve = () => ({ pass: true, missed: 0 }),
): Promise<Answer> {
  const bound = await findButton(desk.store, buttonId)
  const answer = await foresee(desk, person, bound)
  if (answer.ok) return answer
  const deed =
    bound === undefined
      ? { action: 'unknown', about: `button ${buttonId}` }
      : { action: bound.action, release: bound.release, about: bound.hosts?.join(' ') }
  const worth = sieve(deed.action)
  if (worth.pass)
    await audited(desk, { person, from }, deed, async () => ({
      ok: false,
      text: withMissed(answer.text, worth.missed),
    }))
  return answer
}

async function foresee(desk: Desk, person: Person, bound: Bound | undefined): Promise<Answer> {
  if (bound === undefined || ACTIONS[bound.action] === undefined) return notKnown()
  const release = await desk.releases.need(bound.release)
  const allowed = permission(person, bound.action, release)
  if (!allowed.ok) return no(allowed.why, allowed.next)
  if (!actionsNow(release).includes(bound.action)) return no(stale(release))
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
