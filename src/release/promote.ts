import type { Person } from '../access/config.ts'
import type { Answer } from './answer.ts'
import type { Bound } from './button.ts'
import type { Desk } from './desk.ts'
import { steer } from './steer.ts'

/** Ends the current observation as passed, on the presser's word. */
export function promote(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  return steer(desk, bound, person, 'promote')
}
