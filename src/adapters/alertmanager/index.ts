import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import { createRedactor } from '../../lib/redact.ts'
import type { Silences } from '../../ports/silences.ts'

export interface AlertmanagerSource {
  name: string
  /** Where its API answers; `/api/v2` is added. Undefined when nobody has said. */
  url?: string
  /** Sent as a bearer token. */
  token?: string
}

const created = z.object({ silenceID: z.string().min(1).max(100) })
const read = z.object({ status: z.object({ state: z.string() }) })
const listed = z.array(z.object({ fingerprint: z.string() }))
const server = z.object({ uptime: z.string() })
/** Characters of an answer that are read, and that are quoted in a fault. */
const LONGEST = 64 * 1024
const QUOTED = 300
/** About 30,000 alerts, as in a delivery; and its status, which has the whole configuration in it. */
const LONGEST_LIST = 32 * 1024 * 1024
const LONGEST_STATUS = 4 * 1024 * 1024
/**
 * It keeps no alerts over a restart: Prometheus sends those which fire again after each minute and evaluation at the latest, by
 * its own defaults (`--rules.alert.resend-delay` 1m, `evaluation_interval` 1m).
 */
const SETTLES_SECONDS = 300

const ALL = '/alerts?active=true&silenced=true&inhibited=true&unprocessed=true'

interface Answer {
  status: number
  body: string
}

/**
 * Silences through the API v2 of Alertmanager. One exchange takes at most `timeoutSeconds`; nothing is redirected, nothing is
 * tried again here. Faults `silence.unreachable` (retry) and `silence.refused`; no token appears in them. What fires is not known
 * during the first `settlesSeconds` (300 when left out) that it runs.
 */
export function createAlertmanagerSilences(options: {
  sources: readonly AlertmanagerSource[]
  timeoutSeconds: number
  settlesSeconds?: number
}): Silences {
  const { sources, timeoutSeconds, settlesSeconds = SETTLES_SECONDS } = options
  const clean = createRedactor(sources.flatMap(({ token }) => (token === undefined ? [] : [token]))).text

  const ask = async (
    name: string,
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    most = LONGEST,
  ): Promise<Answer> => {
    const { url, token } = needSource(sources, name)
    const headers = {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
    try {
      const answer = await fetch(`${url.replace(/\/+$/, '')}/api/v2${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutSeconds * 1000),
      })
      const text = await bounded(answer, most)
      if (answer.status >= 500 && method !== 'DELETE')
        throw unreachable(name, `it answers ${answer.status}: ${quote(text)}`)
      return { status: answer.status, body: text }
    } catch (error) {
      if (error instanceof Fault) throw error
      throw unreachable(name, reasonOf(error, timeoutSeconds))
    }
  }

  const quote = (text: string): string => clean(text).replace(/\s+/g, ' ').trim().slice(0, QUOTED)

  const stateOf = async (name: string, id: string): Promise<string | undefined> => {
    const answer = await ask(name, 'GET', `/silence/${encodeURIComponent(id)}`)
    if (answer.status === 404) return 'gone'
    return read.safeParse(parseJson(answer.body)).data?.status.state
  }

  return {
    async create(name, { matchers, from, until, by, comment }) {
      const answer = await ask(name, 'POST', '/silences', {
        matchers,
        startsAt: from.toISOString(),
        endsAt: until.toISOString(),
        createdBy: by,
        comment,
      })
      const made = answer.status === 200 ? created.safeParse(parseJson(answer.body)).data : undefined
      if (made === undefined) throw refused(name, `${answer.status}: ${quote(answer.body)}`)
      return made.silenceID
    },
    async expire(name, id) {
      const answer = await ask(name, 'DELETE', `/silence/${encodeURIComponent(id)}`)
      if (answer.status === 200) return
      // Versions differ in what they answer for one that is over; its state tells.
      const state = await stateOf(name, id)
      if (state === 'expired' || state === 'gone') return
      throw refused(name, `${answer.status}: ${quote(answer.body)}`)
    },
    async firing(name) {
      try {
        const status = await ask(name, 'GET', '/status', undefined, LONGEST_STATUS)
        const { uptime } = server.parse(parseJson(status.body))
        if (!(Date.now() - Date.parse(uptime) >= settlesSeconds * 1000)) return undefined
        const answer = await ask(name, 'GET', ALL, undefined, LONGEST_LIST)
        if (answer.status !== 200) return undefined
        return new Set(listed.parse(parseJson(answer.body)).map(({ fingerprint }) => fingerprint))
      } catch {
        return undefined
      }
    },
  }
}

function needSource(sources: readonly AlertmanagerSource[], name: string): { url: string; token?: string } {
  const source = sources.find((each) => each.name === name)
  if (source?.url !== undefined) return { url: source.url, token: source.token }
  throw new Fault('silence.refused', {
    say: `Rollcall does not know where the Alertmanager ${name} answers.`,
    next: `set url under alerts.sources for ${name} in rollcall.yaml, or silence them at their source`,
  })
}

async function bounded(answer: Response, most: number): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > most) break
  }
  return text.slice(0, most)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function reasonOf(error: unknown, seconds: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `it did not answer in ${seconds} s`
  const cause = error instanceof Error ? error.cause : undefined
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'connection lost'
}

function unreachable(name: string, why: string): Fault {
  return new Fault('silence.unreachable', {
    say: `The Alertmanager ${name} cannot be reached: ${why}.`,
    next: `check that it runs, and url under alerts.sources for ${name}`,
    retry: true,
  })
}

function refused(name: string, why: string): Fault {
  return new Fault('silence.refused', {
    say: `The Alertmanager ${name} refused it with ${why}.`,
    next: 'correct what it names, or silence them at their source',
  })
}
