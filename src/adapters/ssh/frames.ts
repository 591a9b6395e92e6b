import type { JobState, Output } from '../../ports/target.ts'

/** What a host answers: lines that start with the call's nonce; `out` is followed by `bytes.length` bytes of log. */
export type Frame =
  | { type: 'skip' }
  | { type: 'beat' }
  | { type: 'end' }
  | { type: 'fail'; text: string }
  | { type: 'fact'; name: string; value: string }
  | { type: 'out'; offset: number; size: number; bytes: Buffer }
  | { type: 'state'; state: JobState }

/** Caps on what a host may send. */
export const limits = { line: 4096, chunk: 65536, noise: 65536 }

/** Thrown by the reader when the bytes are not the protocol; `text` is the beginning of what came instead. */
export class NotTheProtocol extends Error {
  readonly text: string
  constructor(why: string, text: string) {
    super(why)
    this.text = printable(text).slice(0, 120)
  }
}

/** Control characters out, so that a host cannot paint a terminal or a card. */
export function printable(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll(/ {2,}/g, ' ')
    .trim()
}

/**
 * Reads frames out of chunks as they come. Lines without the nonce (a login banner) are skipped up to a cap.
 * A frame is handed out only when it is whole: a short chunk at the end of a lost connection is dropped.
 */
export function createFrameReader(nonce: string): (data: Buffer) => Frame[] {
  const mark = Buffer.from(`@${nonce} `)
  let held: Buffer = Buffer.alloc(0)
  let noise = 0
  let open: { offset: number; size: number; length: number } | undefined
  return (data) => {
    held = held.length === 0 ? data : Buffer.concat([held, data])
    const frames: Frame[] = []
    for (;;) {
      if (open !== undefined) {
        if (held.length < open.length) return frames
        frames.push({ type: 'out', offset: open.offset, size: open.size, bytes: held.subarray(0, open.length) })
        held = held.subarray(open.length)
        open = undefined
        continue
      }
      const end = held.indexOf(10)
      if (end < 0) {
        if (held.length > limits.line) throw new NotTheProtocol('a line without an end', held.toString('utf8', 0, 400))
        return frames
      }
      const line = held.subarray(0, end)
      held = held.subarray(end + 1)
      if (!line.subarray(0, mark.length).equals(mark)) {
        noise += line.length + 1
        if (noise > limits.noise) throw new NotTheProtocol('too much text', line.toString('utf8', 0, 400))
        continue
      }
      const frame = parseLine(line.toString('utf8', mark.length))
      if (frame.type === 'header') open = frame
      else frames.push(frame)
    }
  }
}

function parseLine(line: string): Frame | { type: 'header'; offset: number; size: number; length: number } {
  if (line.length > limits.line) throw new NotTheProtocol('a line that is too long', line)
  const [word = '', ...rest] = line.split(' ')
  const text = rest.join(' ')
  switch (word) {
    case 'skip':
    case 'beat':
    case 'end':
      return { type: word }
    case 'fail':
      return { type: 'fail', text: printable(text).slice(0, 400) }
    case 'fact':
      return { type: 'fact', name: rest[0] ?? '', value: rest.slice(1).join(' ') }
    case 'out': {
      const match = /^(\d{1,15}) (\d{1,6}) (\d{1,15})$/.exec(text)
      if (match === null || Number(match[2]) > limits.chunk) throw new NotTheProtocol('a bad header', line)
      return { type: 'header', offset: Number(match[1]), length: Number(match[2]), size: Number(match[3]) }
    }
    case 'state':
      return { type: 'state', state: parseState(text) }
    default:
      throw new NotTheProtocol('an unknown word', line)
  }
}

function parseState(text: string): JobState {
  const match = /^(new|starting|running|orphaned|lost|cancelled|done|refused) ?(.*)$/s.exec(text)
  const rest = match?.[2] ?? ''
  switch (match?.[1]) {
    case 'new':
    case 'starting':
    case 'running':
    case 'orphaned':
    case 'lost':
    case 'cancelled':
      return { at: match[1] }
    case 'done': {
      const done = /^(\d{1,3})(?: (.*))?$/s.exec(rest)
      if (done === null) break
      const reason = printable(done[2] ?? '').slice(0, 600)
      return { at: 'done', rc: Number(done[1]), ...(reason !== '' && { reason }) }
    }
    case 'refused': {
      const refused = /^(epoch|busy|digest|upload)(?: (.*))?$/s.exec(rest)
      if (refused === null) break
      const why = refused[1] as 'epoch' | 'busy' | 'digest' | 'upload'
      return { at: 'refused', why, detail: printable(refused[2] ?? '').slice(0, 600) }
    }
  }
  throw new NotTheProtocol('an unknown state', text)
}

/** Bytes at the end of `bytes` that begin a UTF-8 character which is not whole yet (0 to 3). */
export function openTail(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte < 0x80) return 0
    if (byte < 0xc0) continue
    const needs =
      byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xc2 && byte < 0xe0 ? 2 : 1
    return needs > back ? back : 0
  }
  return 0
}

/**
 * Turns log bytes into text without losing count: a character split between chunks is held back and comes with the
 * next one; what is not UTF-8 becomes U+FFFD while `bytes` still counts the bytes on the host.
 */
export function createDecoder(from: number): { at(): number; push(bytes: Buffer, last: boolean): Output | undefined } {
  let offset = from
  let held: Buffer = Buffer.alloc(0)
  return {
    at: () => offset,
    push(bytes, last) {
      const all = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      const keep = last ? 0 : openTail(all)
      held = Buffer.from(all.subarray(all.length - keep))
      if (all.length === keep) return undefined
      const output = { offset, text: all.toString('utf8', 0, all.length - keep), bytes: all.length - keep }
      offset += output.bytes
      return output
    },
  }
}
