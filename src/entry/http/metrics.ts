import type { FastifyReply, FastifyRequest } from 'fastify'
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { z } from 'zod'
import { isLoopback } from '../../access/addresses.ts'
import { mayDo } from '../../access/policy.ts'
import { notPermitted, signInFirst } from '../../access/refusals.ts'
import { createSieve, withMissed } from '../../access/sieve.ts'
import { asFault } from '../../lib/fault.ts'
import { INBOX } from '../reception-row.ts'
import { readSurfaces } from '../surface-health.ts'
import { createIsHere } from './alert-sources.ts'
import type { App, ServerDeps } from './deps.ts'
import { createTally } from './metrics-tally.ts'
import { refusal } from './schema.ts'

const METHODS = new Set(['GET', 'HEAD', 'POST', 'DELETE'])
/** An open line to a reader, which ends when the reader goes: no duration of an answer. */
const STREAM = '/api/v1/events'
/** More than so many wait is all that anybody needs to know, and all that is counted. */
const MOST = 1000
/** Milliseconds for which what was read about chat services and the inbox is told again. */
const KEPT_MS = 3000

let own: Registry | undefined

/** What the process itself is like: memory, handles, the event loop. Once, however many servers it has. */
function processMetrics(): Registry {
  if (own === undefined) {
    own = new Registry()
    collectDefaultMetrics({ register: own })
  }
  return own
}

/** Reads at most once in KEPT_MS; those who ask while it is being read wait for the same. What failed is not kept. */
function kept<T>(read: () => Promise<T>): () => Promise<T> {
  let last: { value: Promise<T>; until: number } | undefined
  return () => {
    if (last !== undefined && performance.now() < last.until) return last.value
    const mine = { value: read(), until: Number.POSITIVE_INFINITY }
    last = mine
    const over = (ms: number) => () => {
      mine.until = performance.now() + ms
    }
    mine.value.then(over(KEPT_MS), over(0))
    return mine.value
  }
}

/**
 * GET /metrics for Prometheus. Whoever asks from this very machine needs nothing, like a source of alerts without a token; everybody
 * else sends a personal token of a person who may read the status. Labels are names of ours (surfaces, states, patterns of routes):
 * no ids, no words of people. What a scrape costs: each release and incident that has changed since the last one is read by its id; the
 * rows that wait in the outboxes and (at most 1000) in the inbox are found by an index, at most once in 3 s however many scrape.
 */
export function metricRoutes(app: App, { desk, feed, listen }: ServerDeps): void {
  const registry = new Registry()
  const registers = [registry]
  const tally = createTally(desk, feed)
  const isHere = createIsHere(listen)
  const strangers = createSieve(desk.clock)

  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge({ name: `rollcall_${name}`, help, labelNames, registers })
  const up = gauge(
    'surface_up',
    'Whether the chat service works; while another process holds it, what that one says.',
    'surface',
  )
  const waiting = gauge(
    'outbox_waiting',
    `Messages that wait to go out to the chat service; at most ${MOST}.`,
    'surface',
  )
  const oldest = gauge('outbox_oldest_seconds', 'How long the oldest of them has waited; 0 when none does.', 'surface')
  const refused = gauge(
    'outbox_refused',
    `Messages that the chat service refuses as they are; at most ${MOST}.`,
    'surface',
  )
  const pending = gauge('inbox_pending', `What people did in chat services and is not done; at most ${MOST}.`)
  const releases = gauge('releases', 'Releases by state.', 'state')
  const incidents = gauge('incidents_open', 'Incidents that fire.')
  const requests = new Histogram({
    name: 'rollcall_http_request_seconds',
    help: 'How long answers took, by the pattern of the route.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  })

  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none')
    if (route === STREAM) return
    const method = METHODS.has(request.method) ? request.method : 'other'
    requests.observe({ method, route, status: `${Math.floor(reply.statusCode / 100)}xx` }, reply.elapsedTime / 1000)
  })
  app.addHook('onClose', async () => {
    tally.close()
    registry.clear()
  })

  const chats = kept(() => readSurfaces(desk))
  const inbox = kept(async () => (await desk.store.find(INBOX, { where: { pending: true }, limit: MOST })).length)
  const readChats = async (): Promise<void> => {
    const surfaces = await chats()
    for (const each of [up, waiting, oldest, refused]) each.reset()
    for (const { surface, at, ...row } of surfaces ?? []) {
      up.set({ surface }, at === 'up' || at === 'standby' ? 1 : 0)
      waiting.set({ surface }, Math.min(row.waiting, MOST))
      const since = row.oldest === undefined ? 0 : (desk.clock().getTime() - Date.parse(row.oldest)) / 1000
      oldest.set({ surface }, Math.max(0, since))
      refused.set({ surface }, Math.min(row.refused, MOST))
    }
  }
  const readInbox = async (): Promise<void> => {
    pending.set(await inbox())
  }
  const readCounts = async (): Promise<void> => {
    const counts = await tally.read()
    if (counts === undefined) return
    for (const [state, count] of Object.entries(counts.releases)) releases.set({ state }, count)
    incidents.set(counts.firing)
  }
  /** What cannot be read is left out: the rest is worth a scrape, and its absence says the same. */
  const tried = async (read: () => Promise<void>, gauges: { reset(): void; remove(): void }[]): Promise<void> => {
    try {
      await read()
    } catch (error) {
      desk.log.info({ code: asFault(error).code }, 'metrics not read')
      for (const each of gauges) {
        each.reset()
        each.remove()
      }
    }
  }

  /** Faults `access.sign-in` (401) and `access.not-permitted` (403). */
  const admit = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { person } = request
    const host = (request.headers.host ?? '').replace(/:\d+$/, '')
    if (person === undefined && isHere(request) && isLoopback(host)) return
    const allowed = person === undefined ? undefined : mayDo(person, 'status.read')
    if (allowed?.ok === true) return
    const fault = allowed === undefined ? signInFirst() : notPermitted(allowed.why, allowed.next)
    if (allowed === undefined) reply.header('www-authenticate', 'Bearer')
    const worth = strangers(request.ip)
    if (worth.pass) {
      await desk.audit.note({
        who: person?.id ?? 'unknown',
        from: { surface: 'console', address: request.ip },
        action: 'status.read',
        target: 'GET /metrics',
        result: 'refused',
        why: withMissed(fault.message, worth.missed),
      })
    }
    throw fault
  }

  app.get(
    '/metrics',
    {
      onRequest: admit,
      schema: {
        tags: ['metrics'],
        summary: 'Metrics for Prometheus; from elsewhere than this machine with a personal token',
        response: { 200: z.unknown().describe('The text format of Prometheus.'), '4xx': refusal, '5xx': refusal },
      },
    },
    async (_request, reply) => {
      await Promise.all([
        tried(readChats, [up, waiting, oldest, refused]),
        tried(readInbox, [pending]),
        tried(readCounts, [releases, incidents]),
      ])
      const text = `${await processMetrics().metrics()}\n${await registry.metrics()}`
      return reply.type(registry.contentType).header('cache-control', 'no-store').send(Buffer.from(text))
    },
  )
}
