import type { Person } from '../access/config.ts'
import type { Answer } from './answer.ts'
import type { Bound } from './button.ts'
import type { Desk } from './desk.ts'
import { steer } from './steer.ts'

/** Holds the release before its next host, or within its observation; what runs on a host is finished. */
export function pause(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  return steer(desk, bound, person, 'pause')
}
