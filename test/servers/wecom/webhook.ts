import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createMeter, type Limit } from './rates.ts'
import { bytes, codes, isObject, type Refusal, textAt } from './wire.ts'
import type { World } from './world.ts'

const ok: Refusal = { errcode: 0, errmsg: 'ok' }

/** The webhooks of groups: `POST /cgi-bin/webhook/send?key=`. Every answer is HTTP 200; what is wrong stands in its errcode. */
export function createWebhooks(parts: { world: World; limit: Limit; now: () => number }) {
  const { world } = parts
  const chats = new Map<string, string>()
  const meter = createMeter([parts.limit], parts.now)

  function send(key: string, body: unknown): Refusal {
    const chat = chats.get(key)
    if (chat === undefined) return { errcode: codes.webhook, errmsg: 'invalid webhook url' }
    if (!isObject(body)) return { errcode: codes.json, errmsg: 'data format error' }
    const kind = body.msgtype === 'markdown' || body.msgtype === 'text' ? body.msgtype : undefined
    if (kind === undefined) return { errcode: codes.msgtype, errmsg: 'invalid message type' }
    const content = textAt(body, kind, 'content')
    if (content === undefined || content === '') return { errcode: codes.empty, errmsg: 'empty content' }
    const most = kind === 'markdown' ? 4096 : 2048
    if (bytes(content) > most) return { errcode: codes.parameter, errmsg: `${kind}.content exceed max length ${most}` }
    if (!meter.take(key)) return { errcode: codes.rate, errmsg: 'api freq out of limit' }
    world.post(chat, { msgtype: kind, [kind]: content, from: 'webhook' })
    return ok
  }

  return {
    /** The key of a group's webhook; the same for the same group. */
    key(chat: string): string {
      const known = [...chats].find(([, each]) => each === chat)?.[0]
      const key = known ?? randomUUID()
      chats.set(key, chat)
      world.add(chat, 'group')
      return key
    },
    async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const url = new URL(request.url ?? '/', 'http://loopback')
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      if (request.method !== 'POST' || url.pathname !== '/cgi-bin/webhook/send') {
        response.writeHead(404).end()
        return
      }
      const answer = send(url.searchParams.get('key') ?? '', parse(Buffer.concat(chunks).toString('utf8')))
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    },
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
