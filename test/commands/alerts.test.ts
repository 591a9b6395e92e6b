import { afterEach, describe, expect, test, vi } from 'vitest'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { anIncident, fakeSilences, hearAlert, openIncident, quickParts } from '../incident/thread-kit.ts'

let t: TestDesk
afterEach(() => t.close())
const silences = fakeSilences()
const start = async () => {
  t = await testDesk({ incident: quickParts({ diagnose: [] }, silences) })
}
const opened = async () => {
  await start()
  await openIncident(t)
  await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
}
const insertOver = async (id: string) => {
  await t.desk.store.append('incident-numbers', { group: 'x' }, Number(id.slice(2)) - 1)
  const state = { at: 'resolved' as const, when: '2026-01-01T00:05:00.000Z' }
  await t.desk.incidents.insert(anIncident({ id, state, firing: 0, resolved: 1 }))
}
const audited = async () => (await t.desk.audit.page({ limit: 1 })).entries[0]

describe('/alerts', () => {
  test('says so when nothing has ever fired', async () => {
    await start()
    expect(await t.type('vera', '/alerts')).toEqual({ ok: true, text: 'Nothing fires, and nothing has fired yet.' })
  })

  test('lists what fires before what is over', async () => {
    await opened()
    await insertOver('A-2')
    const { text, message } = await t.type('vera', '/alerts')
    expect(text).toBe('1 open. Next: /alerts A-1')
    expect(message?.blocks[0]).toMatchObject({
      rows: [
        ['A-1', 'critical', 'firing', 'user-service', 'HighErrorRate', '1 firing', expect.any(String)],
        ['A-2', 'critical', 'resolved', '', 'HighErrorRate', '1 resolved', expect.any(String)],
      ],
    })
  })

  test.each(['A-1', 'a-1', 'a1', '1'])('%s is the card, with its buttons', async (which) => {
    await opened()
    const { ok, message } = await t.type('vera', `/alerts ${which}`)
    expect(ok).toBe(true)
    expect(message).toEqual(t.chat.card('A-1'))
  })

  test('--all lists every alert, page by page', async () => {
    await opened()
    for (let n = 2; n <= 150; n++) {
      await hearAlert(t, {
        fingerprint: `f${n}`,
        startsAt: new Date().toISOString(),
        labels: { alertname: 'X', instance: `h${n}` },
      })
    }
    const first = await t.type('vera', '/alerts A-1 --all')
    expect(first.text).toContain('page 1 of 2. Next: /alerts A-1 --page 2')
    const second = await t.type('vera', '/alerts A-1 --page 2')
    const rows = [first, second].flatMap(({ message }) =>
      (message?.blocks ?? []).flatMap((block) => (block.type === 'table' ? block.rows : [])),
    )
    expect(new Set(rows.map(([name]) => name)).size).toBe(150)
    expect(await t.type('vera', '/alerts A-1 --page 3')).toMatchObject({
      ok: false,
      text: expect.stringContaining('has 2 pages'),
    })
  })

  test.each([
    ['/alerts A-9', /no incident "A-9"\. Did you mean A-1\?.*\/alerts/],
    ['/alerts ackk A-1', /no word "ackk"\. Did you mean ack\?/],
    ['/alerts ack', /which one\? Next: \/alerts ack <A-number>/],
    ['/alerts ack A-1 now', /takes an A-number and nothing else; now was not read/],
    ['/alerts A-1 ack', /takes no "ack" there/],
    ['/alerts silence A-1', /no duration.*\/alerts silence A-1 2h <reason>/],
    ['/alerts silence A-1 2h', /needs a reason/],
  ])('%s is answered with what to type', async (text, expected) => {
    await opened()
    const answer = await t.type('bob', text)
    expect(answer).toMatchObject({ ok: false, text: expect.stringMatching(expected) })
    expect(silences.made).toEqual([])
  })

  test('its words do what the buttons do, with the same roles and the same audit', async () => {
    await opened()
    expect(await t.type('vera', '/alerts ack A-1')).toMatchObject({
      ok: false,
      text: expect.stringContaining('needs the role'),
    })
    expect(await audited()).toMatchObject({
      who: 'vera',
      action: 'incident.acknowledge',
      target: 'A-1',
      result: 'refused',
    })
    expect(await t.type('alice', '/alerts silence a1 2h "the vendor is told"')).toMatchObject({ ok: true })
    expect(silences.made.splice(0)).toMatchObject([{ comment: 'A-1: the vendor is told' }])
    expect(await audited()).toMatchObject({
      action: 'incident.silence',
      target: 'A-1 2h the vendor is told',
      result: 'done',
      before: { state: 'firing', silences: [] },
      after: { silences: [{ by: 'alice', until: expect.any(String) }] },
    })
    expect(await t.type('bob', '/alerts ack A-1')).toMatchObject({
      ok: true,
      text: 'A-1 is yours: nobody else is called for it.',
    })
    expect(await t.type('carol', '/alerts ack A-1')).toMatchObject({
      ok: false,
      text: expect.stringMatching(/already by bob/),
    })
    expect(await t.type('bob', '/alerts diagnose A-1')).toMatchObject({ ok: true })
  })
})
