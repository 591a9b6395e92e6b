import { readFile } from 'node:fs/promises'
import { Client } from 'ssh2'
import { Fault } from '../lib/fault.ts'
import type { SandboxHost } from './fleet.ts'

export interface RemoteResult {
  code: number | undefined
  signal: string | undefined
  stdout: string
  stderr: string
}

/**
 * Runs one shell command on a sandbox host over SSH; the command must be a constant, values come on stdin.
 * The host key is checked. Throws Fault `demo.host` when the host cannot be reached within `ms` or the line breaks.
 */
export async function remotely(
  host: SandboxHost,
  command: string,
  stdin: Buffer | string = '',
  ms = 10_000,
): Promise<RemoteResult> {
  const privateKey = await readFile(host.keyPath)
  const expected = Buffer.from(host.hostKey.split(' ')[1]!, 'base64')
  const client = new Client()
  const fault = (cause: unknown) =>
    new Fault('demo.host', {
      say: `sandbox host ${host.id} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
      next: 'start the demo again',
      cause,
    })
  try {
    return await new Promise<RemoteResult>((resolve, reject) => {
      const late = setTimeout(() => reject(fault(`no answer in ${ms} ms`)), ms)
      client
        .on('error', (error) => reject(fault(error)))
        .on('close', () => {
          clearTimeout(late)
          reject(fault('the connection was closed'))
        })
        // As on the server's side (host.ts): packets leave in pieces.
        .on('connect', () => client.setNoDelay(true))
        .on('ready', () =>
          client.exec(command, (error, channel) => {
            if (error) return reject(fault(error))
            const result: RemoteResult = { code: undefined, signal: undefined, stdout: '', stderr: '' }
            channel
              .on('data', (chunk: Buffer) => (result.stdout += chunk))
              .on('exit', (code: number | null, signal?: string) => {
                result.code = code ?? undefined
                result.signal = signal
              })
              .on('close', () => resolve(result))
            channel.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk))
            channel.end(stdin)
          }),
        )
        .connect({
          host: host.ip,
          port: host.port,
          username: host.user,
          privateKey,
          hostVerifier: (key: Buffer) => key.equals(expected),
          readyTimeout: ms,
        })
    })
  } finally {
    client.end()
  }
}
