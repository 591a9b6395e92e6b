import { afterEach, describe, expect, test } from 'vitest'
import type { Failure } from '../../../src/adapters/slack/calls.ts'
import { sentOf } from '../../../src/adapters/slack/outcome.ts'
import type { Message } from '../../../src/ports/chat.ts'
import type { Sent } from '../../../src/ports/surface.ts'
import type { SlackMessage } from '../../servers/slack/index.ts'
import { card, delivery, OTHER, PLACE, PNG, sent, until, type World, world } from './world.ts'

let w: World
afterEach(() => w.stop())

const tsOf = (messages: readonly SlackMessage[]) => messages.map(({ ts }) => ts)
const shown = () => w.server.messages(PLACE)

describe('a message', () => {
  test('is posted with its key, and edited in place afterwards', async () => {
    w = await world({ started: false })
    const first = await sent(w.slack.send(delivery()))
    const [message] = shown()
    expect(first.identity).toEqual({ channel: PLACE, ts: message?.ts })
    expect(message?.metadata).toEqual({
      event_type: 'rollcall_message',
      event_payload: { key: 'release/R-1', revision: 1, part: 0 },
    })
    const second = delivery({ revision: 2, identity: first.identity, message: card({ title: 'Release R-1: done' }) })
    expect((await sent(w.slack.send(second))).identity).toEqual(first.identity)
    expect(shown()).toMatchObject([{ edited: 1, text: 'Release R-1: done\nuser-service v1.1.0' }])
  })

  test('stands in the thread of its head', async () => {
    w = await world({ started: false })
    const head = await sent(w.slack.send(delivery()))
    const thread = { key: 'release/R-1', identity: head.identity, message: card() }
    await sent(w.slack.send(delivery({ key: 'note', thread })))
    expect(shown()[1]?.thread_ts).toBe(shown()[0]?.ts)
  })

  test('is in the language of the surface', async () => {
    w = await world({ started: false, language: 'zh' })
    await sent(w.slack.send(delivery({ message: card({ tone: 'good', title: 'done' }) })))
    expect(JSON.stringify(shown()[0]?.blocks)).toContain('一切正常')
    expect(JSON.stringify(shown()[0]?.blocks)).toContain('已完成')
  })

  test('that somebody deleted is posted anew', async () => {
    w = await world({ started: false })
    const identity = { channel: PLACE, ts: '1700000000.000100' }
    const again = await sent(w.slack.send(delivery({ revision: 2, identity })))
    expect(again.identity).toEqual({ channel: PLACE, ts: shown()[0]?.ts })
  })

  test('too long for one goes on in its thread; the parts are edited, added and taken away with it', async () => {
    w = await world({ started: false })
    const long = (lines: number) =>
      card({
        blocks: [
          { type: 'code', text: Array.from({ length: lines }, (_, at) => `line ${at} ${'x'.repeat(50)}`).join('\n') },
        ],
      })
    const first = await sent(w.slack.send(delivery({ message: long(400) })))
    const before = shown()
    expect(before.length).toBeGreaterThan(2)
    expect(new Set(before.slice(1).map(({ thread_ts }) => thread_ts))).toEqual(new Set([before[0]?.ts]))
    expect(first.identity).toEqual({ channel: PLACE, ts: before[0]?.ts, more: tsOf(before.slice(1)) })
    const second = await sent(w.slack.send(delivery({ revision: 2, message: long(250), identity: first.identity })))
    expect(shown().length).toBeLessThan(before.length)
    expect(shown().every(({ edited }) => edited === 1)).toBe(true)
    await sent(w.slack.send(delivery({ revision: 3, message: long(400), identity: second.identity })))
    expect(shown()).toHaveLength(before.length)
  })

  test('says what is typed in Slack, where it tells people to type something', async () => {
    w = await world({ started: false, language: 'zh' })
    const blocks = [
      { type: 'text' as const, text: 'Superseded by R-2. Next: /status R-2' },
      { type: 'code' as const, text: 'cat /var/status; type /status' },
    ]
    await sent(w.slack.send(delivery({ message: card({ blocks }) })))
    const seen = JSON.stringify(shown()[0]?.blocks)
    expect(seen).toContain('下一步：/rollcall-status R-2')
    expect(seen).toContain('cat /var/status; type /status')
    expect(shown()[0]?.text).toContain('/rollcall-status R-2')
  })
})

describe('a message that is longer than that', () => {
  const long = (mark: string) => card({ blocks: [{ type: 'code', text: `${'y'.repeat(80)}\n`.repeat(1500) + mark }] })
  const files = () => shown().flatMap((message) => message.files ?? [])
  /** How the files end that are there still. */
  const held = () => files().flatMap(({ id }) => w.server.file(id)?.toString().trim().slice(-5) ?? [])
  const removed = () => w.server.calls('files.delete').map(({ args }) => args.file)
  let revision = 1
  const put = async (message: Message, before?: Extract<Sent, { at: 'sent' }>) => {
    const known =
      before === undefined ? {} : { identity: before.identity, ...(before.mark ? { mark: before.mark } : {}) }
    return await sent(w.slack.send(delivery({ revision: revision++, message, ...known })))
  }

  test('has its rest attached once, and nothing is attached while it stays the same', async () => {
    w = await world({ started: false, timings: { rest: 0 } })
    const first = await put(long('--one'))
    expect(held()).toEqual(['--one'])
    await put(long('--one'), first)
    expect(files()).toHaveLength(1)
    expect(removed()).toEqual([])
  })

  test('has its rest attached again when that has changed, and the one before removed', async () => {
    w = await world({ started: false, timings: { rest: 0 } })
    const first = await put(long('--one'))
    await put(long('--two'), first)
    expect(held()).toEqual(['--two'])
    expect(removed()).toEqual([files()[0]?.id])
  })

  test('does not get a file for every edit: the last state gets there later', async () => {
    w = await world({ timings: { rest: 500 } })
    let before = await put(long('--one'))
    for (const mark of ['--two', 'three', '-four', '-five']) before = await put(long(mark), before)
    expect(held()).toEqual(['--one'])
    await until(() => files().length === 2)
    await until(() => removed().length === 1)
    expect(held()).toEqual(['-five'])
    expect(removed()).toEqual([files()[0]?.id])
  })

  test('is given the file that another process has put off, after that has ended', async () => {
    let now = new Date()
    w = await world({ started: false, clock: () => now })
    const first = await put(long('--one'))
    await put(long('--two'), first)
    expect(held()).toEqual(['--one'])
    now = new Date(now.getTime() + 60_001)
    w.slack.start()
    await until(() => files().length === 2)
    expect(held().at(-1)).toBe('--two')
  })

  test('is given the file later when it could not be uploaded', async () => {
    w = await world({ timings: { rest: 400 } })
    w.server.faults.loseAnswer('files.getUploadURLExternal', 1)
    await put(long('--one'))
    expect(files()).toEqual([])
    await until(() => files().length === 1)
  })

  test('and becomes short has no file any more', async () => {
    w = await world({ started: false, timings: { rest: 0 } })
    const first = await put(long('--one'))
    const second = await put(card(), first)
    expect(removed()).toEqual([files()[0]?.id])
    expect(second.mark).toBeUndefined()
    await put(long('--one'), second)
    expect(files()).toHaveLength(2)
  })
})

describe('one answer that is lost', () => {
  test('of chat.postMessage: it is found by its key and not posted twice (trap 10)', async () => {
    w = await world({ started: false })
    const since = new Date().toISOString()
    w.server.faults.loseAnswer('chat.postMessage', 1)
    const lost = await w.slack.send(delivery())
    expect(lost).toMatchObject({ at: 'later', scope: 'surface', arrived: 'unknown' })
    expect(w.server.calls('chat.postMessage')).toHaveLength(1)
    const again = await sent(w.slack.send(delivery({ revision: 2, uncertainSince: since })))
    expect(shown()).toHaveLength(1)
    expect(again.identity).toEqual({ channel: PLACE, ts: shown()[0]?.ts })
    expect(shown()[0]).toMatchObject({ edited: 1, metadata: { event_payload: { revision: 2 } } })
  })

  test('in a thread: it is looked for there', async () => {
    w = await world({ started: false })
    const head = await sent(w.slack.send(delivery()))
    const thread = { key: 'release/R-1', identity: head.identity, message: card() }
    const since = new Date().toISOString()
    w.server.faults.loseAnswer('chat.postMessage', 1)
    await w.slack.send(delivery({ key: 'note', thread }))
    await sent(w.slack.send(delivery({ key: 'note', thread, uncertainSince: since })))
    expect(shown()).toHaveLength(2)
    expect(w.server.calls('conversations.replies').length).toBeGreaterThan(0)
  })

  test('of a later part: the parts that stand there are kept', async () => {
    w = await world({ started: false })
    const message = card({ blocks: [{ type: 'code', text: `${'z'.repeat(80)}\n`.repeat(300) }] })
    const since = new Date().toISOString()
    // The first post is answered; the answers from the second on are lost.
    const whole = await sent(w.slack.send(delivery({ key: 'other', place: OTHER, message })))
    const parts = (whole.identity as { more?: string[] }).more?.length ?? 0
    expect(parts).toBeGreaterThan(1)
    w.server.faults.loseAnswer('chat.postMessage', 1)
    await w.slack.send(delivery({ message }))
    w.server.faults.loseAnswer('chat.postMessage', 1)
    expect(await w.slack.send(delivery({ message, uncertainSince: since }))).toMatchObject({
      at: 'later',
      arrived: 'unknown',
    })
    const done = await sent(w.slack.send(delivery({ message, uncertainSince: since })))
    expect(shown()).toHaveLength(parts + 1)
    expect((done.identity as { more?: string[] }).more).toEqual(tsOf(shown().slice(1)))
  })

  test('while nobody can be asked, nothing is sent', async () => {
    w = await world({ started: false })
    w.server.faults.outage(300)
    const outcome = await w.slack.send(delivery({ uncertainSince: new Date().toISOString() }))
    expect(outcome).toMatchObject({ at: 'later', scope: 'surface', arrived: 'unknown' })
    expect(w.server.calls('chat.postMessage')).toHaveLength(0)
  })
})

describe('what Slack answers', () => {
  test('a limit of one channel delays no other (trap 3)', async () => {
    w = await world({ started: false })
    w.server.faults.rateLimit(PLACE, { seconds: 30 })
    const began = performance.now()
    const [limited, other] = await Promise.all([
      w.slack.send(delivery()),
      w.slack.send(delivery({ key: 'b', place: OTHER })),
    ])
    expect(limited).toMatchObject({ at: 'later', scope: 'place', arrived: 'no' })
    expect((limited as { ms: number }).ms).toBeGreaterThanOrEqual(29_000)
    expect(other.at).toBe('sent')
    expect(await w.slack.send(delivery({ key: 'c', place: OTHER }))).toMatchObject({ at: 'sent' })
    expect(performance.now() - began).toBeLessThan(2000)
    expect(w.slack.health().at).not.toBe('down')
  })

  test.each([
    ['not in the channel', 'C0ALONE', 'Rollcall is not in this channel.', 'invite the bot there: /invite @Rollcall'],
    ['unknown channel', 'C0NOWHERE', /does not know this channel/, /slack\.channels/],
    ['archived channel', 'C0OLD', 'This channel is archived.', /archive/],
  ])('%s is refused with what to do', async (_, place, why, next) => {
    w = await world({ started: false })
    w.server.addChannel('C0ALONE', { member: false })
    w.server.addChannel('C0OLD', { archived: true })
    expect(await w.slack.send(delivery({ place }))).toEqual({
      at: 'refused',
      why: expect.stringMatching(why),
      next: expect.stringMatching(next),
    })
  })

  test('a scope that is missing is named', async () => {
    w = await world({ started: false, server: { scopes: ['commands'] } })
    expect(await w.slack.send(delivery())).toMatchObject({
      at: 'refused',
      why: 'The bot token lacks the scope chat:write.',
    })
  })

  test('a bad token is an outage of the surface, not of the message', async () => {
    w = await world({ started: false })
    w.server.faults.invalidAuth(true)
    expect(await w.slack.send(delivery())).toMatchObject({
      at: 'later',
      scope: 'surface',
      arrived: 'no',
      why: expect.stringContaining('bot token'),
    })
    w.server.faults.invalidAuth(false)
    await sent(w.slack.send(delivery()))
  })

  test('an answer that does not come is an outage that may have arrived', async () => {
    w = await world({ started: false, timings: { call: 150 } })
    w.server.faults.slow('chat.postMessage', 600)
    expect(await w.slack.send(delivery())).toMatchObject({ at: 'later', scope: 'surface', arrived: 'unknown' })
    w.server.faults.slow('chat.postMessage', 0)
  })

  test('Slack’s own blocks refused: sections instead, now and with the next edit', async () => {
    w = await world({ started: false })
    w.server.faults.refuseNativeBlocks(true)
    const message = card({
      blocks: [
        { type: 'table', columns: ['host', 'state'], rows: [['web-1', 'held']] },
        { type: 'progress', items: [{ label: 'batch 1', done: 1, total: 2, note: '' }] },
      ],
    })
    const first = await sent(w.slack.send(delivery({ message })))
    expect(JSON.stringify(shown()[0]?.blocks)).toContain('web-1  held')
    const calls = w.server.calls('chat.update').length
    await sent(w.slack.send(delivery({ message, revision: 2, ...first })))
    expect(w.server.calls('chat.update').length).toBe(calls + 1)
  })
})

describe('pictures', () => {
  const message = card({ blocks: [{ type: 'picture', id: 'p/1', alt: 'error rate', width: 1, height: 1 }] })

  test('are uploaded once and stand in the message', async () => {
    w = await world({ started: false })
    w.pictures.set('p/1', PNG)
    const first = await sent(w.slack.send(delivery({ message })))
    expect(shown()[0]?.blocks.at(-1)).toMatchObject({
      type: 'image',
      alt_text: 'error rate',
      slack_file: { id: expect.stringMatching(/^F/) },
    })
    await sent(w.slack.send(delivery({ message, revision: 2, identity: first.identity })))
    expect(w.server.calls('files.getUploadURLExternal')).toHaveLength(1)
  })

  test('that are not ready yet are waited for', async () => {
    w = await world({ started: false, server: { fileReadyMs: 100 } })
    w.pictures.set('p/1', PNG)
    await sent(w.slack.send(delivery({ message })))
    expect(shown()).toHaveLength(1)
    expect(shown()[0]?.blocks.at(-1)?.type).toBe('image')
  })

  test('that never become ready stand in the thread instead', async () => {
    w = await world({ started: false, server: { fileReadyMs: 60_000 } })
    w.pictures.set('p/1', PNG)
    const first = await sent(w.slack.send(delivery({ message })))
    expect(shown()).toHaveLength(2)
    expect(shown()[1]).toMatchObject({ thread_ts: shown()[0]?.ts, files: [{ title: 'error rate' }] })
    expect(JSON.stringify(shown()[0]?.blocks)).toContain('🖼')
    await sent(w.slack.send(delivery({ message, revision: 2, ...first })))
    expect(shown()).toHaveLength(2)
  })

  test('that are no longer kept do not keep the message back', async () => {
    w = await world({ started: false })
    await sent(w.slack.send(delivery({ message })))
    expect(JSON.stringify(shown()[0]?.blocks)).toContain('no longer kept')
  })
})

describe('a message of several', () => {
  const long = (lines: number, more: Message['blocks'] = []) =>
    card({ blocks: [{ type: 'code', text: `${'z'.repeat(80)}\n`.repeat(lines) }, ...more] })
  const slow = { rates: { post: { burst: 1, perSecond: 1 }, perMinute: 6000 } }
  const parts = () => shown().map(({ metadata }) => metadata?.event_payload.part)
  const statuses = () => w.server.calls('chat.postMessage').map(({ status }) => status)
  const ago = () => new Date(Date.now() - 1000).toISOString()

  test('is spaced as Slack wants it, and so is the next one in that place', async () => {
    w = await world({ started: false, server: slow, timings: { spacing: 1020 } })
    expect(await w.slack.send(delivery({ message: long(300) }))).toMatchObject({ at: 'sent', messages: 3 })
    expect(await w.slack.send(delivery({ key: 'next' }))).not.toHaveProperty('messages')
    expect(parts()).toEqual([0, 1, 2, 0])
    expect(statuses()).toEqual([200, 200, 200, 200])
  }, 15_000)

  test('waits by itself for a short limit of its further messages', async () => {
    w = await world({ started: false, server: slow })
    await sent(w.slack.send(delivery({ message: long(300) })))
    expect(parts()).toEqual([0, 1, 2])
    expect(statuses()).toContain(429)
  }, 15_000)

  test('that is limited in between may have arrived, and goes on where it stopped', async () => {
    w = await world({ started: false, server: slow, timings: { patience: 0 } })
    const since = new Date().toISOString()
    const message = long(300)
    expect(await w.slack.send(delivery({ message }))).toMatchObject({
      at: 'later',
      scope: 'place',
      arrived: 'unknown',
      messages: 1,
    })
    let last: Sent | undefined
    await until(async () => {
      last = await w.slack.send(delivery({ message, uncertainSince: since }))
      return last.at === 'sent'
    }, 10_000)
    expect(parts()).toEqual([0, 1, 2])
    expect(last).toMatchObject({ identity: { ts: tsOf(shown())[0], more: tsOf(shown()).slice(1) } })
  }, 15_000)

  test('that is limited after it had to be drawn anew may have arrived', async () => {
    const rates = { post: { burst: 2, perSecond: 0.1 }, perMinute: 6000 }
    w = await world({ started: false, server: { rates }, timings: { patience: 0 } })
    w.server.faults.refuseNativeBlocks(true)
    const table = { type: 'table' as const, columns: ['host', 'state'], rows: [['web-1', 'held']] }
    const outcome = await w.slack.send(delivery({ message: long(125, [table]) }))
    expect(statuses().at(-1)).toBe(429)
    expect(shown()).toMatchObject([{ edited: 1 }])
    expect(outcome).toMatchObject({ at: 'later', arrived: 'unknown' })
  })

  test('that grew, and is limited after the new part, may have arrived; where nothing new stands, it has not', async () => {
    const rates = { post: { burst: 2, perSecond: 0.1 }, perMinute: 6000 }
    w = await world({ started: false, server: { rates }, timings: { patience: 0 } })
    const first = await sent(w.slack.send(delivery()))
    const again = delivery({ revision: 2, identity: first.identity, message: long(300) })
    expect(await w.slack.send(again)).toMatchObject({ at: 'later', arrived: 'unknown' })
    expect(parts()).toEqual([0, 1])
    const known = { channel: PLACE, ts: tsOf(shown())[0] ?? '', more: tsOf(shown()).slice(1) }
    expect(await w.slack.send({ ...again, identity: known })).toMatchObject({ at: 'later', arrived: 'no' })
  })

  test('has the file taken away when it became short after a note that was lost', async () => {
    w = await world({ started: false, timings: { rest: 0 } })
    const first = await sent(w.slack.send(delivery({ message: long(1500) })))
    expect(shown().flatMap(({ files }) => files ?? [])).toHaveLength(1)
    await sent(w.slack.send(delivery({ revision: 2, identity: first.identity, uncertainSince: ago() })))
    expect(w.server.calls('files.delete')).toHaveLength(1)
  })
})

describe('while an earlier try is in doubt', () => {
  const doubt = () => new Date(Date.now() - 1000).toISOString()

  test('a look that is refused leaves the doubt, and says what to do', async () => {
    w = await world({ started: false })
    const since = doubt()
    w.server.faults.loseAnswer('chat.postMessage', 1)
    await w.slack.send(delivery())
    w.server.addChannel(PLACE, { name: 'releases', member: false })
    expect(await w.slack.send(delivery({ uncertainSince: since }))).toMatchObject({
      at: 'later',
      scope: 'place',
      why: 'Rollcall is not in this channel. Next: invite the bot there: /invite @Rollcall',
      arrived: 'unknown',
    })
    w.server.addChannel(PLACE, { name: 'releases' })
    await sent(w.slack.send(delivery({ uncertainSince: since })))
    expect(shown()).toHaveLength(1)
  })

  test('a message that somebody deleted is posted anew', async () => {
    w = await world({ started: false })
    const identity = { channel: PLACE, ts: '1700000000.000100' }
    await sent(w.slack.send(delivery({ identity, uncertainSince: doubt() })))
    expect(shown()).toHaveLength(1)
  })

  test('more than 2,000 messages are looked through in several tries, and none is sent before', async () => {
    w = await world({ started: false, server: { rates: { post: { burst: 9000, perSecond: 9000 }, perMinute: 6000 } } })
    const since = doubt()
    w.server.faults.loseAnswer('chat.postMessage', 1)
    await w.slack.send(delivery())
    for (let many = 0; many < 41; many++)
      await Promise.all(
        Array.from({ length: 50 }, () =>
          fetch(`${w.server.apiUrl}chat.postMessage`, {
            method: 'POST',
            headers: { authorization: `Bearer ${w.server.botToken}`, 'content-type': 'application/json' },
            body: JSON.stringify({ channel: PLACE, text: 'chatter' }),
          }).then((answer) => answer.arrayBuffer()),
        ),
      )
    const before = shown().length
    expect(before).toBe(2051)
    expect(await w.slack.send(delivery({ uncertainSince: since }))).toMatchObject({
      at: 'later',
      scope: 'place',
      arrived: 'unknown',
    })
    await sent(w.slack.send(delivery({ uncertainSince: since })))
    expect(shown()).toHaveLength(before)
    expect(shown()[0]).toMatchObject({ edited: 1 })
  }, 20_000)
})

describe('whatever went wrong after something new was posted', () => {
  test.each<Failure>([
    { kind: 'rate', ms: 1000 },
    { kind: 'network', why: 'ECONNRESET' },
    { kind: 'token', error: 'invalid_auth' },
    { kind: 'refused', error: 'is_archived', messages: [] },
  ])('$kind: it may have arrived, and is never given up', (failure) => {
    expect(sentOf(failure, true)).toMatchObject({ at: 'later', arrived: 'unknown' })
    expect(sentOf(failure, false)).not.toMatchObject({ arrived: 'unknown' })
  })
})

test('a test card is sent on request', async () => {
  w = await world({ started: false })
  await sent(w.slack.sendTestCard(PLACE))
  expect(shown()[0]?.text).toContain('Rollcall is here')
})

test('a channel of ours has its place, and others have none', async () => {
  w = await world({ started: false })
  expect(w.slack.place('#releases')).toBe(PLACE)
  expect(w.slack.place('#nowhere')).toBeUndefined()
  expect(w.slack.place('constructor')).toBeUndefined()
  expect(w.slack.rates).toContainEqual(expect.objectContaining({ count: 1, ms: 1000 }))
  await until(() => true)
})
