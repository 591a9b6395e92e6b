import type { Person } from '../access/config.ts'
import type { Answer } from './answer.ts'
import type { Bound } from './button.ts'
import type { Desk } from './desk.ts'
import { steer } from './steer.ts'

/** Tries the failed and unreachable hosts of a held release again: those that the press names, or all. */
export function retry(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  return steer(desk, bound, person, 'retry')
}
