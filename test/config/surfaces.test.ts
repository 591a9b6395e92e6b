import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import type { Problem } from '../../src/config/problems.ts'
import { Fault } from '../../src/lib/fault.ts'

let home: string
let key: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'config-surfaces-'))
  key = join(home, 'key')
  writeFileSync(key, ['-----BEGIN OPENSSH PRIVATE', 'KEY-----'].join(' '))
  chmodSync(key, 0o600)
})
afterAll(() => rmSync(home, { recursive: true }))

const url = 'http://a.test/user-service-{version}.tar.gz'
const base = () => ({
  services: [
    {
      name: 'user-service',
      artifact: { url, checksum: { sha256Url: `${url}.sha256` } },
      recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { url: 'http://127.0.0.1:8080/health' } },
    },
  ],
  hosts: [{ id: 'web-1', ip: '10.0.0.1', user: 'deploy', key, hostKey: `SHA256:${'A'.repeat(43)}` }],
  people: [
    { id: 'alice', roles: ['operator'], surfaces: { slack: 'U0ALICE', wecom: 'alice' } },
    { id: 'bob', roles: ['approver'], surfaces: { slack: 'U0BOB', wecom: 'bob' } },
  ],
})

function problemsOf(part: object, env: Record<string, string> = {}): Problem[] {
  try {
    loadConfig({ ...base(), ...part }, { HOME: home, ...env })
  } catch (error) {
    if (error instanceof Fault) return error.data.problems as Problem[]
    throw error
  }
  return []
}
const pathsOf = (part: object, env?: Record<string, string>) => problemsOf(part, env).map(({ path }) => path)

const slack = { channels: { '#releases': 'C0RELEASES' } }
const wecom = { channels: { '#releases': { id: 'group-1' } } }

describe('Slack in the configuration', () => {
  test('wants the two tokens of Socket Mode by their usual names, and takes them as secrets', () => {
    expect(problemsOf({ slack })).toEqual([
      expect.objectContaining({
        path: 'slack.botTokenEnv',
        say: expect.stringContaining('SLACK_BOT_TOKEN is not set'),
      }),
      expect.objectContaining({
        path: 'slack.appTokenEnv',
        say: expect.stringContaining('SLACK_APP_TOKEN is not set'),
      }),
    ])
    const config = loadConfig({ ...base(), slack }, { SLACK_BOT_TOKEN: 'xoxb-secret', SLACK_APP_TOKEN: 'xapp-secret' })
    expect(config.secrets).toEqual(['xoxb-secret', 'xapp-secret'])
    expect(config.slack).toMatchObject({ mode: 'socket', apiUrl: 'https://slack.com/api/', nativeBlocks: true })
  })

  test('wants the signing secret instead where Slack sends over HTTP', () => {
    expect(pathsOf({ slack: { ...slack, mode: 'http' } })).toEqual(['slack.botTokenEnv', 'slack.signingSecretEnv'])
  })

  test.each([
    ['a name in place of an id', { channels: { '#releases': '#releases' } }],
    ['no channel', { channels: {} }],
    ['a token in place of its variable', { ...slack, botTokenEnv: 'xoxb-1-2' }],
  ])('%s is refused', (_, section) => {
    expect(
      pathsOf({ slack: section }, { SLACK_BOT_TOKEN: 'xoxb-secret', SLACK_APP_TOKEN: 'xapp-secret' }),
    ).toHaveLength(1)
  })
})

describe('WeCom in the configuration', () => {
  const env = { WECOM_BOT_ID: 'bot-id-1', WECOM_BOT_SECRET: 'bot-secret' }

  test('reads Chinese unless told, and takes the address of a webhook as a secret', () => {
    const hook = 'https://qyapi.test/cgi-bin/webhook/send?key=1'
    const section = { ...wecom, webhooksEnv: { '#releases': 'HOOK' } }
    expect(pathsOf({ wecom: section }, env)).toEqual(['wecom.webhooksEnv[0].webhookEnv'])
    const config = loadConfig({ ...base(), wecom: section }, { ...env, HOOK: hook })
    expect(config.secrets).toContain(hook)
    expect(config.wecom).toMatchObject({
      language: 'zh',
      profile: 'standard',
      channels: { '#releases': { type: 'group' } },
    })
  })

  test('wants id and secret by their usual names', () => {
    expect(pathsOf({ wecom })).toEqual(['wecom.botIdEnv', 'wecom.secretEnv'])
  })
})

describe('what is not wrong but probably not meant', () => {
  const env = { SLACK_BOT_TOKEN: 'xoxb-secret', SLACK_APP_TOKEN: 'xapp-secret' }
  const warningsOf = (part: object) => loadConfig({ ...base(), ...part }, env).warnings.map(({ path }) => path)

  test('a channel that nothing is posted to', () => {
    expect(warningsOf({ slack: { channels: { ...slack.channels, '#relaeses': 'C1OTHER' } } })).toEqual([
      'slack.channels.#relaeses',
    ])
    const alerts = { channel: '#alerts' }
    expect(warningsOf({ alerts, slack: { channels: { ...slack.channels, '#alerts': 'C1OTHER' } } })).toEqual([])
  })

  test('a service on which nobody is known', () => {
    const people = base().people.map((person) => ({ ...person, surfaces: { console: person.id } }))
    expect(warningsOf({ slack, people })).toEqual(['slack'])
  })
})

describe('MongoDB as the store', () => {
  test('wants its address from the environment, and keeps it as a secret', () => {
    expect(pathsOf({ store: { kind: 'mongo' } })).toEqual(['store.uriEnv'])
    const uri = 'mongodb://rollcall:pw@db.test/'
    const config = loadConfig({ ...base(), store: { kind: 'mongo' } }, { MONGODB_URI: uri })
    expect(config.store).toMatchObject({
      kind: 'mongo',
      database: 'rollcall',
      folder: join(process.cwd(), '.rollcall'),
    })
    expect(config.secrets).toEqual([uri])
  })

  test('an address in the file, and another kind of store, are refused', () => {
    expect(pathsOf({ store: { kind: 'mongo', uriEnv: 'mongodb://db' } })).toEqual(['store.uriEnv'])
    expect(problemsOf({ store: { kind: 'postgres' } })).toEqual([
      expect.objectContaining({ path: 'store.kind', remedy: expect.stringContaining('sqlite, mongo') }),
    ])
  })
})
