import type { IncomingHttpHeaders } from 'node:http'
import { headOf, writable } from './chat.ts'
import type { MethodContext } from './context.ts'
import { isPng, mimeOf } from './pictures.ts'
import { type Json, objects, Refusal, text } from './types.ts'
import { BOT, BOT_USER, messagesOf, nextTs, token, type Workspace } from './workspace.ts'

export function startUpload({ workspace, base }: MethodContext, args: Json): Json {
  const length = Number(args.length)
  if (text(args.filename) === '') throw new Refusal('invalid_arguments', ['[ERROR] missing required field: filename'])
  if (!Number.isInteger(length) || length < 1)
    throw new Refusal('invalid_arguments', ['[ERROR] must be more than 0 [json-pointer:/length]'])
  const id = `F${token(5).toUpperCase()}`
  workspace.files.set(id, { id, name: text(args.filename), title: text(args.filename), length, shares: [] })
  return { upload_url: `${base()}/upload/${id}`, file_id: id }
}

/** The bytes themselves: as they are, or in one part of a form. The length has to be the one that was said before. */
export function takeUpload(
  workspace: Workspace,
  id: string,
  raw: Buffer,
  headers: IncomingHttpHeaders,
): { status: number; body: string } {
  const file = workspace.files.get(id)
  if (file === undefined || file.completedAt !== undefined) return { status: 404, body: 'not found' }
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)/.exec(headers['content-type'] ?? '')?.[1]
  const bytes = boundary === undefined ? raw : partOf(raw, boundary)
  if (bytes === undefined) return { status: 400, body: 'no file in the form' }
  if (bytes.length !== file.length) return { status: 400, body: 'length differs' }
  file.bytes = bytes
  return { status: 200, body: `OK - ${bytes.length}` }
}

function partOf(raw: Buffer, boundary: string): Buffer | undefined {
  const start = raw.indexOf(`--${boundary}`)
  const content = raw.indexOf('\r\n\r\n', start)
  const end = raw.indexOf(`\r\n--${boundary}`, content)
  return start < 0 || content < 0 || end < 0 ? undefined : raw.subarray(content + 4, end)
}

export function completeUpload(context: MethodContext, args: Json): Json {
  const wanted = objects(args.files)
  if (wanted.length === 0) throw new Refusal('invalid_arguments', ['[ERROR] missing required field: files'])
  const files = wanted.map((each) => {
    const file = context.workspace.files.get(text(each.id))
    if (file?.bytes === undefined || file.completedAt !== undefined) throw new Refusal('file_not_found')
    return { file, title: text(each.title) }
  })
  const place = text(args.channel_id)
  const channel = place === '' ? undefined : writable(context, place)
  const thread_ts = channel === undefined ? undefined : headOf(context, channel.id, args)
  for (const { file, title } of files) {
    file.title = title || file.name
    file.completedAt = Date.now()
  }
  if (channel !== undefined) {
    const ts = nextTs()
    for (const { file } of files)
      file.shares.push({ channel: channel.id, ts, ...(thread_ts === undefined ? {} : { thread_ts }) })
    messagesOf(context.workspace, channel.id).push({
      ts,
      ...(thread_ts === undefined ? {} : { thread_ts }),
      text: text(args.initial_comment),
      blocks: [],
      edited: 0,
      user: BOT_USER,
      bot_id: BOT,
      files: files.map(({ file }) => ({
        id: file.id,
        title: file.title,
        mimetype: mimeOf(file),
        size: file.length,
      })),
    })
  }
  return { files: files.map(({ file }) => ({ id: file.id, title: file.title })) }
}

export function fileInformation(context: MethodContext, args: Json): Json {
  const file = context.workspace.files.get(text(args.file))
  if (file?.completedAt === undefined) throw new Refusal('file_not_found')
  const ready = Date.now() >= file.completedAt + context.fileReadyMs
  const shares: Record<'public' | 'private', Record<string, Json[]>> = { public: {}, private: {} }
  for (const { channel, ...share } of file.shares) {
    const side = context.workspace.channels.get(channel)?.private === true ? shares.private : shares.public
    side[channel] = [...(side[channel] ?? []), share]
  }
  return {
    file: {
      id: file.id,
      name: file.name,
      title: file.title,
      size: file.length,
      mimetype: ready ? mimeOf(file) : '',
      filetype: ready && isPng(file.bytes) ? 'png' : '',
      url_private: `https://files.slack.com/files-pri/T0ROLLCALL-${file.id}/${file.name}`,
      shares,
    },
    response_metadata: { next_cursor: '' },
  }
}
