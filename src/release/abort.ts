import type { Person } from '../access/config.ts'
import type { Answer } from './answer.ts'
import type { Bound } from './button.ts'
import type { Desk } from './desk.ts'
import { steer } from './steer.ts'

/** Stops the release and leaves every host as it is; the card then states each host's version. */
export function abort(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  return steer(desk, bound, person, 'abort')
}
