import type { FastifyRequest } from 'fastify'
import { tooManyTries } from '../../access/refusals.ts'
import { Fault } from '../../lib/fault.ts'

/** How often one person may press, type or probe, or ask what a press would be answered; routes may set limits of their own. */
export const presses = {
  max: 120,
  timeWindow: '1 minute',
  // After the guard: who is signed in has an allowance of their own, wherever they are.
  hook: 'preValidation' as const,
  keyGenerator: (request: FastifyRequest) => request.person?.id ?? request.ip,
  errorResponseBuilder: (_request: FastifyRequest, { after }: { after: string }) =>
    new Fault('entry.too-many', { say: 'That were too many requests.', next: `wait ${after}, then try it again` }),
}

/** Options of a route that strangers try to get in by: at most `max` tries a minute and address. */
export function tries(max: number) {
  return {
    rateLimit: {
      max,
      timeWindow: 60_000,
      errorResponseBuilder: (_request: FastifyRequest, { ttl }: { ttl: number }) => tooManyTries(Math.ceil(ttl / 1000)),
    },
  }
}
