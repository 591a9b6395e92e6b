import { on, once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { Client, ClientChannel } from 'ssh2'
import type { SshOptions } from './config.ts'
import { type Endpoint, protocolFault, socketOf, timedOut, unreachable } from './connect.ts'
import { createFrameReader, type Frame, NotTheProtocol, printable } from './frames.ts'
import { bootstrap, newNonce, program } from './protocol.ts'

export interface Call {
  /**
   * Frames until the host has said all. Throws `target.unreachable` when the link breaks first, `target.timeout` after
   * `silenceSeconds` without a sign, `target.protocol` when something else than the agent talks.
   */
  frames: AsyncGenerator<Frame>
  /**
   * Sends bytes, or an open file from its start, as the rest of stdin, with back-pressure, and ends it. Returns early
   * when the call is over or `stop` was called.
   */
  send(what: Buffer | FileHandle): Promise<void>
  /** The bot itself is busy for this call: its silence is not the host's. */
  touch(): void
  /** No more input. */
  stop(): void
  /** Closes the channel; the host's agent ends, a running job does not. */
  close(): void
}

/** Starts one verb of the agent on an open connection. Throws `target.timeout` and `target.unreachable`. */
export async function startCall(
  client: Client,
  at: Endpoint,
  options: SshOptions,
  verb: string,
  root: string,
  args: readonly string[],
): Promise<Call> {
  const nonce = newNonce()
  const channel = await openChannel(client, at, options)
  /** The channel is of no more use; ends reading and sending at once. */
  const over = new AbortController()
  const still = new AbortController()
  let silent = false
  let exit: number | undefined
  let stderr = ''
  const alarm = setTimeout(() => {
    silent = true
    close()
    // Nothing came back from a live connection for so long: whatever it is, a new connection is the better try.
    client.destroy()
  }, options.silenceSeconds * 1000)
  const touch = () => {
    if (!over.signal.aborted) alarm.refresh()
  }
  const close = () => {
    over.abort()
    clearTimeout(alarm)
    channel.destroy()
  }
  channel.once('exit', (code: number | null) => {
    exit = code ?? undefined
  })
  channel.on('error', close)
  const closed = new Promise<void>((resolve) => {
    channel.once('close', () => {
      still.abort()
      resolve()
    })
  })
  channel.stderr.on('data', (data: Buffer) => {
    if (stderr.length < 400) stderr += data.toString('utf8', 0, 400)
  })
  const data = on(channel, 'data', { signal: over.signal, close: ['end'], highWaterMark: 32, lowWaterMark: 8 })
  channel.write(program(verb, nonce, root, args))

  async function* frames(): AsyncGenerator<Frame> {
    const read = createFrameReader(nonce)
    try {
      for await (const [bytes] of data as AsyncIterable<[Buffer]>) {
        touch()
        for (const frame of read(bytes)) {
          yield frame
          if (frame.type === 'end' || frame.type === 'state') return
          // What came next was held up by our reader, not by the host.
          touch()
        }
      }
      // The exit status may come behind the end of the output.
      await Promise.race([closed, sleep(1000, undefined, { signal: over.signal })])
    } catch (error) {
      if (error instanceof NotTheProtocol) {
        const instead = JSON.stringify(error.text)
        throw protocolFault(at, `answered with ${error.message} instead of the job protocol: ${instead}.`)
      }
      if (!over.signal.aborted) throw error
    } finally {
      close()
    }
    if (silent) throw timedOut(at, 'said nothing', options.silenceSeconds)
    const said = stderr === '' ? '' : ` (${printable(stderr).slice(0, 200)})`
    // The link is sound: whatever ran there was not the agent, or was ended by something like a forced command.
    if (exit !== undefined) throw protocolFault(at, `ended the call with exit ${exit}${said}.`)
    throw unreachable(at, `ended the call before its answer was whole${said}`)
  }

  return {
    frames: frames(),
    async send(what) {
      const signal = AbortSignal.any([over.signal, still.signal])
      const socket = socketOf(client)
      try {
        for await (const bytes of Buffer.isBuffer(what) ? slices(what) : slicesOf(what)) {
          if (signal.aborted) break
          // The packets of a slice leave in one system call; between slices the event loop has its turn.
          socket?.cork()
          const room = channel.write(bytes)
          socket?.uncork()
          touch()
          if (socket?.writableNeedDrain) await once(socket, 'drain', { signal })
          else if (room) await setImmediate(undefined, { signal })
          if (!room) await once(channel, 'drain', { signal })
        }
      } catch (error) {
        if (!signal.aborted) throw error
      }
      if (!over.signal.aborted) channel.end()
    },
    touch,
    stop() {
      still.abort()
      if (!over.signal.aborted) channel.end()
    },
    close,
  }
}

const slice = 131_072

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += slice) yield bytes.subarray(at, at + slice)
}

async function* slicesOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    // A buffer of its own each time: the channel may still hold the one before.
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(slice), 0, slice, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

function openChannel(client: Client, at: Endpoint, options: SshOptions): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const gone = () => {
      clearTimeout(timer)
      reject(unreachable(at, 'closed the connection'))
    }
    const timer = setTimeout(() => {
      client.removeListener('close', gone)
      client.destroy()
      reject(timedOut(at, 'did not open a channel', options.commandSeconds))
    }, options.commandSeconds * 1000)
    client.once('close', gone)
    const settled = (error: Error | undefined, channel?: ClientChannel) => {
      clearTimeout(timer)
      client.removeListener('close', gone)
      if (channel === undefined || error) {
        // A connection that opens no channel is of no more use; the next call connects anew.
        client.end()
        reject(unreachable(at, 'did not open a channel', error))
      } else resolve(channel)
    }
    try {
      client.exec(bootstrap, settled)
    } catch (error) {
      settled(error instanceof Error ? error : new Error(String(error)))
    }
  })
}
