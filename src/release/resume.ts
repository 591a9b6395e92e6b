import type { Person } from '../access/config.ts'
import type { Answer } from './answer.ts'
import type { Bound } from './button.ts'
import type { Desk } from './desk.ts'
import { steer } from './steer.ts'

/** Lets a held release go on where it stopped; an observation is begun anew. */
export function resume(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  return steer(desk, bound, person, 'resume')
}
