import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Person } from '../../access/config.ts'
import { actions, mayDo } from '../../access/policy.ts'
import { demoOnly, signInFailed } from '../../access/refusals.ts'
import type { Way } from '../../access/sessions.ts'
import { checkToken } from '../../access/tokens.ts'
import type { Fault } from '../../lib/fault.ts'
import type { SessionView, SignIn } from '../../ports/console.ts'
import { type AccessDeps, cookieName, fromOf, isSecure } from './guard.ts'
import { tries } from './limits.ts'
import { personView, toPersonView } from './people.ts'
import { answers } from './schema.ts'

interface SessionDeps extends AccessDeps {
  /** What everybody may know. */
  view: Pick<SessionView, 'language' | 'version' | 'channels'>
  /** How signing in through a provider is called; undefined when there is none. */
  oidc?: { label: string }
}

const sessionView = z.object({
  person: personView.nullable(),
  signIn: z.object({
    demo: z.array(personView),
    token: z.boolean(),
    oidc: z.object({ label: z.string() }).nullable(),
  }),
  may: z.array(z.string()),
  language: z.enum(['en', 'zh']),
  version: z.string(),
  channels: z.array(z.string()),
}) satisfies z.ZodType<SessionView>

const signIn = z.union([
  z.strictObject({ token: z.string().min(1).max(200) }),
  z.strictObject({ person: z.string().min(1).max(64) }),
]) satisfies z.ZodType<SignIn>

/** GET, POST and DELETE /api/v1/session: who one is, signing in, signing out. Each answers with the session as it is then. */
export function sessionRoutes(deps: SessionDeps): FastifyPluginAsync {
  const viewOf = (person: Person | undefined): SessionView => ({
    person: person === undefined ? null : toPersonView(person),
    signIn: { demo: deps.demo ? deps.people().map(toPersonView) : [], token: true, oidc: deps.oidc ?? null },
    may: person === undefined ? [] : actions.filter((action) => mayDo(person, action).ok),
    ...deps.view,
  })

  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>()
    app.setValidatorCompiler(validatorCompiler)
    app.setSerializerCompiler(serializerCompiler)
    const described = { tags: ['session'], response: answers(sessionView) }

    app.get(
      '/api/v1/session',
      { schema: { summary: 'Who one is, and how one may sign in', ...described } },
      async (request, reply) => {
        reply.header('cache-control', 'no-store')
        return viewOf(request.person)
      },
    )

    app.post(
      '/api/v1/session',
      // In the sandbox people go back and forth between persons.
      {
        config: tries(deps.demo ? 120 : 10),
        schema: { summary: 'Signs in with a personal token', body: signIn, ...described },
      },
      async (request, reply) => {
        const { person, way } = await recognise(deps, request, request.body)
        await startSession(deps, request, reply, person, way)
        return viewOf(person)
      },
    )

    app.delete('/api/v1/session', { schema: { summary: 'Signs out', ...described } }, async (request, reply) => {
      const secret = request.cookies[cookieName(deps)]
      const ended = secret !== undefined && (await deps.sessions.end(secret))
      if (ended) await noteAccess(deps, request, 'access.sign-out', request.person?.id, 'done', 'session')
      reply.clearCookie(cookieName(deps), cookieOptions(deps))
      return viewOf(undefined)
    })
  }
}

/** Opens a session, ends the one before it, sets the cookie, and writes it down. */
export async function startSession(
  deps: AccessDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  person: Person,
  way: Way,
): Promise<void> {
  // A new sign-in is a new session, never the old one under another person (no fixation).
  const before = request.cookies[cookieName(deps)]
  if (before !== undefined) await deps.sessions.end(before)
  const { secret, seconds } = await deps.sessions.open(person, way)
  reply.setCookie(cookieName(deps), secret, { ...cookieOptions(deps), maxAge: seconds })
  reply.header('cache-control', 'no-store')
  await noteAccess(deps, request, 'access.sign-in', person.id, 'done', targetOf(way))
}

/** Writes down a sign-in that failed, and hands the fault back to be thrown. */
export async function failSignIn(
  deps: AccessDeps,
  request: FastifyRequest,
  fault: Fault,
  target: string,
  why = fault.message,
): Promise<Fault> {
  await noteAccess(deps, request, 'access.sign-in', undefined, 'refused', target, why)
  return fault
}

async function recognise(
  deps: AccessDeps,
  request: FastifyRequest,
  body: SignIn,
): Promise<{ person: Person; way: Way }> {
  if ('person' in body) {
    // Who is there must not show from the answer.
    if (!deps.demo) throw await failSignIn(deps, request, demoOnly(), 'demo')
    const person = deps.people().find((each) => each.id === body.person)
    if (person === undefined) throw await failSignIn(deps, request, signInFailed(), 'demo', 'unknown person')
    return { person, way: { by: 'demo' } }
  }
  const token = await checkToken(deps.store, body.token, deps.clock)
  const person = deps.people().find((each) => each.id === token?.person)
  if (token === undefined || person === undefined) {
    const why = token === undefined ? 'unknown or revoked token' : `${token.person} is not among the people any more`
    throw await failSignIn(deps, request, signInFailed(), token === undefined ? 'token' : `token ${token.id}`, why)
  }
  return { person, way: { by: 'token', token: token.id } }
}

/** Strict: no other site's link or form carries the cookie. The console's pages need none; what they ask for is of this site. */
function cookieOptions(deps: AccessDeps) {
  return { path: '/', httpOnly: true, sameSite: 'strict', secure: isSecure(deps) } as const
}

function targetOf(way: Way): string {
  if (way.by === 'token') return `token ${way.token}`
  return way.by === 'oidc' ? `account ${way.subject}` : 'demo'
}

async function noteAccess(
  deps: AccessDeps,
  request: FastifyRequest,
  action: string,
  who: string | undefined,
  result: 'done' | 'refused',
  target: string,
  why?: string,
): Promise<void> {
  await deps.audit.note({ who: who ?? 'unknown', from: fromOf(request), action, target, result, why })
}
