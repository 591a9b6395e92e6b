import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { personSchema } from '../../src/access/config.ts'
import { createLeads } from '../../src/adapters/leads/index.ts'
import { createMongoStore } from '../../src/adapters/mongo/index.ts'
import { lockFolder } from '../../src/adapters/sqlite/index.ts'
import { doctor } from '../../src/cli.ts'
import { type Patient, runDoctor } from '../../src/entry/doctor.ts'
import { checkSurfaces, type SurfacePatient } from '../../src/entry/doctor-surfaces.ts'
import { Fault } from '../../src/lib/fault.ts'
import { createLog } from '../../src/lib/log.ts'
import { createRedactor } from '../../src/lib/redact.ts'
import type { Finding, Sent } from '../../src/ports/surface.ts'
import { mongoServer } from '../servers/mongo.ts'
import { type SlackServerOptions, startSlackServer } from '../servers/slack/index.ts'
import { startWecomServer } from '../servers/wecom/index.ts'
import { connectRaw } from '../servers/wecom/raw.ts'

const people = z.array(personSchema).parse([
  { id: 'alice', roles: ['operator'], surfaces: { slack: 'U1', wecom: 'alice.w' } },
  { id: 'bob', roles: ['approver'], surfaces: { slack: 'U2' } },
  { id: 'carol', roles: ['viewer'], surfaces: { terminal: 'carol' } },
])
const known = people.slice(0, 1)
const fine: Finding = { subject: 'token', status: 'ok', say: 'belongs to Rollcall' }

function patient(surface: 'slack' | 'wecom', part: Partial<SurfacePatient> = {}): SurfacePatient {
  return { surface, examine: async () => [fine], sendTestCard: async () => ({ at: 'sent', identity: null }), ...part }
}
const sends = (sent: Sent): Partial<SurfacePatient> => ({ sendTestCard: async () => sent })
const cardRow = async (surface: 'slack' | 'wecom', part: Partial<SurfacePatient>) => {
  const rows = await checkSurfaces([patient(surface, part)], known, '#releases')
  return rows.find(({ subject }) => subject === 'test card to #releases')
}

describe('what doctor says of chat services', () => {
  test('each finding is a row under its service, with its remedy', async () => {
    const findings: Finding[] = [
      fine,
      { subject: '#releases', status: 'fail', say: 'the bot is no member of it', remedy: '/invite @rollcall there' },
    ]
    const rows = await checkSurfaces([patient('slack', { examine: async () => findings })], known)
    expect(rows).toEqual([
      { area: 'slack', subject: 'token', status: 'ok', say: 'belongs to Rollcall', remedy: '' },
      {
        area: 'slack',
        subject: '#releases',
        status: 'fail',
        say: 'the bot is no member of it',
        remedy: '/invite @rollcall there',
      },
    ])
  })

  test('a service is asked about those who have an id there, and the others are named with what to do', async () => {
    const asked: unknown[] = []
    const examine = async (who: unknown): Promise<Finding[]> => {
      asked.push(who)
      return [fine]
    }
    const rows = await checkSurfaces([patient('slack', { examine }), patient('wecom', { examine })], people)
    expect(asked).toEqual([
      [
        { id: 'alice', user: 'U1' },
        { id: 'bob', user: 'U2' },
      ],
      [{ id: 'alice', user: 'alice.w' }],
    ])
    const strangers = rows.filter(({ subject }) => subject === 'people')
    expect(strangers).toMatchObject([
      { area: 'slack', status: 'warn', say: expect.stringMatching(/^carol has no id in Slack/) },
      { area: 'wecom', status: 'warn', say: expect.stringMatching(/^bob, carol have no id in WeCom/) },
    ])
    expect(strangers[0]?.remedy).toContain('add surfaces: { slack: <id> } to carol under people')
  })

  test('one that throws is a failed row and hides no other; one that finds nothing says that all is well', async () => {
    const examine = async (): Promise<Finding[]> => {
      throw new Fault('store.unavailable', { say: 'The store is away.', next: 'start it' })
    }
    const quiet = patient('wecom', { examine: async () => [] })
    expect(await checkSurfaces([patient('slack', { examine }), quiet], known)).toEqual([
      { area: 'slack', subject: 'slack', status: 'fail', say: 'The store is away.', remedy: 'start it' },
      { area: 'wecom', subject: 'wecom', status: 'ok', say: 'nothing is wrong there', remedy: '' },
    ])
  })
})

describe('the test card', () => {
  test('is sent only when it is asked for, after the look, to every service', async () => {
    const done: string[] = []
    const noting = (surface: 'slack' | 'wecom') =>
      patient(surface, {
        examine: async () => {
          await new Promise((resolve) => setTimeout(resolve, 10))
          done.push(`${surface} looked at`)
          return [fine]
        },
        sendTestCard: async (channel) => {
          done.push(`${surface} sent to ${channel}`)
          return { at: 'sent', identity: null }
        },
      })
    await checkSurfaces([noting('slack')], known)
    expect(done).toEqual(['slack looked at'])
    const rows = await checkSurfaces([noting('slack'), noting('wecom')], known, '#releases')
    expect(done.slice(1).toSorted()).toEqual([
      'slack looked at',
      'slack sent to #releases',
      'wecom looked at',
      'wecom sent to #releases',
    ])
    expect(done.indexOf('wecom sent to #releases')).toBeGreaterThan(done.indexOf('wecom looked at'))
    const cards = rows.filter(({ subject }) => subject === 'test card to #releases')
    expect(cards).toMatchObject([
      { area: 'slack', status: 'ok', say: 'it stands there' },
      { area: 'wecom', status: 'ok', say: expect.stringContaining('look whether you see it') },
    ])
  })

  test.each<[string, Partial<SurfacePatient>, { say: string; remedy: string }]>([
    [
      'a refusal',
      sends({ at: 'refused', why: 'The channel is unknown.', next: 'correct slack.channels' }),
      { say: 'it does not stand there: The channel is unknown.', remedy: 'correct slack.channels' },
    ],
    [
      'a limit',
      sends({ at: 'later', ms: 30_000, scope: 'place', why: 'too many messages', arrived: 'no' }),
      { say: 'it does not stand there: too many messages.', remedy: 'try again in 30 s' },
    ],
    [
      'a lost answer',
      sends({ at: 'later', ms: 1000, scope: 'surface', why: 'No answer.', arrived: 'unknown' }),
      { say: 'it does not stand there: No answer. It may have arrived all the same.', remedy: 'try again in 1 s' },
    ],
    [
      'an error',
      {
        sendTestCard: async () => {
          throw new Fault('store.unavailable', { say: 'The store is away.', next: 'start it' })
        },
      },
      { say: 'it does not stand there: The store is away.', remedy: 'start it' },
    ],
    [
      'nothing to send with',
      { sendTestCard: undefined },
      { say: 'no card can be sent there', remedy: 'send it while the bot runs' },
    ],
  ])('fails on %s, and says why and what to do', async (_name, part, { say, remedy }) => {
    expect(await cardRow('slack', part)).toEqual({
      area: 'slack',
      subject: 'test card to #releases',
      status: 'fail',
      say,
      remedy,
    })
  })

  test('fails when no service is configured', async () => {
    expect(await checkSurfaces([], people)).toEqual([])
    expect(await checkSurfaces([], people, '#releases')).toMatchObject([
      {
        area: 'config',
        subject: '--test-card #releases',
        status: 'fail',
        remedy: 'add slack or wecom to rollcall.yaml',
      },
    ])
  })
})

describe('in a whole examination', () => {
  const whole = (part: Partial<Patient>): Patient => ({
    services: [],
    hosts: [],
    people,
    target: {
      probe: async () => {
        throw new Error('no host is configured')
      },
      leave: async () => undefined,
    },
    store: {
      name: '.rollcall',
      open: async () => ({
        get: async () => undefined,
        insert: async () => true,
        put: async () => 2,
        close: async () => undefined,
      }),
      freeMb: async () => 50_000,
    },
    knowledge: { folder: 'knowledge', load: async () => ({ entries: [], problems: [] }) },
    fetch: async () => new Response(null, { status: 404 }),
    ...part,
  })
  const run = (part: Partial<Patient>, testCard?: string) =>
    runDoctor({
      source: 'rollcall.yaml',
      problems: [],
      warnings: [],
      patient: whole(part),
      clock: () => new Date(0),
      limitMs: 200,
      ...(testCard === undefined ? {} : { testCard }),
    })

  test('a service that hangs is a failed row beside the rows of the others', async () => {
    const hanging = patient('wecom', { examine: () => new Promise(() => {}) })
    const rows = await run({ surfaces: [patient('slack'), hanging] })
    expect(rows.filter(({ area }) => area === 'slack')).toMatchObject([
      { say: 'belongs to Rollcall' },
      { subject: 'people' },
    ])
    expect(rows.filter(({ area }) => area === 'wecom')).toMatchObject([
      { status: 'fail', say: 'wecom gave no answer within 200 ms' },
    ])
  })

  test('the test card reaches the services, and is never silently left out', async () => {
    const sent: string[] = []
    const sendTestCard = async (channel: string): Promise<Sent> => {
      sent.push(channel)
      return { at: 'sent', identity: null }
    }
    await run({ surfaces: [patient('slack', { sendTestCard })] }, '#releases')
    expect(sent).toEqual(['#releases'])
    expect(await run({}, '#releases')).toContainEqual(expect.objectContaining({ area: 'config', status: 'fail' }))
    const problems = [{ path: 'slack', say: 'is wrong', remedy: 'correct it' }]
    const rows = await runDoctor({
      source: 'f',
      problems,
      warnings: [],
      clock: () => new Date(0),
      testCard: '#releases',
    })
    expect(rows).toMatchObject([
      { subject: 'slack', say: 'is wrong' },
      { subject: '--test-card #releases', status: 'fail' },
    ])
  })

  test('without chat services nothing is said of them', async () => {
    expect(
      (await run({})).filter(({ area }) => area === 'slack' || area === 'wecom' || area === 'config'),
    ).toHaveLength(1)
  })
})

describe('rollcall doctor', () => {
  const ends: (() => Promise<void> | void)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  interface Examined {
    code: number
    rows: string[]
  }

  /** A data folder and a configuration with these chat services, whose secrets stand in the environment. */
  async function configured(
    surfaces: { slack?: object; wecom?: object; store?: object },
    secrets: Record<string, string>,
  ): Promise<{ folder: string; run: (testCard?: string) => Promise<Examined> }> {
    const folder = await mkdtemp(join(tmpdir(), 'rollcall-test-doctor-'))
    ends.push(() => rm(folder, { recursive: true, force: true }))
    for (const [name, value] of Object.entries(secrets)) {
      process.env[name] = value
      ends.push(() => void Reflect.deleteProperty(process.env, name))
    }
    const key = join(folder, 'key')
    await writeFile(key, ['-----BEGIN OPENSSH PRIVATE', 'KEY-----'].join(' '), { mode: 0o600 })
    const url = 'http://127.0.0.1:1/user-service-{version}.tar.gz'
    const parts = {
      services: [
        {
          name: 'user-service',
          artifact: { url, checksum: { sha256Url: `${url}.sha256` } },
          recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { url: 'http://127.0.0.1:8080/health' } },
        },
      ],
      hosts: [{ id: 'web-1', ip: '127.0.0.1', port: 1, user: 'deploy', key, hostKey: `SHA256:${'A'.repeat(43)}` }],
      people: [
        { id: 'alice', roles: ['operator'], surfaces: { terminal: 'alice', wecom: 'alice.w', slack: 'UALICE' } },
        { id: 'bob', roles: ['approver'], surfaces: { terminal: 'bob' } },
        { id: 'carol', roles: ['viewer'], surfaces: { wecom: 'carol.w', slack: 'UGONE' } },
      ],
      ...surfaces,
      store: { folder: join(folder, 'data'), ...surfaces.store },
    }
    const file = join(folder, 'rollcall.yaml')
    // JSON is YAML.
    await writeFile(file, JSON.stringify(parts))
    const run = async (testCard?: string): Promise<Examined> => {
      let out = ''
      const write = (text: string): void => {
        out += text
      }
      const code = await doctor(file, write, false, testCard)
      for (const secret of Object.values(secrets)) expect(out).not.toContain(secret)
      const rows = out.split(/├[─┼]+┤/).map(rowOf)
      return { code, rows: rows.filter((row) => /\| (wecom|slack) |--test-card/.test(row)) }
    }
    return { folder, run }
  }

  /** A row of the table goes over several lines: column by column. */
  function rowOf(text: string): string {
    const lines = text.split('\n').filter((line) => line.startsWith('│'))
    const cells = lines.map((line) => line.split('│').slice(1, 5))
    const column = (at: number): string => cells.map((each) => each[at]?.trim() ?? '').join(' ')
    return [0, 1, 2, 3].map((at) => column(at).trim()).join(' | ')
  }

  async function world(store: object = {}) {
    const server = await startWecomServer()
    ends.push(() => server.stop())
    server.addChat('group-1')
    const channels = { '#releases': { id: 'group-1' } }
    const wecom = { botIdEnv: 'DOCTOR_TEST_BOT', secretEnv: 'DOCTOR_TEST_SECRET', url: server.url, channels }
    const secrets = { DOCTOR_TEST_SECRET: server.secret }
    process.env.DOCTOR_TEST_BOT = server.botId
    ends.push(() => void Reflect.deleteProperty(process.env, 'DOCTOR_TEST_BOT'))
    return { server, ...(await configured({ wecom, store }, secrets)) }
  }

  async function slackWorld(options: SlackServerOptions = {}) {
    const server = await startSlackServer(options)
    ends.push(() => server.stop())
    server.addChannel('C0RELEASES', { name: 'releases' })
    server.addUser('UALICE', { name: 'alice' })
    const names = { botTokenEnv: 'DOCTOR_TEST_XOXB', appTokenEnv: 'DOCTOR_TEST_XAPP' }
    const slack = { ...names, apiUrl: server.apiUrl, channels: { '#releases': 'C0RELEASES' } }
    const secrets = { DOCTOR_TEST_XOXB: server.botToken, DOCTOR_TEST_XAPP: server.appToken }
    return { server, ...(await configured({ slack }, secrets)) }
  }

  test('subscribes, says who has no id there, and puts the test card into the group', async () => {
    const { server, run } = await world()
    const { rows } = await run('#releases')
    expect(rows).toContainEqual(expect.stringMatching(/^ok \| .*The bot is subscribed/))
    expect(rows).toContainEqual(expect.stringMatching(/^warn \| wecom people \| bob has no id in WeCom/))
    expect(rows).toContainEqual(expect.stringMatching(/^ok \| wecom test card to #releases \| WeCom has taken it/))
    expect(server.messages('group-1')).toMatchObject([{ msgtype: 'template_card', from: 'push' }])
    await expect.poll(() => server.connections(), { timeout: 5000 }).toBe(0)
  }, 60_000)

  test('sends nothing unless it is told to, and names the channels when the one that is given is none', async () => {
    const { server, run } = await world()
    await run()
    expect(server.messages('group-1')).toEqual([])
    const { code, rows } = await run('#release')
    expect(code).toBe(1)
    expect(rows).toContainEqual(expect.stringMatching(/^fail \| wecom test card to #release \| .*\| .*#releases/))
    expect(server.messages('group-1')).toEqual([])
  }, 60_000)

  test('leaves the connection of a running bot alone, and says so', async () => {
    const { server, folder, run } = await world()
    const lock = lockFolder(join(folder, 'data'))
    ends.push(() => lock.release())
    const bot = await connectRaw(server.url, server)
    ends.push(() => bot.close())
    const { rows } = await run('#releases')
    expect(rows).toContainEqual(expect.stringMatching(/^warn \| .*Another process of this store holds the bot/))
    expect(rows).toContainEqual(expect.stringMatching(/^fail \| wecom test card to #releases/))
    expect(bot.callbacks).toEqual([])
    expect(server.connections()).toBe(1)
    expect(server.frames().filter(({ cmd }) => cmd === 'aibot_subscribe')).toHaveLength(1)
  }, 60_000)

  test('with a store that several share, waits for the bot in vain while another holds it', async () => {
    const mongo = await mongoServer()
    ends.push(() => mongo.stop())
    const { uri } = mongo
    process.env.DOCTOR_TEST_MONGO = uri
    ends.push(() => void Reflect.deleteProperty(process.env, 'DOCTOR_TEST_MONGO'))
    const database = mongo.database()
    const store = await createMongoStore({ uri, database, indexes: [] })
    ends.push(() => store.close())
    const log = createLog({ redact: createRedactor([]), level: 'silent' })
    const leads = createLeads({ store, exclusive: false, log })
    ends.push(() => leads.close())
    const lead = leads.campaign('wecom', {})
    await expect.poll(() => lead.held(), { timeout: 10_000 }).toBe(true)
    const { server, run } = await world({ kind: 'mongo', uriEnv: 'DOCTOR_TEST_MONGO', database })
    expect((await run()).rows).toContainEqual(expect.stringContaining('Another process of this store holds the bot'))
    expect(server.frames()).toEqual([])
    await lead.release()
    expect((await run()).rows).toContainEqual(expect.stringContaining('The bot is subscribed'))
  }, 120_000)

  test('tells a wrong secret from an outage', async () => {
    const { server, run } = await world()
    server.faults.invalidAuth(true)
    expect((await run()).rows).toContainEqual(expect.stringMatching(/^fail \| .*refuses the bot's id or its secret/))
    server.faults.outage(60_000)
    const away = await run()
    expect(away.code).toBe(1)
    expect(away.rows.filter((row) => row.startsWith('fail'))).toHaveLength(1)
    expect(away.rows).not.toContainEqual(expect.stringContaining("refuses the bot's id"))
  }, 60_000)

  test('in Slack, names the id that does not exist, and puts the test card into the channel by our name of it', async () => {
    const { server, run } = await slackWorld()
    const { code, rows } = await run('#releases')
    expect(code).toBe(1)
    expect(rows).toContainEqual(expect.stringMatching(/^ok \| slack .*token/i))
    expect(rows).toContainEqual(expect.stringMatching(/^(fail|warn) \| slack [^|]*carol.*\| .*UGONE.* \| \S/))
    expect(rows).toContainEqual(expect.stringMatching(/^warn \| slack people \| bob has no id in Slack/))
    expect(rows).toContainEqual('ok | slack test card to #releases | it stands there | ')
    expect(server.messages('C0RELEASES')).toHaveLength(1)
  }, 60_000)

  test('in Slack, says which scopes are missing and where the bot is no member, each with its remedy', async () => {
    const { server, run } = await slackWorld({ scopes: ['chat:write', 'channels:read', 'groups:read', 'users:read'] })
    server.addChannel('C0RELEASES', { name: 'releases', member: false })
    const { rows } = await run('#releases')
    expect(rows).toContainEqual(expect.stringMatching(/^fail \| slack .*scopes \| .*files:write.* \| \S/i))
    expect(rows).toContainEqual(expect.stringMatching(/^fail \| slack .*#releases \| .* \| .*invite/i))
    expect(rows).toContainEqual(expect.stringMatching(/^fail \| slack test card to #releases \| .* \| \S/))
    expect(server.messages('C0RELEASES')).toEqual([])
  }, 60_000)

  test('in Slack, sends no card to a channel that is none, and names those that are', async () => {
    const { server, run } = await slackWorld()
    const { rows } = await run('#release')
    expect(rows).toContainEqual(
      expect.stringMatching(/^fail \| slack test card to #release \| .*mean #releases\? \| .*#releases/),
    )
    expect(server.calls('chat.postMessage')).toEqual([])
  }, 60_000)

  test.each([
    [['--test-card', ''], '--test-card wants a channel, such as "#releases".'],
    [['--test-card', ' '], '--test-card wants a channel, such as "#releases".'],
    [['--test-card'], expect.stringContaining('--test-card')],
  ])('a test card to nowhere (%j) is refused before anything is looked at', async (words, line) => {
    const said = await new Promise<{ code: unknown; line?: string }>((resolve) => {
      const options = { timeout: 20_000, env: { PATH: process.env.PATH } }
      execFile(process.execPath, ['src/main.ts', 'doctor', ...words], options, (error, _out, text) =>
        resolve({ code: error === null ? 0 : error.code, line: text.split('\n')[0] }),
      )
    })
    expect(said).toEqual({ code: 2, line })
  })
})
