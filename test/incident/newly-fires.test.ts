import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { press } from '../../src/entry/actions.ts'
import type { Release } from '../../src/release/release.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'
import {
  fakeSilences,
  hearAlert,
  insertRelease,
  openIncident,
  quickParts,
  settled,
  tellAlerts,
  titles,
} from './thread-kit.ts'

let t: TestDesk
afterEach(() => t.close())
const diagnoses: unknown[] = []
const start = async (config: Record<string, unknown> = {}) => {
  diagnoses.length = 0
  t = await testDesk({
    incident: quickParts(config, fakeSilences()),
    diagnosis: async (_flow, _desk, input) => void diagnoses.push(input),
  })
}
const host = { before: 'v1.0.0', attempt: 1 }
const rollingOut = {
  at: 'rolling out' as const,
  batch: 1,
  doing: 'observing' as const,
  since: '2026-01-01T00:10:00.000Z',
}
const observing = (id = 'R-7'): Release =>
  aRelease({ id, flow: id, state: rollingOut, hosts: { 'bj-1': { ...host, at: 'healthy', version: 'v1.1.0' } } })
const begin = async (release: Release) => {
  await insertRelease(t, release)
  await t.desk.store.insert('active', release.service, { release: release.id })
}
const fires = async (fingerprint: string, labels: Record<string, string> = {}) => {
  const all = { alertname: 'HighErrorRate', severity: 'critical', service: 'user-service', ...labels }
  await hearAlert(t, { fingerprint, startsAt: new Date().toISOString(), labels: all })
  await tellAlerts(t)
}
const carded = () => vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
const shown = () => JSON.stringify(t.chat.card('A-1').blocks)
const orders = async (id = 'R-7') =>
  (await t.desk.store.read(`mail/${id}`)).map(({ entry }) => (entry as { key: string }).key)
const move = (more: Partial<Release>, id = 'R-7') =>
  t.desk.releases.update(id, (release) => ({ ...release, ...more, turn: release.turn + 1 }))
const holdIt = () =>
  move({
    state: { at: 'held', why: 'alert A-1 fires: x', offers: ['resume'], batch: 1, since: '2026-01-01T00:11:00.000Z' },
  })
const lapse = () => titles(t).filter((title) => title.includes('counts no longer'))
const calls = () =>
  [...t.chat.posts].filter(([key]) => /\/level\//.test(key)).map(([, { message }]) => message.title.split(':')[0])
const acknowledge = () => {
  const button = t.chat.card('A-1').buttons.find(({ action }) => action === 'incident.acknowledge')!
  return press(t.desk, button.id, t.desk.people.find(({ id }) => id === 'bob')!)
}

describe('an alert that newly fires in a thread that is open already', () => {
  test('holds the release that has begun since, and has it diagnosed', async () => {
    await start()
    await openIncident(t, {}, { labels: { alertname: 'HighErrorRate', severity: 'warning', service: 'user-service' } })
    await carded()
    await vi.waitFor(() => expect(diagnoses).toEqual([{ incident: 'A-1', n: 1 }]))
    await begin(observing())
    // What fired before the release began is no reason to hold it.
    await tellAlerts(t)
    await settled(t)
    expect(await orders()).toEqual([])
    await fires('canary', { instance: '10.0.0.1:8080' })
    await vi.waitFor(async () => expect(await orders()).toEqual(['R-7/3/pause/A-1']))
    await vi.waitFor(() => expect(titles(t)).toContain('Held R-7 first: no further host is changed'))
    expect(titles(t)).toContain('Belongs to R-7 now')
    await vi.waitFor(() =>
      expect(diagnoses).toEqual([
        { incident: 'A-1', n: 1 },
        { incident: 'A-1', n: 2 },
      ]),
    )
    expect(await t.desk.incidents.need('A-1')).toMatchObject({ joined: 'R-7', release: { id: 'R-7', held: true } })
    // Nothing but the order has happened so far: the card does not say otherwise.
    expect(shown()).toContain('R-7 is being held for it.')
    await holdIt()
    await t.desk.flows.send('A-1', 'release/R-7/4/held', { kind: 'release' })
    await vi.waitFor(() => expect(shown()).toContain('R-7 was held for it.'))
  })

  test('shows the first card when the hold has taken effect, if that is soon', async () => {
    t = await testDesk({ incident: { ...quickParts({ diagnose: [] }), postEveryMs: 2000 } })
    await begin(observing())
    await openIncident(t)
    await vi.waitFor(async () => expect(await orders()).toHaveLength(1), { interval: 5 })
    expect(t.chat.posts.has('A-1/card')).toBe(false)
    await holdIt()
    await carded()
    expect(shown()).toContain('R-7 was held for it.')
    expect(shown()).toContain('"state","value":"held"')
  })

  test('holds again after a resume; what fired before it does not', async () => {
    await start()
    await begin(observing())
    await openIncident(t)
    await carded()
    await holdIt()
    await fires('f2')
    await vi.waitFor(() => expect(shown()).toContain('2 firing'))
    await move({ state: rollingOut })
    await tellAlerts(t)
    await t.desk.flows.send('A-1', 'release/R-7/5/rolling out', { kind: 'release' })
    await settled(t)
    expect(await orders()).toEqual(['R-7/3/pause/A-1'])
    expect(shown()).toContain('R-7 was held for it.')
    await fires('f3')
    await fires('f4')
    await vi.waitFor(async () => expect(await orders()).toEqual(['R-7/3/pause/A-1', 'R-7/5/pause/A-1']))
    await vi.waitFor(() => expect(shown()).toContain('4 firing'))
    await settled(t)
    expect(titles(t)).toEqual([
      'Held R-7 first: no further host is changed',
      'Held R-7 again, for what fires newly: no further host is changed',
    ])
  })

  test('belongs to the release under way, not to the one before; a late report about that one does not count', async () => {
    await start()
    await insertRelease(t, {
      ...observing('R-7'),
      state: { at: 'done', when: new Date().toISOString() },
      endedAt: new Date().toISOString(),
    })
    await openIncident(t)
    await carded()
    expect(await t.desk.incidents.need('A-1')).toMatchObject({ joined: 'R-7', release: { held: false } })
    await begin(observing('R-8'))
    await fires('f2')
    await vi.waitFor(async () => expect(await orders('R-8')).toEqual(['R-8/3/pause/A-1']))
    await vi.waitFor(() =>
      expect(titles(t)).toEqual(['Belongs to R-8 now', 'Held R-8 first: no further host is changed']),
    )
    await vi.waitFor(() => expect(diagnoses).toHaveLength(2))
    for (const report of ['R-8/1', 'R-7/1']) {
      await t.desk.flows.send('A-1', `diagnosed/${report}`, { kind: 'diagnosed', report })
    }
    await vi.waitFor(async () => expect((await t.desk.incidents.need('A-1')).report).toBe('R-8/1'))
    await delay(100)
    expect((await t.desk.incidents.need('A-1')).report).toBe('R-8/1')
  })

  test('of another service holds that one’s release too, also before the first hold has taken effect', async () => {
    await start()
    const [service] = t.desk.services
    if (service === undefined) throw new Error('no service')
    t.desk.services.push({ ...service, name: 'gateway' })
    await begin(observing('R-7'))
    await openIncident(t)
    await carded()
    await insertRelease(t, { ...observing('R-8'), service: 'gateway' })
    await t.desk.store.insert('active', 'gateway', { release: 'R-8' })
    for (const fingerprint of ['f2', 'f3']) await fires(fingerprint, { service: 'gateway' })
    await vi.waitFor(async () => expect(await orders('R-8')).toEqual(['R-8/3/pause/A-1']))
    expect(await orders('R-7')).toEqual(['R-7/3/pause/A-1'])
    await vi.waitFor(() => expect(t.chat.card('A-1').title).toBe('A-1 HighErrorRate: gateway, user-service'))
    expect(await t.desk.incidents.need('A-1')).toMatchObject({ joined: 'R-8', service: 'gateway' })
    expect(shown()).toContain('"columns":["alert","service","state","since","value"]')
  })
})

describe('alerts of several services', () => {
  test('hold the releases of all of them at once; the thread belongs to one', async () => {
    await start()
    const [service] = t.desk.services
    if (service === undefined) throw new Error('no service')
    t.desk.services.push({ ...service, name: 'gateway' })
    await begin(observing('R-7'))
    await insertRelease(t, { ...observing('R-8'), service: 'gateway' })
    await t.desk.store.insert('active', 'gateway', { release: 'R-8' })
    await hearAlert(t, {
      fingerprint: 'g',
      startsAt: new Date().toISOString(),
      labels: { alertname: 'HighErrorRate', severity: 'critical', service: 'gateway' },
    })
    await openIncident(t)
    await vi.waitFor(() => expect(titles(t)).toHaveLength(2))
    expect([await orders('R-7'), await orders('R-8')]).toEqual([['R-7/3/pause/A-1'], ['R-8/3/pause/A-1']])
    // Somebody has resumed the one; what fires anew is about the other.
    const resumed = (await t.desk.incidents.need('A-1')).joined === 'R-7' ? 'R-8' : 'R-7'
    await move({ state: rollingOut }, resumed)
    await fires('f9', { service: resumed === 'R-8' ? 'user-service' : 'gateway' })
    await vi.waitFor(() => expect(shown()).toContain('3 firing'))
    await settled(t)
    expect(await orders(resumed)).toHaveLength(1)
  })
})

describe('an alert that gets worse', () => {
  const warning = { labels: { alertname: 'HighErrorRate', severity: 'warning', service: 'user-service' } }
  const levels = {
    warning: { levels: [{ people: ['alice'] }, { after: '1h', people: ['bob'] }], remind: '1h' },
    critical: { levels: [{ people: ['carol'] }], remind: '1h' },
  }

  test('calls the first level of its new severity at once, also when that is the only one', async () => {
    await start(levels)
    await openIncident(t, { severity: 'warning' }, warning)
    await vi.waitFor(() => expect(calls()).toEqual(['Fires']))
    await fires('c')
    await vi.waitFor(() => expect(calls()).toEqual(['Fires', 'Now critical']))
    expect(JSON.stringify(t.chat.posts.get('A-1/level/2'))).toContain('carol')
    const { levels: told } = await t.desk.incidents.need('A-1')
    expect(told).toEqual({ warning: 1, critical: 1 })
  })

  test('is told where it stands even if nobody is named: an edit of the card tells nobody', async () => {
    await start()
    await openIncident(t, { severity: 'warning' }, warning)
    await carded()
    await settled(t)
    expect(calls()).toEqual([])
    await fires('c')
    await vi.waitFor(() => expect(calls()).toEqual(['Now critical']))
  })

  test('does not call anybody when it gets milder again', async () => {
    await start(levels)
    await openIncident(t, {}, { startsAt: '2026-01-01T00:00:00.000Z' })
    await vi.waitFor(() => expect(calls()).toEqual(['Fires']))
    await hearAlert(t, { ...warning, fingerprint: 'w', startsAt: new Date().toISOString() })
    await hearAlert(t, { startsAt: '2026-01-01T00:00:00.000Z', status: 'resolved', endsAt: new Date().toISOString() })
    await tellAlerts(t)
    await vi.waitFor(() => expect(shown()).toContain('"severity","value":"warning"'))
    await delay(150)
    expect(calls()).toEqual(['Fires'])
  })

  test('is nobody’s again: the acknowledgement lapses, a line says so, and the levels run', async () => {
    await start(levels)
    await openIncident(t, { severity: 'warning' }, warning)
    await carded()
    expect(await acknowledge()).toMatchObject({ ok: true })
    await vi.waitFor(() => expect(shown()).toContain('acknowledged by bob'))
    await fires('c')
    await vi.waitFor(() =>
      expect(lapse()).toEqual(['It is critical now; bob had acknowledged it as warning, which counts no longer']),
    )
    await vi.waitFor(() => expect(calls()).toContain('Now critical'))
    await vi.waitFor(() => expect(shown()).toContain('nobody has acknowledged it'))
    // Whoever acknowledges that has acknowledged what comes at that severity.
    expect(await acknowledge()).toMatchObject({ ok: true })
    await fires('d')
    await vi.waitFor(() => expect(shown()).toContain('3 firing'))
    await settled(t)
    expect(lapse()).toHaveLength(1)
    expect((await t.desk.incidents.need('A-1')).acknowledged).toMatchObject({ by: 'bob', severity: 'critical' })
  })

  test('at the same severity on more hosts, nobody is called; one line a minute names the new hosts', async () => {
    await start(levels)
    await openIncident(t, {}, { labels: { alertname: 'X', severity: 'critical', instance: '10.0.0.1:8080' } })
    await carded()
    expect(await acknowledge()).toMatchObject({ ok: true })
    await vi.waitFor(() => expect(shown()).toContain('acknowledged by bob'))
    const called = calls()
    await fires('f2', { instance: '10.0.0.2:8080' })
    await fires('f3', { hostname: 'db-9', instance: '10.9.9.9:1' })
    await fires('f4', { instance: '10.0.0.1:8080' })
    const more = () => titles(t).filter((title) => title.startsWith('Fires on more hosts'))
    await vi.waitFor(() => expect(shown()).toContain('4 firing'))
    await vi.waitFor(() => expect(more()).toHaveLength(1))
    await settled(t)
    expect(more()).toHaveLength(1)
    expect(calls()).toEqual(called)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    try {
      await fires('f5', { hostname: 'db-10' })
      await vi.waitFor(() => expect(more()).toHaveLength(2), 3000)
      expect(more().join(' ')).toMatch(/sh-2.*db-9.*db-10/)
    } finally {
      vi.useRealTimers()
    }
  })
})
