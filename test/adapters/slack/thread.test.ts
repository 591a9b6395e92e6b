import { afterEach, describe, expect, test } from 'vitest'
import { commands } from '../../../commands/index.ts'
import { lacking } from '../../../src/adapters/slack/thread.ts'
import { ALICE, delivery, PLACE, sent, until, type World, world } from './world.ts'

const lineFor = (line: string, code: string) => lacking(line, commands)?.(code)

describe('a line that lacks the number of a card', () => {
  test.each([
    ['/approve', 'R-3', '/release approve R-3'],
    ['/Approve', 'R-3', '/release approve R-3'],
    ['/Rollback', 'R-3', '/rollback R-3'],
    ['/release approve', 'R-3', '/release approve R-3'],
    ['/retry', 'R-3', '/release retry R-3'],
    ['/rollback', 'R-3', '/rollback R-3'],
    ['/ack', 'A-1', '/alerts ack A-1'],
    ['/alerts diagnose', 'A-1', '/alerts diagnose A-1'],
    ['/silence 2h known noise', 'A-1', '/alerts silence A-1 2h known noise'],
    ['/alerts silence 2h known noise', 'A-1', '/alerts silence A-1 2h known noise'],
  ])('%s under %s is %s', (line, code, whole) => expect(lineFor(line, code)).toBe(whole))

  test.each([
    ['/approve R-2', 'R-3'],
    ['/approve user-service', 'R-3'],
    ['/ack A-2', 'A-1'],
    ['/ack 2', 'A-1'],
    ['/ack', 'R-3'],
    ['/approve', 'A-1'],
    ['/status', 'R-3'],
    ['/help', 'R-3'],
    ['/release user-service v2', 'R-3'],
    ['/thanks', 'R-3'],
    ['/', 'R-3'],
  ])('%s under %s stays as it is', (line, code) => expect(lineFor(line, code)).toBeUndefined())
})

describe('a mention in the thread', () => {
  let w: World
  afterEach(() => w.stop())

  async function head(key: string): Promise<string> {
    await sent(w.slack.send(delivery({ key })))
    return w.server.messages(PLACE).at(-1)?.ts ?? ''
  }
  const heard = async (text: string, thread: string | undefined): Promise<string> => {
    const before = w.reception.envelopes.length
    await w.server.mention(ALICE, PLACE, text, thread)
    await until(() => w.reception.envelopes.length === before + 1)
    const deed = w.reception.envelopes.at(-1)?.deed
    return deed?.kind === 'typed' ? deed.text : ''
  }

  test('of a card means that card, is asked for once, and is answered there for one person alone', async () => {
    w = await world()
    const release = await head('R-3/card')
    const incident = await head('A-1/card')
    expect(await heard('approve', release)).toBe('/release approve R-3')
    expect(await heard('reject', release)).toBe('/release reject R-3')
    expect(await heard('ack', incident)).toBe('/alerts ack A-1')
    expect(w.server.calls('conversations.replies')).toHaveLength(2)
    const envelope = w.reception.envelopes[0]
    if (envelope === undefined) throw new Error('no envelope')
    await sent(w.slack.answer(envelope, { ok: true, text: 'R-3 is approved.' }))
    expect(w.server.ephemerals(ALICE)).toMatchObject([
      { via: 'postEphemeral', channel: PLACE, thread_ts: release, text: '✅ R-3 is approved.' },
    ])
  })

  test('with the number, without a verb, or outside of a thread asks Slack nothing', async () => {
    w = await world()
    const thread = await head('R-3/card')
    expect(await heard('approve R-2', thread)).toBe('/approve R-2')
    expect(await heard('status', thread)).toBe('/status')
    expect(await heard('approve', undefined)).toBe('/approve')
    expect(w.server.calls('conversations.replies')).toEqual([])
  })

  test('that is none of a card stays as it is', async () => {
    w = await world()
    const note = await head('R-3/held')
    await w.server.mention(ALICE, PLACE, 'status')
    const theirs = w.server.messages(PLACE).at(-1)?.ts ?? ''
    expect(await heard('approve', note)).toBe('/approve')
    expect(await heard('approve', theirs)).toBe('/approve')
  })

  test('while Slack does not say what heads it, is taken in all the same, and asked for again the next time', async () => {
    w = await world()
    const thread = await head('R-3/card')
    w.server.faults.slow('conversations.replies', 700)
    const began = performance.now()
    expect(await heard('approve', thread)).toBe('/approve')
    expect(performance.now() - began).toBeLessThan(650)
    w.server.faults.slow('conversations.replies', 0)
    await until(async () => (await heard('approve', thread)) === '/release approve R-3')
  })
})
