import { describe, expect, test } from 'vitest'
import { createHeard } from '../../src/demo/heard.ts'
import { en } from '../../src/web/i18n/en.ts'
import { zh } from '../../src/web/i18n/zh.ts'
import { OUTAGE } from '../../src/web/views/channel/outage.ts'

describe('the guide of the sandbox', () => {
  test.each<[string, Record<string, unknown>, RegExp, RegExp]>([
    ['en', en, /\btwo releases|both releases/i, /four chapters.*three minutes/i],
    ['zh', zh, /两次发布/, /四章.*三分钟/],
  ])('tells in %s of all chapters of the story and how long they take', (_, texts, before, now) => {
    for (const key of ['guide.story-hint', 'box.story']) {
      expect(texts[key]).not.toMatch(before)
      expect(texts[key]).toMatch(now)
    }
  })

  test('offers to stop and to start what the service depends on, in words that the sandbox hears', async () => {
    const asked: string[] = []
    const order = (name: string) => async () => void asked.push(name)
    const dependency = { name: 'account-store', start: order('start'), stop: order('stop'), running: () => true }
    const heard = createHeard({
      app: () => {
        throw new Error('the story was not asked for')
      },
      scenery: { alertmanagerUrl: 'http://127.0.0.1:9093', dependency },
      signal: new AbortController().signal,
    })
    const answers = await Promise.all(OUTAGE.map((text) => heard({ id: 'alice', roles: ['operator'] }, text)))
    expect(answers.map((answer) => answer?.ok)).toEqual([true, true])
    expect(asked).toEqual(['stop', 'start'])
  })
})
