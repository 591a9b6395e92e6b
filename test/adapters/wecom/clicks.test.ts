import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { approve, button, delivery, GROUP, message, type Rig, reject, said, startRig, taskIn, until } from './rig.ts'

/** A rig with one release's card in the group. */
async function withCard(options: Parameters<typeof startRig>[0] = {}): Promise<Rig & { task: string }> {
  const rig = await startRig(options)
  expect(await rig.wecom.send(delivery())).toMatchObject({ at: 'sent' })
  return { ...rig, task: taskIn(rig.server) }
}
const updates = (rig: Rig) =>
  rig.server.frames().filter(({ cmd, dir }) => dir === 'in' && cmd === 'aibot_respond_update_msg')
const titles = (card: unknown): string => JSON.stringify(card)

describe('a press', () => {
  test('asks its question first, and the yes counts, both shown on the card within the window', async () => {
    const rig = await withCard()
    const { server, inbox, task } = rig
    const asked = await server.click('LiSi', GROUP, task, 'OK')
    expect(titles(asked.updated)).toContain('Release user-service v1.1.0 to 3 hosts?')
    expect(asked.updatedMs).toBeLessThan(2000)
    expect(server.messages(GROUP)[0]?.labels).toEqual(['Yes', 'No'])
    expect(inbox.taken).toEqual([])
    const said = await server.click('LiSi', GROUP, task, 'Yes')
    expect(inbox.taken[0]).toMatchObject({
      user: 'LiSi',
      channel: '#releases',
      deed: { kind: 'pressed', button: 'button-approve', fields: {} },
    })
    expect(titles(said.updated)).toContain('pressed button-approve')
    expect(said.updated?.task_id).toBe(task)
    expect(server.messages(GROUP)).toHaveLength(1)
    expect(server.messages(GROUP)[0]?.labels).toEqual(['Now'])
  })

  test('whose question is answered with no changes nothing, and the buttons come back', async () => {
    const { server, inbox, task } = await withCard()
    await server.click('LiSi', GROUP, task, 'OK')
    await server.click('LiSi', GROUP, task, 'No')
    expect(server.messages(GROUP)[0]?.labels).toEqual(['OK', 'Deny'])
    expect(inbox.taken).toEqual([])
  })

  test('asks nobody who may not do it: the reason stands on the card', async () => {
    const { server, inbox, task } = await withCard()
    inbox.refuse = (id) => (id === approve.id ? { ok: false, text: 'You requested it yourself.' } : undefined)
    const { updated } = await server.click('LiSi', GROUP, task, 'OK')
    expect(titles(updated)).toContain('You requested it yourself.')
    expect(server.messages(GROUP)[0]?.labels).toEqual(['OK', 'Deny'])
    expect(inbox.taken).toEqual([])
  })

  test.each([{ flatEvents: true }, { taskid: true }, { flatEvents: true, taskid: true }])(
    'is read in the form %j',
    async (server) => {
      const rig = await withCard({ server })
      await rig.server.click('LiSi', GROUP, rig.task, 'Deny')
      expect(rig.inbox.taken[0]?.deed).toMatchObject({ button: reject.id })
    },
  )

  test('that takes long shows at once that it was received, and its outcome is pushed', async () => {
    const rig = await withCard()
    const { server, inbox, task } = rig
    inbox.handle = async () => {
      await sleep(900)
      return { ok: true, text: 'Rejected at last.' }
    }
    const { updated, updatedMs } = await server.click('LiSi', GROUP, task, 'Deny')
    expect(titles(updated)).toContain('Received')
    expect(updatedMs).toBeLessThan(900)
    await until('outcome', () => server.messages(GROUP).some((each) => said(each).includes('Rejected at last.')))
    expect(server.messages(GROUP).at(-1)?.markdown).toMatch(/^R-3 <@LiSi> /)
    expect(updates(rig)).toHaveLength(1)
  })

  test('that is taken in too late for the window tries no update', async () => {
    const rig = await withCard({ timings: { updateMs: 150, quickMs: 500 }, server: { windows: { updateMs: 700 } } })
    const { server, inbox, task } = rig
    inbox.handle = async () => {
      await sleep(250)
      return { ok: true, text: 'Rejected.' }
    }
    await server.click('LiSi', GROUP, task, 'Deny')
    await until('outcome', () => server.messages(GROUP).some((each) => said(each).includes('Rejected.')))
    await sleep(600)
    expect(updates(rig)).toEqual([])
  })

  test('delivered twice is done once, and updated once on each req_id at most', async () => {
    const rig = await withCard()
    rig.server.faults.duplicate(1)
    await rig.server.click('LiSi', GROUP, rig.task, 'Deny')
    await sleep(150)
    expect(rig.inbox.taken).toHaveLength(1)
    expect(rig.server.frames().filter(({ errcode }) => errcode)).toEqual([])
    expect(rig.server.messages(GROUP)).toHaveLength(1)
  })

  test('while the store is away says that nothing was done, with the buttons as they were', async () => {
    const { server, inbox, task } = await withCard()
    inbox.away = true
    const { updated } = await server.click('LiSi', GROUP, task, 'Deny')
    expect(titles(updated)).toContain('nothing was done')
    expect(server.messages(GROUP)[0]?.labels).toEqual(['OK', 'Deny'])
  })

  test('whose outcome is a refusal keeps the buttons', async () => {
    const { server, inbox, task } = await withCard()
    inbox.handle = () => ({ ok: false, text: 'Frozen until Monday.' })
    const { updated } = await server.click('LiSi', GROUP, task, 'Deny')
    expect(titles(updated)).toContain('Frozen until Monday.')
    expect(server.messages(GROUP)[0]?.labels).toEqual(['OK', 'Deny'])
  })

  test('on a button that asks for words answers with the command to type', async () => {
    const fields = [
      { name: 'time', label: 'for how long', kind: 'duration' as const, value: '2h', required: true, most: 20 },
      { name: 'reason', label: 'reason', kind: 'text' as const, required: true, most: 200 },
    ]
    const silence = { ...button('silence'), action: 'incident.silence', fields, confirm: 'Silences web-1.' }
    const rig = await startRig()
    const { server, inbox, wecom } = rig
    await wecom.send(
      delivery({ key: 'A-17/card', message: message({ title: 'A-17 high error rate', buttons: [silence] }) }),
    )
    const { updated } = await server.click('LiSi', GROUP, taskIn(server), 'Mute')
    expect(updated?.sub_title_text).toContain('/alerts silence A-17 2h ＜reason＞')
    expect(inbox.taken).toEqual([])
  })
})

describe('a card that is not the newest of its message', () => {
  test('shows what stands now when somebody presses a button that is gone, and why', async () => {
    const { server, inbox, wecom, task } = await withCard()
    await wecom.send(
      delivery({
        revision: 2,
        message: message({ title: 'R-3 user-service v1.1.0 rolling out', buttons: [button('pause')] }),
      }),
    )
    inbox.refuse = () => ({ ok: false, text: 'Approved already by alice.' })
    const { updated } = await server.click('LiSi', GROUP, task, 'OK')
    expect(titles(updated)).toContain('rolling out')
    expect(titles(updated)).toContain('Approved already by alice.')
    expect(updated?.task_id).toBe(task)
    expect(server.messages(GROUP)[0]?.labels).toEqual(['Hold'])
    await server.click('LiSi', GROUP, task, 'Hold')
    expect(inbox.taken[0]?.deed).toMatchObject({ button: 'button-pause' })
  })

  test('shows progress that was never pushed', async () => {
    const { server, wecom, inbox, task } = await withCard()
    inbox.refuse = () => ({ ok: false, text: 'Not you.' })
    const edited = message({ blocks: [{ type: 'text', text: '2 of 3 hosts' }] })
    const [sent] = [await wecom.send(delivery())]
    if (sent.at !== 'sent') throw new Error('not sent')
    await wecom.send(
      delivery({ revision: 2, message: edited, identity: sent.identity, ...(sent.mark ? { mark: sent.mark } : {}) }),
    )
    expect(server.messages(GROUP)).toHaveLength(1)
    expect(titles((await server.click('LiSi', GROUP, task, 'OK')).updated)).toContain('2 of 3 hosts')
  })

  test('that nobody knows any more says so', async () => {
    const { server, wecom, store, task } = await withCard()
    const row = await store.get('wecom-cards', task)
    await store.put('wecom-cards', task, { ...(row?.document as object), place: 'elsewhere' }, row?.version ?? 0)
    const { updated } = await server.click('LiSi', GROUP, task, 'OK')
    expect(titles(updated)).toContain('/status')
    expect(wecom.health().at).toBe('up')
  })
})

describe('a card that a press left without its buttons', () => {
  const labels = ({ server }: Rig) => server.messages(GROUP).map((each) => each.labels)

  test('comes again with them when no other stage follows, once', async () => {
    const rig = await withCard({ timings: { backMs: 150 } })
    await rig.server.click('LiSi', GROUP, rig.task, 'Deny')
    expect(labels(rig)).toEqual([['Now']])
    await until('the card again', () => rig.server.messages(GROUP).length === 2)
    await sleep(400)
    expect(labels(rig)).toEqual([['Now'], ['OK', 'Deny']])
    expect(taskIn(rig.server)).not.toBe(rig.task)
    // It works as the first one did.
    await rig.server.click('WangWu', GROUP, taskIn(rig.server), 'Deny')
    expect(rig.inbox.taken.map(({ user }) => user)).toEqual(['LiSi', 'WangWu'])
    expect(rig.server.frames().filter(({ errcode }) => errcode)).toEqual([])
  })

  test('stays so when the next stage has a card of its own', async () => {
    const rig = await withCard({ timings: { backMs: 150 } })
    await rig.server.click('LiSi', GROUP, rig.task, 'Deny')
    await rig.wecom.send(delivery({ revision: 2, message: message({ tone: 'good', buttons: [button('pause')] }) }))
    await sleep(400)
    expect(labels(rig)).toEqual([['Now'], ['Hold']])
  })

  test('stays so when somebody had a look, which brings the buttons back', async () => {
    const rig = await withCard({ timings: { backMs: 300 } })
    await rig.server.click('LiSi', GROUP, rig.task, 'Deny')
    await rig.server.click('LiSi', GROUP, rig.task, 'Now')
    await sleep(500)
    expect(labels(rig)).toEqual([['OK', 'Deny']])
  })

  test('comes again only when the connection is there', async () => {
    const rig = await withCard({ timings: { backMs: 150 } })
    await rig.server.click('LiSi', GROUP, rig.task, 'Deny')
    rig.server.faults.outage(400)
    await until('the card again', () => rig.server.messages(GROUP).length === 2)
    expect(labels(rig)).toEqual([['Now'], ['OK', 'Deny']])
  })

  test('comes again once, also when the acknowledgement of that is lost', async () => {
    const rig = await withCard({ timings: { backMs: 150 } })
    await rig.server.click('LiSi', GROUP, rig.task, 'Deny')
    rig.server.faults.loseAck('aibot_send_msg', 1)
    await until('the second try', () => rig.server.frames().some(({ errcode }) => errcode === 42_014), 9000)
    await sleep(400)
    expect(labels(rig)).toEqual([['Now'], ['OK', 'Deny']])
    // What stands there is known: an edit that changes no stage is no news.
    const edited = message({ blocks: [{ type: 'text', text: 'one more' }] })
    expect(await rig.wecom.send(delivery({ revision: 2, message: edited }))).toMatchObject({ at: 'sent', free: true })
  }, 15_000)

  test('does not come again when it offered its thing once, as an answer or a report does', async () => {
    const rig = await startRig({ timings: { backMs: 100 } })
    await rig.wecom.send(delivery({ key: 'A-17/report/1', message: message({ buttons: [reject] }) }))
    await rig.server.click('LiSi', GROUP, taskIn(rig.server), 'Deny')
    await sleep(300)
    expect(labels(rig)).toEqual([['Now']])
  })

  test('is replaced at once by a stage that looks the same and is bound to something else', async () => {
    const rig = await withCard()
    const first = await rig.wecom.send(delivery())
    if (first.at !== 'sent') throw new Error('not sent')
    await rig.server.click('LiSi', GROUP, rig.task, 'Deny')
    const next = message({ buttons: [approve, { ...reject, id: 'button-reject-2' }] })
    const known = { identity: first.identity, ...(first.mark ? { mark: first.mark } : {}) }
    const sent = await rig.wecom.send(delivery({ revision: 2, message: next, ...known }))
    expect(sent).toMatchObject({ at: 'sent', mark: first.mark })
    expect(sent).not.toHaveProperty('free')
    expect(labels(rig)).toEqual([['Now'], ['OK', 'Deny']])
    await rig.server.click('WangWu', GROUP, taskIn(rig.server), 'Deny')
    expect(rig.inbox.taken.at(-1)?.deed).toMatchObject({ button: 'button-reject-2' })
  })
})

describe('a restart', () => {
  test('between taking a press in and showing that on its card: the outcome is pushed, and the card keeps its buttons', async () => {
    const rig = await withCard({ timings: { quickMs: 4000 } })
    const { server, inbox, wecom, another, task } = rig
    inbox.handle = () => undefined
    const click = server.click('LiSi', GROUP, task, 'Deny')
    await until('taken in', () => inbox.taken.length === 1)
    await wecom.stop(50)
    const next = await another()
    next.wecom.start()
    await until('connected', () => next.wecom.health().at === 'up')
    const [envelope] = inbox.taken
    if (envelope === undefined) throw new Error('not taken in')
    expect(await next.wecom.answer(envelope, { ok: true, text: 'Rejected by LiSi.' })).toMatchObject({ at: 'sent' })
    expect((await click).updated).toBeUndefined()
    expect(updates(rig)).toEqual([])
    expect(server.messages(GROUP).at(-1)).toMatchObject({ from: 'push', markdown: 'R-3 <@LiSi> Rejected by LiSi.' })
    expect(server.messages(GROUP)[0]?.labels).toEqual(['OK', 'Deny'])
  })

  test('between a press and its outcome: the outcome is pushed, and the card works on', async () => {
    const rig = await withCard()
    const { server, inbox, wecom, another, task } = rig
    inbox.handle = () => undefined
    await server.click('LiSi', GROUP, task, 'Deny')
    await wecom.stop(300)
    const next = await another()
    next.wecom.start()
    await until('connected', () => next.wecom.health().at === 'up')
    const [envelope] = inbox.taken
    if (envelope === undefined) throw new Error('not taken in')
    expect(await next.wecom.answer(envelope, { ok: true, text: 'Rejected by LiSi.' })).toMatchObject({ at: 'sent' })
    expect(server.messages(GROUP).at(-1)).toMatchObject({ from: 'push', markdown: 'R-3 <@LiSi> Rejected by LiSi.' })
    await server.click('LiSi', GROUP, task, 'Now')
    expect(server.messages(GROUP)[0]?.labels).toEqual(['OK', 'Deny'])
    await server.click('LiSi', GROUP, task, 'Deny')
    expect(next.inbox.taken).toHaveLength(1)
  })
})
