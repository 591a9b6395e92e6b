import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { createGzip, gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What is shorter is not worth the work. */
export const LEAST_BYTES = 1024
const TEXT = /^(text\/|image\/svg\+xml|application\/(json|javascript|manifest\+json|x-yaml))/

/** An onSend hook: text of some length goes gzipped to whoever takes it. Work is done off the event loop. */
export async function compress(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  const type = String(reply.getHeader('content-type') ?? '')
  if (reply.statusCode === 204 || reply.statusCode === 206 || reply.statusCode === 304) return payload
  if (!TEXT.test(type) || reply.hasHeader('content-encoding')) return payload
  reply.header('vary', 'accept-encoding')
  if (!accepts(request.headers['accept-encoding']) || request.method === 'HEAD') return payload
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
    if (Buffer.byteLength(payload) < LEAST_BYTES) return payload
    const packed = await promisify(gzip)(payload)
    reply.header('content-encoding', 'gzip')
    reply.header('content-length', packed.byteLength)
    return packed
  }
  if (!(payload instanceof Readable)) return payload
  reply.header('content-encoding', 'gzip')
  reply.removeHeader('content-length')
  // A file that cannot be read to its end ends the answer as well, instead of leaving it open.
  const packed = createGzip()
  payload.on('error', (error) => packed.destroy(error))
  packed.on('close', () => payload.destroy())
  return payload.pipe(packed)
}

function accepts(header: string | string[] | undefined): boolean {
  return /(^|,)\s*(gzip|\*)\s*(;\s*q=(1|0?\.\d*[1-9]\d*)[\d.]*\s*)?(,|$)/i.test(String(header ?? ''))
}
