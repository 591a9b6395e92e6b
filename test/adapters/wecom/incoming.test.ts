import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { GROUP, PERSON, said, startRig, until } from './rig.ts'

const finished = (message: { stream?: { finished: boolean } } | undefined): boolean =>
  message?.stream?.finished === true

describe('a typed command', () => {
  test('is taken in before the first reply, then shows progress and the answer in one stream', async () => {
    const { server, inbox } = await startRig()
    let release: (() => void) | undefined
    inbox.handle = async () => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return { ok: true, text: 'All quiet.' }
    }
    const heard = server.say('LiSi', GROUP, '/status', { msgid: 'm-1' })
    await until('progress', () => server.messages(GROUP).some((each) => each.stream !== undefined))
    expect(inbox.taken[0]).toMatchObject({
      surface: 'wecom',
      id: 'm-1',
      user: 'LiSi',
      channel: '#releases',
      deed: { kind: 'typed', text: '/status' },
    })
    expect(server.messages(GROUP)[0]?.stream).toMatchObject({ content: 'Working on it…', finished: false })
    release?.()
    const { replies, refused } = await heard
    expect(replies.map(said)).toEqual(['All quiet.'])
    expect(finished(server.messages(GROUP)[0])).toBe(true)
    expect(refused).toEqual([])
  })

  test('in a direct message is answered there; it belongs to no channel but one that is named so', async () => {
    const { server, inbox } = await startRig()
    const heard = await server.say('WangWu', undefined, 'status')
    expect(heard.replies.map(said)).toEqual(['heard /status'])
    expect(inbox.taken[0]?.channel).toBeUndefined()
    await server.say(PERSON, undefined, 'status')
    expect(inbox.taken[1]?.channel).toBe('#zhang')
  })

  test('in a group that is no channel of ours is answered, and at the end of it stands what makes it one', async () => {
    const { server, inbox } = await startRig()
    server.addChat('wrNEW')
    const { replies } = await server.say('LiSi', 'wrNEW', '/status')
    expect(inbox.taken[0]?.channel).toBeUndefined()
    expect(replies.map(said).join()).toMatch(/^heard \/status.*wecom\.channels.*`wrNEW`$/s)
    // Neither in a channel of ours nor directly.
    const known = [await server.say('LiSi', GROUP, '/status'), await server.say('WangWu', undefined, '/status')]
    for (const each of known) expect(each.replies.map(said)).toEqual(['heard /status'])
  })

  test('is answered with text that stays text, whatever is in it', async () => {
    const { server, inbox } = await startRig()
    inbox.handle = () => ({ ok: true, text: '# ✅ R-142 approved by alice\n```\n**the rest**' })
    const { replies } = await server.say('LiSi', GROUP, '/status')
    expect(replies.map(said)).toEqual(['＃ ✅ R-142 approved by alice\nˋˋˋ\n＊＊the rest＊＊'])
  })

  test('is answered in pieces whose fences are whole, a press as well', async () => {
    const { server, wecom } = await startRig()
    const code = 'a line of the log\n'.repeat(4000)
    const sent = await wecom.answer(
      {
        surface: 'wecom',
        id: 'press-1',
        user: 'LiSi',
        deed: { kind: 'pressed', button: 'button-1', fields: {} },
        reply: { chat: GROUP, type: 2, code: 'R-3' },
        at: new Date().toISOString(),
      },
      {
        ok: true,
        text: 'Here it is.',
        message: { title: 'Log', tone: 'plain', blocks: [{ type: 'code', text: code }], buttons: [] },
      },
    )
    expect(sent).toMatchObject({ at: 'sent' })
    const all = server.messages(GROUP).map(said)
    expect(all.length).toBeGreaterThan(3)
    for (const piece of all) {
      expect(piece.match(/```/g)?.length).toBe(2)
      expect(piece.match(/^```$/gm)?.length).toBe(2)
    }
    expect(all.join('\n').match(/a line of the log/g)).toHaveLength(4000)
  })

  test('that quotes a message takes its short code for the word it lacks', async () => {
    const { server } = await startRig()
    const { replies } = await server.say('LiSi', GROUP, '/release approve', {
      quote: 'R-142 user-service awaits approval',
    })
    expect(replies.map(said)).toEqual(['heard /release approve R-142'])
  })

  test('delivered three times is done once', async () => {
    const { server, inbox } = await startRig()
    server.faults.duplicate(2)
    await server.say('LiSi', GROUP, '/status')
    await until('three deliveries', () => inbox.offered === 3)
    await sleep(100)
    expect(inbox.taken).toHaveLength(1)
    expect(server.messages(GROUP)).toHaveLength(1)
  })

  test('longer than a stream holds is answered in several messages, none cut inside a character', async () => {
    const { server, inbox } = await startRig()
    const lines = Array.from({ length: 900 }, (_, at) => `第 ${at} 台主机：状态正常，版本 v1.1.0`)
    inbox.handle = () => ({ ok: true, text: lines.join('\n') })
    await server.say('LiSi', GROUP, '/hosts')
    await until('the rest', () => server.messages(GROUP).map(said).join('\n').includes('第 899 台主机'))
    const all = server.messages(GROUP).map(said)
    expect(all.length).toBeGreaterThan(1)
    for (const each of all) expect(Buffer.byteLength(each)).toBeLessThanOrEqual(20_480)
    for (const line of lines) expect(all.some((each) => each.includes(line))).toBe(true)
  })

  test('whose work takes longer than a stream may live goes on in a new stream', async () => {
    const { server, inbox } = await startRig({ timings: { streamMs: 500 }, server: { windows: { streamMs: 1500 } } })
    inbox.handle = async () => {
      await sleep(1800)
      return { ok: true, text: 'At last.' }
    }
    await server.say('LiSi', GROUP, '/status')
    await until('the answer', () => server.messages(GROUP).map(said).includes('At last.'))
    const streams = server.messages(GROUP)
    expect(streams.length).toBeGreaterThan(2)
    expect(streams.every(finished)).toBe(true)
    expect(new Set(streams.map((each) => each.stream?.id)).size).toBe(streams.length)
    expect(server.frames().filter(({ errcode }) => errcode)).toEqual([])
  })

  test('whose stream is over all the same gets its answer as a message of its own', async () => {
    const { server, inbox } = await startRig({ timings: { streamMs: 60_000 }, server: { windows: { streamMs: 150 } } })
    inbox.handle = async () => {
      await sleep(400)
      return { ok: true, text: 'At last.' }
    }
    await server.say('LiSi', GROUP, '/status')
    await until('pushed', () =>
      server.messages(GROUP).some((each) => each.from === 'push' && said(each).includes('At last.')),
    )
    expect(server.frames().some(({ errcode }) => errcode === 846_608)).toBe(true)
    expect(said(server.messages(GROUP).at(-1) as never)).toContain('<@LiSi>')
  })

  test('that is answered after a restart gets a pushed answer: its req_id is of no use any more', async () => {
    const { server, inbox, wecom, another } = await startRig()
    inbox.handle = () => undefined
    void server.say('WangWu', undefined, 'status')
    await until('taken in', () => inbox.taken.length === 1)
    await wecom.stop(500)
    const next = await another()
    next.wecom.start()
    await until('connected', () => next.wecom.health().at === 'up')
    const envelope = inbox.taken[0]
    if (envelope === undefined) throw new Error('nothing taken in')
    expect(await next.wecom.answer(envelope, { ok: true, text: 'Done meanwhile.' })).toMatchObject({ at: 'sent' })
    const last = server.messages('WangWu').at(-1)
    expect(last).toMatchObject({ from: 'push', markdown: 'Done meanwhile.' })
    expect(server.frames().findLast(({ cmd }) => cmd === 'aibot_send_msg')?.body).toMatchObject({
      chatid: 'WangWu',
      chat_type: 1,
    })
  })

  test('whose last acknowledgement is lost is answered once', async () => {
    const { server, inbox } = await startRig()
    inbox.handle = async () => {
      server.faults.loseAck('aibot_respond_msg', 1)
      return { ok: true, text: 'All quiet.' }
    }
    await server.say('LiSi', GROUP, '/status')
    await until('the second try', () => server.frames().some(({ errcode }) => errcode === 846_608), 9000)
    await sleep(100)
    expect(server.messages(GROUP).map(said)).toEqual(['All quiet.'])
  }, 15_000)

  test('is refused in words when the store stays away, and nothing is done', async () => {
    const { server, inbox } = await startRig()
    inbox.away = true
    const { replies } = await server.say('LiSi', GROUP, '/status')
    expect(replies.map(said).join()).toContain('could not be taken in')
    expect(inbox.taken).toEqual([])
    expect(inbox.offered).toBeGreaterThan(1)
  })

  test('is taken in late when the store was away for a moment', async () => {
    const { server, inbox } = await startRig()
    inbox.away = true
    setTimeout(() => {
      inbox.away = false
    }, 300)
    const { replies } = await server.say('LiSi', GROUP, '/status')
    expect(replies.map(said)).toEqual(['heard /status'])
  })

  test('text from outside in an answer mentions nobody and links nowhere', async () => {
    const { server, inbox } = await startRig()
    inbox.handle = () => ({ ok: false, text: 'no <@all> [here](http://evil.example)' })
    const { replies } = await server.say('LiSi', GROUP, '/status')
    expect(said(replies[0] as never)).not.toMatch(/<@|\]\(/)
  })

  test('answered with a message that has buttons is followed by a card that carries them', async () => {
    const { server, inbox } = await startRig()
    const buttons = [{ id: 'b1', action: 'release.rollback', label: 'Roll back', style: 'danger' as const }]
    inbox.handle = () => ({
      ok: true,
      text: 'R-3 can go back.',
      message: {
        title: 'R-3 user-service',
        tone: 'warn',
        blocks: [{ type: 'text', text: 'web-1 to v1.0.0' }],
        buttons,
      },
    })
    await server.say('LiSi', GROUP, '/rollback')
    await until('card', () => server.messages(GROUP).some((each) => each.card !== undefined))
    const [stream, card] = server.messages(GROUP)
    expect(stream?.stream?.content).toContain('web-1 to v1.0.0')
    expect(card?.labels).toEqual(['Back'])
  })
})

describe('events', () => {
  test('entering is welcomed with what there is', async () => {
    const { server } = await startRig()
    const { replies } = await server.enter('WangWu')
    expect(replies.map(said).join()).toContain('/release')
    expect(replies.map(said).join()).toContain('@Rollcall')
    expect(server.frames().filter(({ errcode }) => errcode)).toEqual([])
  })

  test('in Chinese by default', async () => {
    const { server, inbox } = await startRig({ config: { language: 'zh' } })
    expect((await server.enter('WangWu')).replies.map(said).join()).toContain('分批')
    inbox.handle = () => ({ ok: false, text: 'That is not a command. Next: type /help.' })
    const { replies } = await server.say('LiSi', GROUP, 'x')
    expect(replies.map(said).join()).toMatch(/\p{Script=Han}/u)
  })
})
