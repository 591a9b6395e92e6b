import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { commands } from '../../../commands/index.ts'
import { answerAsTyped, asTyped, messageAsTyped, withoutPrefix } from '../../../src/adapters/slack/slash.ts'
import { usageOf } from '../../../src/entry/command.ts'
import { translate } from '../../../src/lib/catalogue/translate.ts'
import { zh } from '../../../src/lib/catalogue/zh.ts'
import type { Message } from '../../../src/ports/chat.ts'

/** `/status` or `/help` as a word of its own. */
const BARE = /(?<![\w/.-])\/(?:status|help)(?![\w/-])/

describe('what is typed', () => {
  test.each([
    ['/rollcall-status R-1', '/status R-1'],
    ['/rollcall-help', '/help'],
    ['/Rollcall-Status', '/Status'],
    ['/rollcall-release user-service v1', '/release user-service v1'],
    ['/release rollcall-web v1', '/release rollcall-web v1'],
    ['/rollcall', '/rollcall'],
  ])('%s is %s', (typed, line) => expect(withoutPrefix(typed)).toBe(line))
})

describe('what people are told to type', () => {
  test('begins with rollcall- for the commands that the manifest registers so, and for no others', () => {
    const manifest = z
      .object({ features: z.object({ slash_commands: z.array(z.object({ command: z.string() })) }) })
      .parse(parse(readFileSync(new URL('../../../manifest.yml', import.meta.url), 'utf8')))
    const registered = manifest.features.slash_commands.map(({ command }) => command)
    expect(commands.map(({ name }) => asTyped(`type /${name}`).slice('type '.length))).toEqual(registered)
  })

  const sentences = Object.entries(zh)
    .flat()
    .map((text) =>
      text
        .replace(/\{near_\}/g, ' ')
        .replace(/\{(?:id|same|release)\W?\}/g, 'R-12')
        .replace(/\{[^{}|]*\}/g, 'something'),
    )
    .filter((text) => BARE.test(text))

  test('is there in many sentences, in two languages', () => expect(sentences.length).toBeGreaterThan(20))

  test.each(sentences)('in the sentence %j', (text) => expect(answerAsTyped(text)).not.toMatch(BARE))

  test.each(commands.map((command) => [command.name, usageOf(command)]))('in the usage of /%s', (_, usage) => {
    for (const text of [usage, translate(usage, 'zh')]) {
      const shown = answerAsTyped(text)
      expect(shown).not.toMatch(BARE)
      expect(shown.replaceAll('/rollcall-', '/')).toBe(text)
    }
  })

  test.each([
    ['That is not a command. Next: type /help.', 'That is not a command. Next: type /rollcall-help.'],
    ['Next: /status R-3', 'Next: /rollcall-status R-3'],
    ['end it first; /status R-3 says how.', 'end it first; /rollcall-status R-3 says how.'],
    ['3 more … (/status R-n shows every metric)', '3 more … (/rollcall-status R-n shows every metric)'],
    ['下一步：输入 /help alerts。', '下一步：输入 /rollcall-help alerts。'],
    ['type /release user-service v1', 'type /release user-service v1'],
  ])('%s -> %s', (text, shown) => {
    expect(asTyped(text)).toBe(shown)
    expect(asTyped(shown)).toBe(shown)
  })
})

describe('text from outside stays as it is', () => {
  const outside = [
    'tail -f /var/status',
    '/var/status/help is full',
    'GET /status R-1 503',
    'GET /status 503',
    'https://example.com/status and http://web-1:8080/help?x=1',
    'type /status.json into it',
    'type /status/ready',
    'type /help-desk',
    'the endpoint /status answers 500',
    'path="/status"',
    '/status-page R-1',
    './status R-1',
  ]
  test.each(outside)('%s', (text) => {
    expect(asTyped(text)).toBe(text)
    expect(answerAsTyped(text)).toBe(text)
  })

  test('whatever stands in front of the slash or behind the name', () =>
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9.]{1,8}$/),
        fc.stringMatching(/^[a-z0-9_-]{1,8}$/),
        fc.constantFrom('status', 'help'),
        (before, after, name) => {
          for (const text of [`type ${before}/${name}`, `type /${name}${after}`, `Next: /${name}/${after} R-1`])
            expect(answerAsTyped(text)).toBe(text)
        },
      ),
    ))

  test('in a message: code, links, ids and what is filled in beforehand', () => {
    const message: Message = {
      title: 'R-1',
      tone: 'plain',
      blocks: [
        { type: 'code', text: 'Next: /status R-1\n/status 200\n/help\n/status <R-number or service>' },
        { type: 'links', items: [{ label: 'type /help', url: 'https://x/status' }] },
        { type: 'fields', items: [{ label: 'path', value: '/status' }] },
        { type: 'table', columns: ['path', 'next'], rows: [['/status', 'type /status']] },
        { type: 'text', text: '/help' },
      ],
      buttons: [
        {
          id: 'type /help',
          action: 'type /help',
          label: 'Ask',
          style: 'plain',
          confirm: 'Or type /status R-1?',
          fields: [{ name: 'why', label: 'Why', kind: 'text', value: 'type /help', required: true, most: 9 }],
        },
      ],
    }
    const shown = messageAsTyped(message)
    expect(shown).toEqual({
      ...message,
      blocks: [
        { type: 'code', text: 'Next: /status R-1\n/status 200\n/help\n/rollcall-status <R-number or service>' },
        ...message.blocks.slice(1, 3),
        { type: 'table', columns: ['path', 'next'], rows: [['/status', 'type /rollcall-status']] },
        message.blocks[4],
      ],
      buttons: [{ ...message.buttons[0], confirm: 'Or type /rollcall-status R-1?' }],
    })
  })
})
