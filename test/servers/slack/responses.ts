/** Addresses at which an app may answer a deed: five times within half an hour. */
import { contentOf } from './chat.ts'
import type { MethodContext } from './context.ts'
import { type Ephemeral, type Json, Refusal, text } from './types.ts'
import { BOT, BOT_USER, ephemeralsOf, messagesOf, nextTs, type ResponseUrl, token } from './workspace.ts'

const USES = 5

export function newResponseUrl(context: MethodContext, about: Omit<ResponseUrl, 'at' | 'left'>): string {
  const id = token()
  context.workspace.responses.set(id, { ...about, at: Date.now(), left: USES })
  return `${context.base()}/hook/${id}`
}

export function respond(
  context: MethodContext,
  id: string,
  args: Json,
): { status: number; body: { ok: boolean; error?: string } } {
  const response = context.workspace.responses.get(id)
  if (response === undefined) return { status: 404, body: { ok: false, error: 'invalid_url' } }
  if (Date.now() - response.at > context.responseMs) return { status: 404, body: { ok: false, error: 'expired_url' } }
  if (response.left <= 0) return { status: 404, body: { ok: false, error: 'used_url' } }
  try {
    apply(context, response, args)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { status: 400, body: { ok: false, error: error.error } }
  }
  response.left -= 1
  return { status: 200, body: { ok: true } }
}

function apply(context: MethodContext, response: ResponseUrl, args: Json): void {
  const { workspace } = context
  const mine = ephemeralsOf(workspace, response.user)
  const all = messagesOf(workspace, response.channel)
  const about = response.message
  if (args.delete_original === true || args.delete_original === 'true') {
    const list: { ts: string }[] = about?.ephemeral === true ? mine : all
    const index = list.findIndex(({ ts }) => ts === about?.ts)
    if (index < 0) throw new Refusal('message_not_found')
    list.splice(index, 1)
    return
  }
  const content = contentOf(context, args)
  if (content.text === '' && (content.blocks ?? []).length === 0) throw new Refusal('no_text')
  if (about !== undefined && (args.replace_original === true || args.replace_original === 'true')) {
    if (about.ephemeral) {
      const shown = mine.find(({ ts }) => ts === about.ts)
      if (shown === undefined) throw new Refusal('message_not_found')
      shown.text = content.text
      shown.blocks = content.blocks
      return
    }
    const message = all.find(({ ts }) => ts === about.ts)
    if (message === undefined) throw new Refusal('message_not_found')
    message.text = content.text
    message.blocks = content.blocks ?? []
    message.edited += 1
    return
  }
  const thread_ts = text(args.thread_ts) || response.thread
  if (args.response_type === 'in_channel') {
    const message = {
      ts: nextTs(),
      text: content.text,
      blocks: content.blocks ?? [],
      edited: 0,
      user: BOT_USER,
      bot_id: BOT,
    }
    all.push({ ...message, ...(thread_ts === undefined ? {} : { thread_ts }) })
    return
  }
  const shown: Ephemeral = { channel: response.channel, text: content.text, via: 'response_url', ts: nextTs() }
  mine.push({
    ...shown,
    ...(content.blocks === undefined ? {} : { blocks: content.blocks }),
    ...(thread_ts === undefined ? {} : { thread_ts }),
  })
}
