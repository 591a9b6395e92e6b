import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { NEEDED, SCOPES } from '../../../src/adapters/slack/scopes.ts'
import { ALICE, PLACE, type World, world } from './world.ts'

let w: World | undefined
afterEach(() => w?.stop())

async function found(options: Parameters<typeof world>[0] = {}, people = [{ id: 'alice', user: ALICE }]) {
  w = await world({ started: false, ...options, server: { scopes: NEEDED, ...options?.server } })
  w.server.addChannel('C0ALONE', { name: 'alone', member: false })
  w.server.addChannel('C0OLD', { name: 'old', archived: true })
  w.server.addUser('U0GONE', { deleted: true })
  w.server.addUser('U0BOT', { bot: true })
  return w.slack.examine(people)
}

describe('examine', () => {
  test('says that all is well, and sends nothing', async () => {
    const findings = await found()
    expect(findings.map(({ subject, status }) => [subject, status])).toEqual([
      ['Slack bot token', 'ok'],
      ['Slack scopes', 'ok'],
      ['Slack app token', 'ok'],
      ['Slack channel #releases', 'ok'],
      ['Slack channel #alerts', 'ok'],
      ['Slack id of alice', 'ok'],
    ])
    expect(w?.server.messages(PLACE)).toEqual([])
  })

  test('names the scopes that are missing', async () => {
    const scopes = NEEDED.filter((scope) => scope !== 'files:write' && scope !== 'im:history')
    const finding = (await found({ server: { scopes } })).find(({ subject }) => subject === 'Slack scopes')
    expect(finding).toMatchObject({
      status: 'fail',
      say: expect.stringContaining('files:write'),
      remedy: expect.stringContaining('install the app again'),
    })
    expect(finding?.say).toContain('im:history')
  })

  test('says of each channel and person what is wrong', async () => {
    const channels = { '#a': 'C0ALONE', '#b': 'C0OLD', '#c': 'C0NOWHERE' }
    const people = ['U0GONE', 'U0BOT', 'U0NOBODY'].map((user) => ({ id: user.toLowerCase(), user }))
    const findings = await found({ config: { channels } }, people)
    expect(findings.filter(({ status }) => status === 'fail').map(({ say }) => say)).toEqual([
      'The bot is not in #alone.',
      '#old is archived.',
      'There is no channel C0NOWHERE, or the bot may not see it.',
      'U0GONE was deactivated.',
      'U0BOT is a bot, not a person.',
      'Slack does not know U0NOBODY (user_not_found).',
    ])
    expect(findings.every(({ status, remedy }) => status === 'ok' || remedy !== undefined)).toBe(true)
  })

  test.each([
    ['bot token', { botToken: 'xoxb-wrong-token' }, 'Slack bot token'],
    ['app token', { appToken: 'xapp-wrong-token' }, 'Slack app token'],
  ])('says that the %s is wrong, without the token', async (_, tokens, subject) => {
    const findings = await found(tokens)
    expect(findings.find((each) => each.subject === subject)).toMatchObject({
      status: 'fail',
      say: expect.stringContaining('invalid_auth'),
    })
    expect(JSON.stringify(findings)).not.toContain('wrong-token')
  })

  test('says that Slack is away', async () => {
    w = await world({ started: false })
    w.server.faults.outage(1000)
    expect(await w.slack.examine([])).toMatchObject([
      { status: 'fail', say: expect.stringContaining('does not answer') },
    ])
  })
})

test('every method that the code calls is in the table of scopes, and no other', () => {
  const folder = join(import.meta.dirname, '../../../src/adapters/slack')
  const source = readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
  const called = [
    ...source.matchAll(/(?:client|options\))\.(?=(?:auth|apps|chat|conversations|files|users|views)\.)([a-zA-Z.]+)\(/g),
  ]
  expect([...new Set(called.map(([, method]) => method))].sort()).toEqual(Object.keys(SCOPES).sort())
})
