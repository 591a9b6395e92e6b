import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { Fault } from '../../lib/fault.ts'
import type { Refusal } from '../../ports/console.ts'
import type { Desk } from '../../release/desk.ts'

const INTERNAL: Refusal = {
  code: 'internal.unexpected',
  say: 'Something went wrong inside Rollcall.',
  next: 'try it again; the log says what it was',
}

/** What a framework's error means to the one who asked; others of 4xx are told in general words. */
const KNOWN: Record<string, Refusal> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'entry.too-large', say: 'That is too large.', next: 'send less' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'entry.not-json',
    say: 'The body must be JSON.',
    next: 'send it with content-type: application/json',
  },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'entry.not-json', say: 'The body is not JSON.', next: 'correct it' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'entry.not-json', say: 'The body is empty.', next: 'send JSON' },
  FST_ERR_HANDLER_TIMEOUT: { code: 'entry.timeout', say: 'That took too long.', next: 'try it again' },
}

/** Faults whose code says by itself how they are answered; a fault may also name its status in `data.status`. */
const STATUS: [RegExp, number][] = [
  [/^access\.sign-in$/, 401],
  [/^access\./, 403],
  [/\.(unknown|not-found|unknown-.*)$/, 404],
  [/\.too-many/, 429],
  [/\.too-large$/, 413],
  [/^store\.unavailable$/, 503],
  [/^internal\./, 500],
]

function statusOf(fault: Fault): number {
  const { status } = fault.data
  if (typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599) return status
  const known = STATUS.find(([code]) => code.test(fault.code))
  return known?.[1] ?? (fault.retry ? 503 : 400)
}

/** Any error as a status and a refusal: what nobody expected says nothing about itself, the log holds it. */
export function toRefusal(error: unknown): { status: number; refusal: Refusal } {
  if (error instanceof Fault) {
    const status = statusOf(error)
    if (error.code.startsWith('internal.')) return { status, refusal: INTERNAL }
    return { status, refusal: { code: error.code, say: error.message, next: error.next } }
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const said = error.validation.slice(0, 5).map(({ instancePath, message = '' }) => {
      const path = instancePath.replace(/^\//, '').replaceAll('/', '.').slice(0, 100)
      return `${path === '' ? '' : `${path}: `}${message.slice(0, 200)}`
    })
    const say = `That was not understood: ${said.join('; ')}.`
    return { status: 400, refusal: { code: 'entry.malformed', say, next: 'see /api/docs for what is expected' } }
  }
  const { code = '', statusCode = 500 } = (error ?? {}) as Partial<FastifyError>
  const known = KNOWN[code]
  if (known !== undefined) return { status: statusCode, refusal: known }
  if (statusCode >= 400 && statusCode < 500) {
    return {
      status: statusCode,
      refusal: { code: 'entry.refused', say: 'The request was not understood.', next: 'see /api/docs' },
    }
  }
  return { status: 500, refusal: INTERNAL }
}

/** The error handler of all routes. */
export function refuse({ log, redact }: Pick<Desk, 'log' | 'redact'>) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { status, refusal } = toRefusal(error)
    const fields = { method: request.method, route: request.routeOptions.url, status, code: refusal.code }
    if (status >= 500) log.error({ ...fields, err: error }, 'request failed')
    else log.debug(fields, 'request refused')
    return reply
      .code(status)
      .type('application/json; charset=utf-8')
      .send({ code: refusal.code, say: redact(refusal.say), next: redact(refusal.next) } satisfies Refusal)
  }
}
