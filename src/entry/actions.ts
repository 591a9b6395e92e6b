import type { Person } from '../access/config.ts'
import { asFault } from '../lib/fault.ts'
import { abort } from '../release/abort.ts'
import { type Answer, no } from '../release/answer.ts'
import { approve } from '../release/approve.ts'
import { type Bound, findButton } from '../release/button.ts'
import type { Desk } from '../release/desk.ts'
import { pause } from '../release/pause.ts'
import { promote } from '../release/promote.ts'
import { reject } from '../release/reject.ts'
import { resume } from '../release/resume.ts'
import { retry } from '../release/retry.ts'
import { rollback } from '../release/rollback.ts'
import { skip } from '../release/skip.ts'
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

/** One press by one person. Always answers; what is wrong comes as words, not as an exception. */
export async function press(desk: Desk, buttonId: string, person: Person): Promise<Answer> {
  try {
    const bound = await findButton(desk.store, buttonId)
    const action = bound === undefined ? undefined : ACTIONS[bound.action]
    if (bound === undefined || action === undefined)
      return no('This button is not known here.', 'type /status and use the card it names')
    return await action(desk, bound, person)
  } catch (error) {
    const fault = asFault(error)
    noteFault(desk.log, fault, { button: buttonId.slice(0, 64), person: person.id })
    return no(fault.message, fault.next)
  }
}
