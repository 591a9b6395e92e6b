/**
 * An MCP server over stdio that misbehaves on request: `node test/servers/mcp-bad.ts [file]`. Its tools are `look` (answers with
 * its text argument) and one for each way to go wrong. When `file` is given, the description of `look` is what stands in it.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

const request = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string(),
  params: z
    .looseObject({ name: z.string().optional(), arguments: z.record(z.string(), z.unknown()).optional() })
    .optional(),
})

const names = 'look die hang flood notices garbage refuse broken env grandchild pictures write twice slow'.split(' ')
const file = process.argv[2]
const send = (message: object) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
const describe = (name: string) =>
  name === 'look' && file !== undefined && existsSync(file) ? readFileSync(file, 'utf8') : `the tool ${name}`
const text = (words: string) => ({ content: [{ type: 'text', text: words }] })

async function call(name: string, args: Record<string, unknown>): Promise<object> {
  switch (name) {
    case 'look':
      return text(String(args.text ?? 'nothing special'))
    case 'die':
      console.error('panic: out of memory')
      process.exit(3)
      break
    case 'hang':
      // The whole program stands still, so it answers no ping and hears no end of its input either.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
      break
    case 'slow':
      await sleep(60_000)
      break
    case 'flood':
      return text('x'.repeat(50_000_000))
    case 'notices':
      for (let sent = 0; sent < 50_000_000; sent += 10_000)
        send({ method: 'notifications/message', params: { level: 'info', data: 'y'.repeat(10_000) } })
      return text('done')
    case 'garbage':
      process.stdout.write(
        'Listening on port 80 …\n{"half": \n\u0000\u0001\n\n[1,2]\n{"jsonrpc":"2.0","id":987654,"result":{}}\n',
      )
      return text('still here')
    case 'refuse':
      return { isError: true, ...text('the backend said 503') }
    case 'env':
      return text(JSON.stringify({ env: process.env, cwd: process.cwd() }))
    case 'grandchild': {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
      return text(`${process.pid} ${child.pid}`)
    }
    case 'pictures':
      return {
        content: [
          { type: 'text', text: 'one picture' },
          { type: 'image', data: 'aGlkZGVu', mimeType: 'image/png' },
          { type: 'resource', resource: { uri: 'file:///a.bin', blob: 'aGlkZGVu', mimeType: 'application/x-thing' } },
          { type: 'resource', resource: { uri: 'file:///a.txt', text: 'text of a file' } },
        ],
      }
  }
  return text('ok')
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, params } = request.parse(JSON.parse(line))
  if (id === undefined) return
  if (method === 'initialize')
    return send({
      id,
      result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'bad', version: '1' } },
    })
  if (method === 'tools/list')
    return send({
      id,
      result: {
        tools: names.map((name) => ({
          name,
          description: describe(name),
          inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
          ...(name === 'write' ? { annotations: { readOnlyHint: false } } : {}),
        })),
      },
    })
  if (method === 'ping') return send({ id, result: {} })
  if (method !== 'tools/call') return send({ id, error: { code: -32601, message: 'no such method' } })
  if (params?.name === 'broken') return send({ id, error: { code: -32603, message: 'internal: stack overflow' } })
  send({ id, result: await call(params?.name ?? '', params?.arguments ?? {}) })
})
