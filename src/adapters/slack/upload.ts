import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Bot, call } from './bot.ts'
import type { Failure } from './calls.ts'
import { cut } from './text.ts'

const FILES = 'slack-files'
const stored = z.object({ file: z.string() })

export type Uploaded = { ok: true; file: string } | { ok: false; failure: Failure }

/** One file: an address is asked for, the bytes are posted there, and the file is shared in a thread, or kept for a block. */
export async function upload(
  bot: Bot,
  file: { name: string; title: string; bytes: Buffer },
  share?: { channel: string; thread?: string },
): Promise<Uploaded> {
  const place = await call(bot, () =>
    bot.client.files.getUploadURLExternal({ filename: file.name, length: file.bytes.length }),
  )
  if (!place.ok) return place
  const { upload_url: url, file_id: id } = place.value
  if (url === undefined || id === undefined) return failed('no address')
  try {
    const form = new FormData()
    form.append('body', new Blob([new Uint8Array(file.bytes)]), file.name)
    const answer = await fetch(url, {
      method: 'POST',
      body: form,
      redirect: 'error',
      signal: AbortSignal.timeout(bot.timings.call * 3),
    })
    await answer.body?.cancel()
    if (!answer.ok) return failed(`HTTP ${answer.status}`)
  } catch (error) {
    return failed(error instanceof Error ? error.name : 'unknown')
  }
  const files: [{ id: string; title: string }] = [{ id, title: cut(file.title, 200) || file.name }]
  const done = await call(bot, () => {
    if (share === undefined) return bot.client.files.completeUploadExternal({ files })
    const { channel, thread } = share
    return thread === undefined
      ? bot.client.files.completeUploadExternal({ files, channel_id: channel })
      : bot.client.files.completeUploadExternal({ files, channel_id: channel, thread_ts: thread })
  })
  return done.ok ? { ok: true, file: id } : done
}

function failed(why: string): Uploaded {
  return { ok: false, failure: { kind: 'network', why } }
}

/** The file of a picture, uploaded once and remembered; undefined when the picture is no longer kept. */
export async function pictureFile(bot: Bot, id: string, alt: string): Promise<Uploaded | undefined> {
  const key = createHash('sha256').update(id).digest('hex').slice(0, 40)
  const known = stored.safeParse((await bot.store.get(FILES, key))?.document)
  if (known.success) return { ok: true, file: known.data.file }
  const bytes = await bot.pictures(id)
  if (bytes === undefined) return undefined
  const uploaded = await upload(bot, { name: 'chart.png', title: alt, bytes })
  if (uploaded.ok) await bot.store.insert(FILES, key, { file: uploaded.file })
  return uploaded
}
