import { randomBytes } from 'node:crypto'
import type { Log } from '../../lib/log.ts'
import { BAD_REQ_ID, type Outcome, STREAM_OVER } from './outcome.ts'
import type { Timings } from './timings.ts'
import type { Transport } from './transport.ts'
import type { Words } from './words.ts'

interface Open {
  reqId: string
  stream: string
  /** What was sent under this id so far, in order. */
  sending: Promise<unknown>
  timer: NodeJS.Timeout | undefined
  rolls: number
  /** The last content was sent, and nobody knows whether it arrived. */
  uncertain: boolean
  /** Its answer is being sent. */
  ending: boolean
  /** The answer will come as a message of its own. */
  over: boolean
}

/** A stream goes on in so many others at most; an hour with the real durations. */
const MOST_ROLLS = 12

/** The streams in which typed commands are answered, by envelope id. They live as long as the process: a req_id does not outlive it. */
export interface Streams {
  /** An answer may come from now on. False when it is expected already: it was delivered twice. */
  expect(id: string, reqId: string): boolean
  /** Nothing was taken in: the others tell what there is to tell. */
  drop(id: string): void
  /** Shows that it is being worked on, if the answer is not there yet. */
  begin(id: string): void
  /** Ends the stream with this content. Undefined when there is none that could be ended: then it has to be pushed. */
  finish(id: string, content: string): Promise<Outcome | undefined>
  has(id: string): boolean
  /** Whether nobody waits for an answer. */
  idle(): boolean
  close(): void
}

export function createStreams(parts: { transport: Transport; timings: Timings; words: Words; log: Log }): Streams {
  const { transport, timings, words, log } = parts
  const open = new Map<string, Open>()
  const newStream = (): string => randomBytes(12).toString('hex')

  function send(line: Open, content: string, finish: boolean): Promise<Outcome> {
    const { reqId, stream } = line
    const sent = line.sending.then(() => transport.stream(reqId, { id: stream, content, finish }))
    line.sending = sent
    return sent
  }

  /** WeCom ends a stream that lives too long, and what is sent to it then is lost. */
  function watch(id: string, line: Open): void {
    line.timer = setTimeout(() => void roll(id, line), timings.streamMs)
  }

  async function roll(id: string, line: Open): Promise<void> {
    if (open.get(id) !== line || line.over || line.ending) return
    const last = ++line.rolls > MOST_ROLLS
    const ended = await send(line, last ? words.pushed : words.rolled, true)
    if (open.get(id) !== line) return
    if (last || ended.at !== 'acked') {
      line.over = true
      return
    }
    line.stream = newStream()
    // The answer came meanwhile: it begins the new stream and ends it.
    if (line.ending) return
    const begun = await send(line, words.progress, false)
    if (begun.at === 'acked') watch(id, line)
    else line.over = true
  }

  return {
    expect(id, reqId) {
      if (open.has(id)) return false
      const line: Open = {
        reqId,
        stream: newStream(),
        sending: Promise.resolve(),
        timer: undefined,
        rolls: 0,
        uncertain: false,
        ending: false,
        over: false,
      }
      open.set(id, line)
      return true
    },
    drop: (id) => void open.delete(id),
    begin(id) {
      const line = open.get(id)
      if (line === undefined || line.ending) return
      watch(id, line)
      void send(line, words.progress, false).then((outcome) => {
        if (outcome.at !== 'acked') log.warn({ outcome: outcome.at }, 'wecom stream not begun')
      })
    },
    has: (id) => open.has(id),
    idle: () => [...open.values()].every(({ over }) => over),
    async finish(id, content) {
      const line = open.get(id)
      if (line === undefined) return undefined
      clearTimeout(line.timer)
      line.ending = true
      await line.sending
      if (line.over) {
        open.delete(id)
        return undefined
      }
      const outcome = await send(line, content, true)
      if (outcome.at === 'acked') open.delete(id)
      else if (outcome.at === 'rejected') {
        open.delete(id)
        // It is over because an earlier try of the same arrived.
        if (line.uncertain && outcome.code === STREAM_OVER) return { at: 'acked', body: undefined }
        log.info({ code: outcome.code, old: outcome.code === BAD_REQ_ID }, 'wecom stream refused; the answer is pushed')
        return undefined
      } else if (outcome.at === 'unanswered') line.uncertain = true
      return outcome
    },
    close() {
      for (const line of open.values()) clearTimeout(line.timer)
      open.clear()
    },
  }
}
