import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { loadConfig } from '../../src/config/load.ts'
import { lists, sections, words } from '../../src/config/schema.ts'

const example = readFileSync('rollcall.example.yaml', 'utf8')
const defaultLine = /^(\s*)# (\S.*?)\s+# default$/gm

let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'example-'))
  mkdirSync(join(home, '.ssh'))
  writeFileSync(join(home, '.ssh/rollcall'), ['-----BEGIN OPENSSH PRIVATE', 'KEY-----'].join(' '))
  chmodSync(join(home, '.ssh/rollcall'), 0o600)
})
afterAll(() => rmSync(home, { recursive: true }))

function load(text: string) {
  const file = join(home, 'rollcall.yaml')
  writeFileSync(file, text)
  return loadConfig(file, {
    HOME: home,
    PROMETHEUS_TOKEN: 'example-token',
    OIDC_CLIENT_SECRET: 'example-secret',
    ALERTMANAGER_TOKEN: 'example-alerts',
    SLACK_BOT_TOKEN: 'xoxb-example',
    SLACK_APP_TOKEN: 'xapp-example',
    SLACK_SIGNING_SECRET: 'example-signing',
    WECOM_BOT_ID: 'example-bot-id',
    WECOM_BOT_SECRET: 'example-wecom',
    WECOM_RELEASES_WEBHOOK: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=example',
    MONGODB_URI: 'mongodb://example.com/rollcall',
  })
}

describe('rollcall.example.yaml', () => {
  test('is a valid configuration without a warning', () => {
    const config = load(example)
    expect(config.warnings).toEqual([])
    expect(config.services.map((service) => service.name)).toEqual(['user-service', 'gateway'])
    expect(config.secrets).toEqual([
      'example-token',
      'example-secret',
      'example-alerts',
      'xoxb-example',
      'xapp-example',
      'example-bot-id',
      'example-wecom',
      'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=example',
    ])
    expect(config.hosts[0]?.key).toBe(join(home, '.ssh/rollcall'))
  })

  test('shows the real default on every line that claims one', () => {
    const lines = [...example.matchAll(defaultLine)]
    expect(lines.length).toBeGreaterThan(40)
    for (const [line, indent, setting] of lines) {
      const stated = example.replace(line, `${indent}${setting}`)
      expect(parse(stated), line).not.toEqual(parse(example))
      expect(load(stated), line).toEqual(load(example))
    }
  })

  test('a default that is not the real one is noticed', () => {
    const wrong = example.replace('# keep: 5 # default', 'keep: 6')
    expect(wrong).not.toBe(example)
    expect(load(wrong)).not.toEqual(load(example))
  })

  test('names every key that there is', () => {
    const schemas = { ...lists, ...sections, ...words }
    const keys = new Set([...Object.keys(schemas), ...Object.values(schemas).flatMap((schema) => keysOf(schema))])
    expect(keys.size).toBeGreaterThan(80)
    expect([...keys].filter((key) => !new RegExp(`\\b${key}:`).test(example))).toEqual([])
  })
})

/** All property names within a schema's input. */
function keysOf(schema: z.ZodType): string[] {
  const walk = (node: unknown): string[] => {
    if (typeof node !== 'object' || node === null) return []
    const own =
      'properties' in node && typeof node.properties === 'object' && node.properties !== null
        ? Object.keys(node.properties)
        : []
    return [...own, ...Object.values(node).flatMap(walk)]
  }
  return walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
}
