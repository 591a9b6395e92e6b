import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { press } from '../../src/entry/actions.ts'
import { followReleases } from '../../src/incident/follow.ts'
import type { Incident } from '../../src/incident/incident.ts'
import type { IncidentScene } from '../../src/incident/scene.ts'
import { lookAtRecovery } from '../../src/incident/watch-recovery.ts'
import type { Flow } from '../../src/ports/flow.ts'
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
const silences = fakeSilences()
const start = async (config: Record<string, unknown> = {}, more: Parameters<typeof testDesk>[0] = {}) => {
  t = await testDesk({ incident: quickParts(config, silences), ...more })
}
const person = (id: string) => t.desk.people.find((each) => each.id === id)!
const card = () => t.chat.card('A-1')
const buttons = () => card().buttons.map(({ action }) => action)
const pressOn = (who: string, action: string, fields?: Record<string, string>) => {
  const button = card().buttons.find((each) => each.action === action)
  if (button === undefined) throw new Error(`no ${action} on the card`)
  return press(t.desk, button.id, person(who), undefined, fields)
}
const text = () => JSON.stringify(card().blocks)

describe('the thread of an incident', () => {
  test('has a card with what fires, and the buttons that fit', async () => {
    await start()
    await openIncident(t)
    await vi.waitFor(() => expect(card().title).toBe('A-1 HighErrorRate: user-service'))
    expect(card().tone).toBe('bad')
    expect(buttons()).toEqual(['incident.acknowledge', 'incident.diagnose-again', 'incident.silence'])
    expect(text()).toContain('bj-1')
    expect(text()).toContain('12.5 %')
  })

  test('a group that grows edits the card, and posts nothing for each alert', async () => {
    await start()
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    for (let n = 2; n <= 6; n++) {
      await hearAlert(t, { fingerprint: `f${n}`, startsAt: new Date().toISOString() })
      await tellAlerts(t)
    }
    await vi.waitFor(() => expect(text()).toContain('6 firing'))
    await settled(t)
    expect([...t.chat.posts.keys()]).toEqual(['A-1/card'])
  })

  test('a group that has grown much is told once, in one line', async () => {
    await start()
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    try {
      for (let n = 2; n <= 80; n++) {
        await hearAlert(t, { fingerprint: `f${n}`, startsAt: new Date().toISOString() })
        if (n % 10 === 0) await tellAlerts(t)
      }
      await vi.waitFor(() => expect(text()).toContain('80 firing'), 5000)
      await settled(t)
      const lines = titles(t)
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(/^Grown from 1 to \d+ alerts: \d+ firing/)
    } finally {
      vi.useRealTimers()
    }
  })

  test('says how long it lasted, edits the card, and is closed when everything is resolved', async () => {
    await start()
    const from = Date.now() - 125_000
    await openIncident(t, {}, { startsAt: new Date(from).toISOString() })
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    const endsAt = new Date(from + 120_000).toISOString()
    await hearAlert(t, { startsAt: new Date(from).toISOString(), status: 'resolved', endsAt })
    await tellAlerts(t)
    await t.desk.flows.finished('A-1')
    await settled(t)
    expect(await t.desk.incidents.need('A-1')).toMatchObject({ state: { at: 'resolved', when: endsAt }, firing: 0 })
    expect(card()).toMatchObject({ tone: 'good' })
    expect(text()).toContain('after 2 min')
    expect(titles(t)).toEqual([expect.stringMatching(/^Resolved after 2 min, at /)])
    expect(buttons()).toEqual(['incident.diagnose-again'])
    // Whatever comes now harms nothing.
    await tellAlerts(t)
    expect(await t.desk.flows.status('A-1')).toMatchObject({ at: 'done' })
  })

  test('an episode that came while it was being closed opens it again', async () => {
    await start()
    const startsAt = new Date().toISOString()
    await openIncident(t, {}, { startsAt })
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    await hearAlert(t, { startsAt, status: 'resolved', endsAt: new Date().toISOString() })
    await tellAlerts(t)
    await vi.waitFor(() => expect(titles(t)).toHaveLength(1))
    // Nobody tells the story: the last look before closing finds it.
    await hearAlert(t, { fingerprint: 'f2', startsAt: new Date().toISOString() })
    await vi.waitFor(() => expect(titles(t)).toContain('Fires again'), 5000)
    expect(await t.desk.incidents.need('A-1')).toMatchObject({ state: { at: 'firing' }, turn: 2 })
    expect(await t.desk.flows.status('A-1')).toMatchObject({ at: 'running' })
  })

  test('starts one diagnosis, and only for the severities that are configured', async () => {
    const started: unknown[] = []
    await start(
      { diagnose: ['critical'] },
      {
        diagnosis: async (_flow, _desk, input) => {
          started.push(input)
        },
      },
    )
    await openIncident(
      t,
      { id: 'A-2', severity: 'warning' },
      { fingerprint: 'w', labels: { alertname: 'X', severity: 'warning' } },
    )
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card') && t.chat.posts.has('A-2/card')).toBe(true))
    expect(started).toEqual([{ incident: 'A-1', n: 1 }])
    // It gets worse.
    await hearAlert(t, { fingerprint: 'c', startsAt: new Date().toISOString() }, 'A-2')
    await tellAlerts(t, 'A-2')
    await vi.waitFor(() => expect(started).toHaveLength(2))
  })
})

describe('what people press', () => {
  test('an acknowledgement counts once, is shown, and whoever is late learns who was first', async () => {
    await start()
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    const { id } = card().buttons.find(({ action }) => action === 'incident.acknowledge')!
    const answers = await Promise.all(['alice', 'bob'].map((who) => press(t.desk, id, person(who))))
    const [won, lost] = answers[0]!.ok ? ['alice', answers[1]!] : ['bob', answers[0]!]
    expect(answers.map(({ ok }) => ok).toSorted()).toEqual([false, true])
    expect(lost.text).toMatch(new RegExp(`A-1 was acknowledged already by ${won}`))
    await vi.waitFor(() => expect(titles(t)).toEqual([`${won} has acknowledged it; nobody else is called`]))
    await vi.waitFor(() => expect(buttons()).not.toContain('incident.acknowledge'))
    expect(card().tone).toBe('warn')
  })

  test('a viewer may do nothing', async () => {
    await start()
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    for (const action of buttons()) {
      const answer = await pressOn('vera', action, { time: '1h', reason: 'x' })
      expect(answer).toMatchObject({ ok: false, text: expect.stringContaining('needs the role') })
    }
    expect(await t.desk.incidents.need('A-1')).toMatchObject({ turn: 0 })
  })

  test('a silence covers what the firing alerts share, and stands in the thread', async () => {
    await start()
    silences.made.length = 0
    await openIncident(t)
    await hearAlert(t, {
      fingerprint: 'f2',
      labels: { ...{ alertname: 'HighErrorRate', severity: 'critical', service: 'user-service' }, instance: 'b' },
    })
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    const stale = card().buttons.find(({ action }) => action === 'incident.acknowledge')!.id
    expect(await pressOn('bob', 'incident.silence', { time: '1h', reason: '' })).toMatchObject({
      ok: false,
      text: expect.stringContaining('needs a reason'),
    })
    expect(await pressOn('bob', 'incident.silence', { time: 'soon', reason: 'x' })).toMatchObject({ ok: false })
    expect(await pressOn('bob', 'incident.silence', { time: '31d', reason: 'x' })).toMatchObject({ ok: false })
    expect(silences.made).toEqual([])
    const answer = await pressOn('bob', 'incident.silence', { time: '30m', reason: 'the vendor is told' })
    expect(answer).toMatchObject({ ok: true, text: expect.stringContaining('30 min') })
    expect(silences.made).toHaveLength(1)
    expect(silences.made[0]).toMatchObject({ by: 'bob', comment: 'A-1: the vendor is told' })
    expect(
      silences.made[0]!.matchers.map(({ name, value, isEqual, isRegex }) => [name, value, isEqual, isRegex]),
    ).toEqual([
      ['alertname', 'HighErrorRate', true, false],
      ['severity', 'critical', true, false],
      ['service', 'user-service', true, false],
    ])
    expect(silences.made[0]!.until.getTime() - silences.made[0]!.from.getTime()).toBe(1_800_000)
    await vi.waitFor(() =>
      expect(titles(t)).toEqual([expect.stringMatching(/^Silenced until .* by bob: the vendor is told$/)]),
    )
    await vi.waitFor(() =>
      expect(buttons()).toEqual(['incident.acknowledge', 'incident.diagnose-again', 'incident.end-silence']),
    )
    // The card that was shown before is out of date, and the answer says who did what.
    expect(await press(t.desk, stale, person('alice'))).toMatchObject({
      ok: false,
      text: expect.stringMatching(/A-1 has moved on.*A-1 was silenced already by bob, until /),
    })
  })

  test('a silence is not offered, and refused when it is typed, for a source whose address nobody has configured', async () => {
    await start({ sources: [] })
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    expect(buttons()).not.toContain('incident.silence')
    expect(await t.type('bob', '/alerts silence A-1 1h x')).toMatchObject({
      ok: false,
      text: expect.stringContaining('set url under alerts.sources for main'),
    })
  })

  test("one silence comes of two presses at the same time, and a failure stands in nobody's way", async () => {
    await start()
    silences.made.length = 0
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    const { create } = t.desk.silences
    t.desk.silences.create = async () => {
      throw new Error('no')
    }
    expect(await pressOn('bob', 'incident.silence', { time: '1h', reason: 'x' })).toMatchObject({ ok: false })
    t.desk.silences.create = create
    const answers = await Promise.all(
      ['bob', 'carol'].map((who) => pressOn(who, 'incident.silence', { time: '1h', reason: 'x' })),
    )
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
    expect(silences.made).toHaveLength(1)
  })

  test('one more diagnosis is started for each press after the last has ended', async () => {
    const gate = Promise.withResolvers<void>()
    const inputs: unknown[] = []
    await start(
      { diagnose: [] },
      {
        diagnosis: async (_flow, _desk, input) => {
          inputs.push(input)
          await gate.promise
        },
      },
    )
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    expect(await pressOn('bob', 'incident.diagnose-again')).toMatchObject({ ok: true })
    expect(await pressOn('alice', 'incident.diagnose-again')).toMatchObject({
      ok: false,
      text: expect.stringMatching(/is being diagnosed already\. bob has asked for it/),
    })
    gate.resolve()
    await t.desk.flows.finished('A-1/diagnosis-1')
    expect(await pressOn('alice', 'incident.diagnose-again')).toMatchObject({ ok: true })
    await t.desk.flows.finished('A-1/diagnosis-2')
    expect(inputs).toEqual([
      { incident: 'A-1', n: 1, by: 'bob' },
      { incident: 'A-1', n: 2, by: 'alice' },
    ])
    await vi.waitFor(() =>
      expect(titles(t)).toEqual(['bob asked for another diagnosis', 'alice asked for another diagnosis']),
    )
  })
})

describe('the release that it belongs to', () => {
  const host = { before: 'v1.0.0', attempt: 1 }
  const observing = () =>
    aRelease({
      id: 'R-7',
      flow: 'R-7',
      state: { at: 'rolling out', batch: 1, doing: 'observing', since: '2026-01-01T00:10:00.000Z' },
      hosts: {
        'bj-1': { ...host, at: 'healthy', version: 'v1.1.0' },
        'sh-2': { ...host, at: 'pending', version: 'v1.0.0' },
      },
    })

  test('is held first, and the card says who approved it and which hosts have it', async () => {
    await start()
    await insertRelease(t, observing())
    await t.desk.store.insert('active', 'user-service', { release: 'R-7' })
    await openIncident(t)
    await vi.waitFor(() => expect(titles(t)).toEqual(['Held R-7 first: no further host is changed']))
    const incident = await t.desk.incidents.need('A-1')
    expect(incident).toMatchObject({
      joined: 'R-7',
      release: { id: 'R-7', held: true, upgraded: ['bj-1'], others: ['sh-2'] },
    })
    expect(text()).toContain('v1.0.0 → v1.1.0')
    expect(text()).toContain('"approved by","value":"bob"')
    expect(text()).toContain('["v1.1.0","1","bj-1"],["v1.0.0","1","sh-2"]')
    const mail = await t.desk.store.read('mail/R-7')
    expect(mail).toHaveLength(1)
  })

  test('once it is rolled back, the thread says whether that helped, with the outcome kept', async () => {
    await start()
    await insertRelease(t, observing())
    await t.desk.store.insert('active', 'user-service', { release: 'R-7' })
    const listeners = new Set<(numbered: { change: { kind: string; key: string } }) => void>()
    const stop = followReleases(t.desk, (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    })
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    const when = new Date().toISOString()
    await t.desk.releases.update('R-7', (release) => ({
      ...release,
      state: { at: 'rolled back', why: 'bob pressed Roll back', by: 'bob', when },
      plan: undefined,
      turn: release.turn + 1,
    }))
    for (const listener of listeners) listener({ change: { kind: 'release', key: 'R-7' } })
    await vi.waitFor(() => expect(text()).toContain('rolled back'))
    expect(
      (await t.desk.store.read('mail/A-1')).some(({ entry }) =>
        JSON.stringify(entry).includes('release/R-7/4/rolled back'),
      ),
    ).toBe(true)
    stop()
    expect(listeners.size).toBe(0)
  })

  test('is watched after a rollback although nothing fires any more, and the thread is closed afterwards', async () => {
    await start()
    await insertRelease(t, observing())
    await t.desk.store.insert('active', 'user-service', { release: 'R-7' })
    const startsAt = new Date().toISOString()
    await openIncident(t, {}, { startsAt })
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    const move = (state: Release['state']) =>
      t.desk.releases.update('R-7', (release) => {
        const plan = {
          ...release.plan!,
          batches: release.plan!.batches.map((batch) => ({ ...batch, windowSeconds: 0.1 })),
        }
        return { ...release, plan, state, turn: release.turn + 1 }
      })
    const by = { why: 'bob pressed Roll back', by: 'bob' }
    await move({ at: 'rolling back', ...by, since: startsAt })
    await hearAlert(t, { startsAt, status: 'resolved', endsAt: new Date().toISOString() })
    await tellAlerts(t)
    await vi.waitFor(() => expect(titles(t).some((title) => title.startsWith('Resolved'))).toBe(true))
    await delay(500)
    expect(await t.desk.flows.status('A-1')).toMatchObject({ at: 'running' })
    await move({ at: 'rolled back', ...by, when: startsAt })
    await t.desk.flows.send('A-1', 'release/R-7/5/rolled back', { kind: 'release' })
    // There is no report here: that is said when the time is over.
    await t.desk.flows.finished('A-1')
    await settled(t)
    const why = 'there is no report whose queries could be asked again'
    expect(titles(t).at(-1)).toBe(`Whether it recovered after R-7 was rolled back is not known: ${why}`)
    expect((await t.desk.incidents.need('A-1')).outcome).toMatchObject({ at: 'unknown', why })
    expect(text()).toContain('Whether it recovered after R-7')
  })

  test('what its report says after a rollback is asked until it has recovered, and said with the numbers', async () => {
    await start()
    await openIncident(t)
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
    const says = (state: Incident['state']) =>
      t.desk.incidents.update('A-1', (incident) => ({ ...incident, report: 'R-7/1', state }))
    const state = { at: 'resolved' as const, when: new Date().toISOString() }
    await says(state)
    const steps: string[] = []
    const flow = {
      id: 'x',
      step: async <T>(name: string, effect: () => Promise<T>) => {
        steps.push(name)
        return effect()
      },
    } as Flow
    const at = (ms: number) => new Date(ms)
    const scene = {
      flow,
      desk: t.desk,
      id: 'A-1',
      counters: new Map(),
      watch: { release: 'R-7', everyMs: 100, next: at(100), until: at(1000) },
    } as IncidentScene
    const answers = [
      { at: 'not recovered' as const, why: 'errors are at 9 %' },
      { at: 'recovered' as const, why: 'errors are at 0.1 %, were 9 %' },
    ]
    const ask = async (_desk: unknown, report: string) => {
      expect(report).toBe('R-7/1')
      return answers.shift()!
    }
    await lookAtRecovery(scene, at(100), ask)
    expect(scene.watch?.next).toEqual(at(200))
    expect((await t.desk.incidents.need('A-1')).outcome).toBeUndefined()
    await lookAtRecovery(scene, at(200), ask)
    expect(scene.watch).toBeUndefined()
    await settled(t)
    expect(titles(t)).toContain('Recovered after R-7 was rolled back: errors are at 0.1 %, were 9 %')
    expect(steps.filter((name) => name.startsWith('look'))).toEqual([
      'look whether it recovered 1',
      'look whether it recovered 2',
    ])
    scene.watch = { release: 'R-7', everyMs: 100, next: at(900), until: at(1000) }
    await lookAtRecovery(scene, at(1000), async () => ({ at: 'not recovered', why: 'errors are at 9 %' }))
    expect((await t.desk.incidents.need('A-1')).outcome).toMatchObject({ at: 'not recovered' })
    // Good numbers are no recovery while it fires; its end may be heard of minutes later.
    await says({ at: 'firing' })
    const watch = { release: 'R-7', everyMs: 100, next: at(900), until: at(1000) }
    const good = async () => ({ at: 'recovered' as const, why: 'errors are at 0.1 %' })
    scene.watch = watch
    await lookAtRecovery(scene, at(2000), good)
    expect(scene.watch?.next).toEqual(at(2100))
    await lookAtRecovery(scene, at(601_000), good)
    expect((await t.desk.incidents.need('A-1')).outcome).toMatchObject({
      at: 'not recovered',
      why: 'its alerts still fire, although errors are at 0.1 %',
    })
    scene.watch = watch
    await says(state)
    await lookAtRecovery(scene, at(900), good)
    expect((await t.desk.incidents.need('A-1')).outcome).toMatchObject({ at: 'recovered' })
  })
})
