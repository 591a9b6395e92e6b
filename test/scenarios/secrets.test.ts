import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { tarOf } from '../adapters/ssh/kit.ts'
import { skipReal } from '../demo/needs.ts'
import { userService } from './packages.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

const secret = 'q7Xv-scenario-token-91Lm+/Zk'
const base64 = Buffer.from(secret).toString('base64')

/** What an unlucky start may print: the value itself, in other clothes, and in two pieces with a pause between them. */
const careless = `#!/bin/sh
echo "using token ${secret}"
echo "GET /?token=${encodeURIComponent(secret)}" >&2
echo "Authorization: Bearer ${secret}" >&2
echo ${base64}
printf 'in two pieces: ${secret.slice(0, 11)}'
sleep 2.2
printf '%s\\n' '${secret.slice(11)}'
exit 3
`

describe.skipIf(skipReal)('a secret that comes back from a host or from Prometheus', () => {
  let bot: Sandbox
  let echo: Server
  const asked: (string | undefined)[] = []
  beforeAll(async () => {
    // A server that is wrong in the worst way: it quotes the credentials in its refusal.
    echo = createServer((request, response) => {
      asked.push(request.headers.authorization)
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ status: 'error', errorType: 'internal', error: `no ${request.headers.authorization}` }),
      )
    })
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
    vi.stubEnv('SCENARIO_TOKEN', secret)
    bot = await startSandbox({
      prometheus: {
        url: `http://127.0.0.1:${(echo.address() as AddressInfo).port}`,
        bearerTokenEnv: 'SCENARIO_TOKEN',
      },
      policy: { gate: 'ask' },
    })
  })
  afterAll(async () => {
    await bot?.close()
    echo?.close()
    vi.unstubAllEnvs()
  })

  test('appears in no message, no answer, no log line and no file of the store', async () => {
    bot.packages.publish('v1.1.0', { body: userService('v1.1.0', { files: { 'bin/start': careless } }) })
    const id = await bot.approved('v1.1.0', 'bj-1')
    await bot.reach(id, 'held')
    expect((await bot.press('alice', id, 'release.rollback')).ok).toBe(true)
    await bot.reach(id, 'rolled back')
    const hostile = gzipSync(tarOf([{ name: `../${secret}`, text: 'x' }]))
    bot.packages.publish('v1.2.0', { body: hostile })
    const second = await bot.approved('v1.2.0', 'bj-1')
    await bot.reach(second, 'held')
    const answers = await Promise.all(
      [
        '/status',
        `/status ${id}`,
        `/status ${second}`,
        '/status bj-1',
        '/hosts',
        `/release user-service ${secret}`,
      ].map(async (text) => {
        const { text: said, message } = await bot.type('alice', text)
        return `${said}\n${message === undefined ? '' : bot.app().render(message)}\n${JSON.stringify(message)}`
      }),
    )
    expect((await bot.press('alice', second, 'release.rollback')).ok).toBe(true)
    await bot.reach(second, 'rolled back')
    await bot.app().stop(2000)

    // It was there to be seen.
    expect(asked).toContain(`Bearer ${secret}`)
    expect(bot.channel()).toContain('using token ***')
    expect(bot.channel()).toContain('in two pieces: ***')
    expect(bot.channel()).toMatch(/unpack: refused member \.\.\/\*\*\*/)
    expect(bot.logged()).toMatch(/"level"/)
    const folder = join(bot.folder, 'rollcall')
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    expect(files.length).toBeGreaterThan(0)
    const places: [string, string][] = [
      ['channel', bot.channel()],
      ['log', bot.logged()],
      ...answers.map((answer, i): [string, string] => [`answer ${i}`, answer]),
      ...files.map((entry): [string, string] => [
        entry.name,
        readFileSync(join(entry.parentPath, entry.name), 'latin1'),
      ]),
    ]
    const forms = [secret, base64.slice(0, -4), encodeURIComponent(secret)]
    expect(places.filter(([, text]) => forms.some((form) => text.includes(form))).map(([place]) => place)).toEqual([])
    await bot.restart({})
  })
})
