import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyPluginAsync } from 'fastify'
import { commands } from '../../../commands/index.ts'
import { signInFirst } from '../../../src/access/refusals.ts'
import { createChannel } from '../../../src/adapters/channel/index.ts'
import type { ServerDeps } from '../../../src/entry/http/deps.ts'
import { createFeed, type Feed } from '../../../src/entry/http/feed.ts'
import { createServer, type HttpServer } from '../../../src/entry/http/server.ts'
import { watchStore } from '../../../src/entry/http/watch.ts'
import type { Change } from '../../../src/ports/console.ts'
import type { Json } from '../../../src/ports/store.ts'
import type { Release } from '../../../src/release/release.ts'
import { type TestDesk, testDesk } from '../../fakes/desk.ts'

/** Lets a test be anybody: the header `x-person` names one of the desk's people. Without it, routes of the API refuse. */
export function personByHeader(world: TestDesk): FastifyPluginAsync {
  const plugin: FastifyPluginAsync = async (app) => {
    app.decorateRequest('person', undefined)
    app.addHook('onRequest', async (request) => {
      request.person = world.desk.people.find(({ id }) => id === request.headers['x-person'])
      if (request.person === undefined && request.routeOptions.url?.startsWith('/api/v1/')) {
        throw signInFirst()
      }
    })
  }
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

export interface Console extends TestDesk {
  server: HttpServer
  feed: Feed
  changes: Change[]
  webRoot: string
  get(path: string, person?: string): ReturnType<HttpServer['inject']>
  post(path: string, body: unknown, person?: string): ReturnType<HttpServer['inject']>
  /** A release as if it had been asked for: its number and its document. */
  insert(release: Release): Promise<void>
}

/** The console's server on a test desk, with its channel in the store and every change told. */
export async function testConsole(
  options: Parameters<typeof testDesk>[0] & { deps?: Partial<ServerDeps> } = {},
): Promise<Console> {
  const world = await testDesk(options)
  const { desk } = world
  const feed = createFeed()
  const changes: Change[] = []
  feed.listen(({ change }) => changes.push(change))
  // Everybody holds this very object: the ledger, the releases and the channel.
  Object.assign(desk.store, watchStore({ ...desk.store }, feed.publish))
  const channel = createChannel({ store: desk.store, clock: desk.clock, surfaces: [] })
  const shown = world.chat.put
  world.chat.put = async (post) => {
    await channel.put(post)
    await shown(post)
  }
  const webRoot = await mkdtemp(join(tmpdir(), 'rollcall-web-'))
  await mkdir(join(webRoot, 'assets'))
  const page =
    '<!doctype html><meta name="csp-nonce" content="__CSP_NONCE__"><script type="module" src="/assets/main-abc123.js"></script>'
  await writeFile(join(webRoot, 'index.html'), page)
  await writeFile(join(webRoot, 'assets/main-abc123.js'), `console.log(${JSON.stringify('x'.repeat(5000))})\n`)
  const server = await createServer({
    desk,
    commands,
    log: channel,
    feed,
    plugins: [personByHeader(world)],
    webRoot,
    listen: { host: '127.0.0.1', port: 0 },
    language: 'en',
    version: '0.0.0',
    channels: ['#releases'],
    ...options.deps,
  }).catch(async (error: unknown) => {
    await world.close()
    await rm(webRoot, { recursive: true })
    throw error
  })
  return {
    ...world,
    server,
    feed,
    changes,
    webRoot,
    get: (path, person = 'alice') => server.inject({ method: 'GET', url: path, headers: { 'x-person': person } }),
    post: (path, body, person = 'alice') =>
      server.inject({
        method: 'POST',
        url: path,
        headers: { 'x-person': person, 'content-type': 'application/json' },
        payload: JSON.stringify(body),
      }),
    async insert(release) {
      const seq = Number(release.id.slice(2)) - 1
      await desk.store.append('release-numbers', { service: release.service, candidate: release.candidate }, seq)
      await desk.store.insert('releases', release.id, release as unknown as Json)
    },
    async close() {
      await server.close()
      await world.close()
      await rm(webRoot, { recursive: true, force: true })
    },
  }
}
