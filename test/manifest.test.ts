import { readdirSync, readFileSync } from 'node:fs'
import { WebClient } from '@slack/web-api'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { commands } from '../commands/index.ts'
import { EVENT_SCOPES, NEEDED, SCOPES } from '../src/adapters/slack/scopes.ts'
import { KEPT } from './servers/slack/kept.ts'

/** Slack's own limits: schemas/manifest.schema.1.0.0.json in slackapi/manifest-schema. What is not named there is refused. */
const manifestSchema = z.strictObject({
  display_information: z.strictObject({
    name: z.string().min(1).max(35),
    description: z.string().min(1).max(140),
    background_color: z.string().regex(/^#[0-9a-fA-F]{3}([0-9a-fA-F]{3})?$/),
    long_description: z.string().min(175).max(4000).optional(),
  }),
  features: z.strictObject({
    app_home: z.strictObject({
      home_tab_enabled: z.boolean(),
      messages_tab_enabled: z.boolean(),
      messages_tab_read_only_enabled: z.boolean(),
    }),
    bot_user: z.strictObject({ display_name: z.string().min(1).max(80), always_online: z.boolean() }),
    slash_commands: z
      .array(
        z.strictObject({
          // Capitals, underscores and spaces are an invalid name as well.
          command: z
            .string()
            .min(2)
            .max(32)
            .regex(/^\/[a-z0-9-]+$/),
          description: z.string().min(1).max(2000),
          usage_hint: z.string().min(1).max(1000).optional(),
          should_escape: z.boolean(),
        }),
      )
      .min(1)
      .max(50),
  }),
  oauth_config: z.strictObject({ scopes: z.strictObject({ bot: z.array(z.string().max(50)).max(255) }) }),
  settings: z.strictObject({
    event_subscriptions: z.strictObject({ bot_events: z.array(z.string().max(50)).max(100) }),
    interactivity: z.strictObject({ is_enabled: z.boolean() }),
    org_deploy_enabled: z.boolean(),
    socket_mode_enabled: z.boolean(),
    token_rotation_enabled: z.boolean(),
  }),
})

const root = new URL('../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const manifest = manifestSchema.parse(parse(read('manifest.yml')))
const sources = readdirSync(new URL('src/adapters/slack/', root), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: uncommented(read(`src/adapters/slack/${name}`)) }))

function uncommented(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

/** True for what the Web API client itself has, such as `chat.postMessage`. */
const web = new WebClient()
function isMethod(path: string): boolean {
  const found = path.split('.').reduce<unknown>((value, name) => {
    const inside = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    return inside ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
  }, web)
  return path.includes('.') && typeof found === 'function'
}

/** Methods that the sources call (`client.chat.update(`) or name (`'chat.update'`), the table itself left out. */
function methodsIn(text: string): string[] {
  const called = [...text.matchAll(/\.((?:[a-zA-Z]+\.)+[a-zA-Z]+)\(/g)].flatMap(([, path = '']) => {
    const names = path.split('.')
    return names.map((_, from) => names.slice(from).join('.'))
  })
  const named = [...text.matchAll(/['"`]((?:[a-zA-Z]+\.)+[a-zA-Z]+)['"`]/g)].map(([, path = '']) => path)
  return [...new Set([...called, ...named].filter(isMethod))]
}
const used = [
  ...new Set(sources.filter(({ name }) => name !== 'scopes.ts').flatMap(({ text }) => methodsIn(text))),
].sort()

/** What the Slack SDK calls by itself for a connection of Socket Mode. */
const BY_THE_SDK = ['apps.connections.open']

/** The events of the manifest, with what the adapter's listener calls them and the scope that Slack asks for. */
const EVENTS: Record<string, { listener: string; scope: string }> = {
  app_mention: { listener: 'app_mention', scope: 'app_mentions:read' },
  'message.im': { listener: 'message', scope: 'im:history' },
  'message.channels': { listener: 'message', scope: 'channels:history' },
  'message.groups': { listener: 'message', scope: 'groups:history' },
  'message.mpim': { listener: 'message', scope: 'mpim:history' },
}
const heard = sources.flatMap(({ text }) => [...text.matchAll(/\bapp\.event\(\s*'([\w.]+)'/g)].map(([, name]) => name))

/** A name that Slack keeps for itself stands with `rollcall-` in front. */
const slashOf = (name: string) => (KEPT.has(name) ? `/rollcall-${name}` : `/${name}`)

const expectedCommands = commands.map(({ name, summary, usage }) => {
  const hints = usage.filter((each) => each !== '')
  return {
    command: slashOf(name),
    description: summary,
    ...(hints.length === 0 ? {} : { usage_hint: hints.join(' or ') }),
    should_escape: false,
  }
})
const expectedScopes = [...NEEDED].sort()

/** The part of manifest.yml that follows from the code, to be pasted there when a test fails. */
const expectedYaml = stringify(
  { features: { slash_commands: expectedCommands }, oauth_config: { scopes: { bot: expectedScopes } } },
  { lineWidth: 0 },
)
const hint = `manifest.yml should hold:\n${expectedYaml}`

describe('manifest.yml', () => {
  test('has a slash command for each file in commands/, with its summary and its usage', () => {
    const files = readdirSync(new URL('commands/', root)).filter((name) => name.endsWith('.ts') && name !== 'index.ts')
    expect(commands.map(({ name }) => `${name}.ts`).sort()).toEqual(files.sort())
    expect(manifest.features.slash_commands, hint).toEqual(expectedCommands)
  })

  test('names no command that Slack keeps for itself: it refuses the whole manifest then', () => {
    const names = manifest.features.slash_commands.map(({ command }) => command.slice(1))
    expect(names.filter((name) => KEPT.has(name))).toEqual([])
    expect(new Set(names).size).toBe(names.length)
  })

  test('asks for the scopes that the code needs, and for no others', () => {
    expect(manifest.oauth_config.scopes.bot, hint).toEqual(expectedScopes)
  })

  test('subscribes to what the adapter listens to, and to no more', () => {
    const events = manifest.settings.event_subscriptions.bot_events
    expect(events.filter((name) => EVENTS[name] === undefined)).toEqual([])
    expect([...new Set(events.map((name) => EVENTS[name]?.listener))].sort()).toEqual([...new Set(heard)].sort())
    const scopes = events.map((name) => EVENTS[name]?.scope)
    expect([...EVENT_SCOPES].sort()).toEqual([...scopes, 'commands'].sort())
  })

  test('switches on what commands, buttons and direct messages need', () => {
    const text = sources.map((source) => source.text).join('\n')
    expect(text).toMatch(/\bapp\.command\(/)
    expect(text).toMatch(/\bapp\.action\(/)
    expect(text).toMatch(/\bapp\.view\(/)
    expect(manifest.settings).toMatchObject({
      socket_mode_enabled: true,
      interactivity: { is_enabled: true },
      token_rotation_enabled: false,
    })
    expect(manifest.features.app_home).toMatchObject({
      messages_tab_enabled: true,
      messages_tab_read_only_enabled: false,
    })
  })
})

describe('the table of scopes', () => {
  test('has every method of the Web API that the adapter calls', () => {
    expect(used.length).toBeGreaterThan(5)
    expect(used.filter((method) => !Object.hasOwn(SCOPES, method))).toEqual([])
  })

  test('has no method that nobody calls', () => {
    expect(Object.keys(SCOPES).filter((method) => !used.includes(method) && !BY_THE_SDK.includes(method))).toEqual([])
  })

  test.each([
    ['await call(bot, () => bot.client.chat.update({ ts }))', ['chat.update']],
    ['bot.client.files.getUploadURLExternal({})', ['files.getUploadURLExternal']],
    ["client.apiCall('users.lookupByEmail', {})", ['users.lookupByEmail']],
    ['client.websocket.disconnect()', []],
    ["log.info('some.thing')", []],
  ])('is held against what stands in the sources: %s', (text, methods) => {
    expect(methodsIn(text)).toEqual(methods)
  })
})
