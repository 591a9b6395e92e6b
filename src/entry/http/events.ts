import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import { type App, personOf, type ServerDeps } from './deps.ts'
import type { Feed } from './feed.ts'
import { createReader, type Reader } from './reader.ts'

const HEARTBEAT_MS = 15_000
/** Changes come in bursts: what comes within this time is written at once, and of one key only the last. */
const GATHER_MS = 25
/** How long a browser waits before it connects again. */
const RETRY_MS = 2000
const MOST_READERS = 1000
/** Of one person: more windows than anybody looks at, fewer than would keep others out. */
const MOST_OF_ONE = 20

interface Open {
  reader: Reader
  request: FastifyRequest
  person: string
}

/** Live updates by server-sent events; see src/ports/console.ts for their form. */
export function eventRoutes(app: App, deps: ServerDeps): void {
  const { desk, feed, stands, heartbeatMs = HEARTBEAT_MS } = deps
  const open = new Set<Open>()
  let gathering: NodeJS.Timeout | undefined
  const flush = (): void => {
    gathering = undefined
    for (const { reader } of open) reader.flush()
  }
  const check = async (each: Open): Promise<void> => {
    if ((await stands?.(each.request)) === false) each.reader.end()
  }
  const checkAll = (whose: Iterable<Open>): void => {
    for (const each of whose) {
      // A store that cannot be asked now is asked again at the next beat.
      check(each).catch((error: unknown) => desk.log.debug({ err: error }, 'session not checked'))
    }
  }
  const deaf = feed.listen((numbered) => {
    const { kind, key } = numbered.change
    const concerned = [...open].filter(({ person }) => kind !== 'session' || person === key)
    for (const { reader } of concerned) reader.offer(numbered)
    if (kind === 'session') checkAll(concerned)
    if (open.size > 0) gathering ??= setTimeout(flush, GATHER_MS)
  })
  const certain = feed.onLoss(() => {
    for (const { reader } of open) {
      reader.reset()
      reader.flush()
    }
  })
  const beats = setInterval(() => {
    for (const { reader } of open) reader.beat()
    checkAll(open)
  }, heartbeatMs)
  beats.unref()
  app.addHook('preClose', async () => {
    deaf()
    certain()
    clearInterval(beats)
    clearTimeout(gathering)
    for (const { reader } of open) reader.end()
  })

  const querystring = z.strictObject({ lastEventId: z.string().max(100).optional() })
  const schema = { tags: ['events'], summary: 'Live updates (text/event-stream)', querystring }
  app.get('/api/v1/events', { schema, exposeHeadRoute: false }, (request, reply) => {
    const person = personOf(request).id
    if (open.size >= MOST_READERS) {
      throw new Fault('entry.too-many', { say: 'Too many readers are connected.', next: 'close some of them' })
    }
    if ([...open].filter((each) => each.person === person).length >= MOST_OF_ONE) {
      const say = `${MOST_OF_ONE} readers of ${person} are connected already.`
      throw new Fault('entry.too-many', { say, next: 'close some of them' })
    }
    const last = request.headers['last-event-id'] ?? request.query.lastEventId
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Nothing else follows on this connection: when the stream ends, so does it.
      connection: 'close',
      // For a proxy in front that would gather events otherwise.
      'x-accel-buffering': 'no',
    })
    const reader = createReader(raw, feed, deps.stalledMs)
    const each: Open = { reader, request, person }
    open.add(each)
    raw.on('close', () => open.delete(each))
    raw.on('error', () => open.delete(each))
    // An id without data: nothing happens in the browser, but it will name it when it comes back.
    const missed = missedSince(feed, last === undefined ? undefined : String(last))
    raw.write(`retry: ${RETRY_MS}\n${last === undefined ? `id: ${feed.boot}-${feed.newest}\n` : ''}\n`)
    if (missed === undefined) reader.reset()
    for (const numbered of missed ?? []) {
      if (numbered.change.kind !== 'session' || numbered.change.key === person) reader.offer(numbered)
    }
    reader.flush()
  })
}

/** What a reader has missed who has seen `id` last; undefined when that cannot be told. */
function missedSince(feed: Feed, id: string | undefined) {
  if (id === undefined) return []
  const [, boot, n] = /^([^-]+)-(\d{1,15})$/.exec(id) ?? []
  return boot === feed.boot ? feed.since(Number(n)) : undefined
}
