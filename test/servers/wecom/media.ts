import { createHash, randomUUID } from 'node:crypto'
import { codes, isObject, type Outcome, type Refusal, refuse, textAt } from './wire.ts'

interface Upload {
  type: string
  size: number
  chunks: (Buffer | undefined)[]
  md5?: string
}

/** Most bytes per kind, and of one piece before base64. */
const most: Record<string, number> = { image: 10 << 20, file: 20 << 20, voice: 2 << 20, video: 10 << 20 }
const piece = 512 * 1024

/** What was uploaded: in pieces that may come in any order and twice, put together by their index, which counts from 0. */
export interface Media {
  init(body: Record<string, unknown>): Outcome
  chunk(body: Record<string, unknown>): Outcome
  finish(body: Record<string, unknown>): Outcome
  /** The bytes of a media id of this kind. */
  get(id: string | undefined, type: string): Buffer | undefined
}

export function createMedia(): Media {
  const uploads = new Map<string, Upload>()
  const kept = new Map<string, { type: string; data: Buffer }>()
  return {
    init({ type, filename, total_size: size, total_chunks: count, md5 }) {
      if (typeof type !== 'string' || most[type] === undefined) return refuse('mediaKind', 'invalid media type')
      if (typeof filename !== 'string' || filename === '' || Buffer.byteLength(filename) > 256)
        return refuse('parameter', 'invalid filename')
      if (!whole(size) || size < 5 || size > most[type]) return refuse('mediaSize', 'media size out of limit')
      if (!whole(count) || count < 1 || count > 100 || count !== Math.ceil(size / piece))
        return refuse('parameter', 'invalid total_chunks')
      if (md5 !== undefined && (typeof md5 !== 'string' || !/^[0-9a-f]{32}$/.test(md5)))
        return refuse('parameter', 'invalid md5')
      const id = randomUUID()
      uploads.set(id, { type, size, chunks: new Array(count).fill(undefined), ...(md5 === undefined ? {} : { md5 }) })
      return { body: { upload_id: id } }
    },
    chunk({ upload_id: id, chunk_index: index, base64_data: data }) {
      const upload = typeof id === 'string' ? uploads.get(id) : undefined
      if (upload === undefined) return refuse('parameter', 'invalid upload_id')
      if (!whole(index) || index >= upload.chunks.length) return refuse('parameter', 'invalid chunk_index')
      if (typeof data !== 'string' || data === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(data))
        return refuse('parameter', 'invalid base64_data')
      const bytes = Buffer.from(data, 'base64')
      if (bytes.length > piece) return refuse('mediaSize', 'chunk size out of limit')
      upload.chunks[index] = bytes
      return {}
    },
    finish({ upload_id: id }) {
      const upload = typeof id === 'string' ? uploads.get(id) : undefined
      if (upload === undefined || typeof id !== 'string') return refuse('parameter', 'invalid upload_id')
      const pieces = upload.chunks.filter((each) => each !== undefined)
      if (pieces.length < upload.chunks.length) return refuse('parameter', 'chunks missing')
      const data = Buffer.concat(pieces)
      if (data.length !== upload.size) return refuse('mediaSize', 'total_size does not match')
      if (upload.md5 !== undefined && md5Of(data) !== upload.md5) return refuse('parameter', 'md5 does not match')
      if (upload.type === 'image' && !isPicture(data)) return refuse('mediaKind', 'image must be png or jpg')
      uploads.delete(id)
      const media = `media_${randomUUID()}`
      kept.set(media, { type: upload.type, data })
      return { body: { type: upload.type, media_id: media, created_at: String(Math.floor(Date.now() / 1000)) } }
    },
    get(id, type) {
      const media = id === undefined ? undefined : kept.get(id)
      return media?.type === type ? media.data : undefined
    },
  }
}

/** The pictures that a finished stream carries, or why they are not taken: at most 10 of 10 MB, JPG or PNG, with their md5. */
export function readPictures(items: unknown, finish: boolean): { pictures: Buffer[] } | { refusal: Refusal } {
  if (items === undefined) return { pictures: [] }
  if (!Array.isArray(items) || !finish || items.length > 10) return refuse('parameter', 'invalid msg_item')
  const pictures: Buffer[] = []
  for (const item of items) {
    const image = isObject(item) && item.msgtype === 'image' ? item.image : undefined
    const data = Buffer.from(textAt(image, 'base64') ?? '', 'base64')
    if (data.length > (most.image ?? 0)) return refuse('mediaSize', 'image size out of limit')
    if (!isPicture(data) || md5Of(data) !== textAt(image, 'md5'))
      return { refusal: { errcode: codes.mediaKind, errmsg: 'invalid image' } }
    pictures.push(data)
  }
  return { pictures }
}

const whole = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0
const md5Of = (data: Buffer): string => createHash('md5').update(data).digest('hex')

function isPicture(data: Buffer): boolean {
  return data.subarray(0, 4).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47])) || (data[0] === 0xff && data[1] === 0xd8)
}
