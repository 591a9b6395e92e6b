import { readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import staticFiles from '@fastify/static'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../lib/fault.ts'
import type { App } from './deps.ts'
import { nonceOf } from './security.ts'

const NONCE = '__CSP_NONCE__'

/**
 * The client's files. What Vite has named by its content is kept by browsers for a year; the page itself is asked for each time,
 * and carries the nonce of this answer. Every path that is none of the server's own shows the page: the client reads the path.
 * Without a folder there are no pages, only what machines and commands ask for.
 */
export async function clientPages(app: App, webRoot: string | undefined): Promise<void> {
  const page = async (_request: FastifyRequest, reply: FastifyReply): Promise<string> => {
    const html = await (webRoot === undefined
      ? missing()
      : readFile(join(webRoot, 'index.html'), 'utf8').catch(missing))
    reply.type('text/html; charset=utf-8').header('cache-control', 'no-cache')
    return html.replaceAll(NONCE, nonceOf(reply.raw))
  }
  app.get('/', { schema: { hide: true } }, page)
  app.get('/index.html', { schema: { hide: true } }, page)
  if (webRoot !== undefined) {
    await app.register(staticFiles, {
      root: webRoot,
      prefix: '/',
      index: false,
      dotfiles: 'ignore',
      preCompressed: true,
      cacheControl: false,
      setHeaders(reply, path: string) {
        const named = path.includes(`${sep}assets${sep}`)
        reply.header('cache-control', named ? 'public, max-age=31536000, immutable' : 'no-cache')
      },
    })
  }
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const own = /^\/(api|healthz|assets|metrics|mcp)(\/|$)/.test(path)
    // The client's paths have no dots: what has one is a file that is not there.
    const wantsPage = /text\/html|\*\/\*/.test(request.headers.accept ?? '*/*') && !path.includes('.')
    if (request.method === 'GET' && !own && wantsPage) return page(request, reply)
    throw new Fault('entry.not-found', {
      say: `There is nothing at ${request.method} ${path.slice(0, 200)}.`,
      next: own ? 'see /api/docs for what there is' : 'go to /',
    })
  })
}

async function missing(cause?: unknown): Promise<never> {
  const say = 'The console has not been built.'
  throw new Fault('entry.client-missing', { say, next: 'run npm run build', cause, data: { status: 503 } })
}
