import { afterEach, describe, expect, test, vi } from 'vitest'
import { followReleases, type Listen } from '../../src/incident/follow.ts'
import type { Report } from '../../src/incident/report.ts'
import type { Release } from '../../src/release/release.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'
import { hearAlert, insertRelease, openIncident, quickParts, settled, tellAlerts } from './thread-kit.ts'

let t: TestDesk
let stop = () => {}
let publish: (key: string) => void = () => {}
afterEach(async () => {
  stop()
  await t.close()
})

/** A feed that tells of a release whenever it is written. */
const follow = () => {
  const listeners = new Set<Parameters<Listen>[0]>()
  publish = (key) => {
    for (const listener of listeners) listener({ change: { kind: 'release', key } })
  }
  stop = followReleases(t.desk, (listener) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  })
}
const move = async (more: (release: Release) => Partial<Release>) => {
  await t.desk.releases.update('R-7', (release) => ({ ...release, ...more(release) }))
  publish('R-7')
}
const host = { before: 'v1.0.0', attempt: 1 }
const held = (): Release =>
  aRelease({
    id: 'R-7',
    flow: 'R-7',
    state: { at: 'held', why: 'x', offers: ['resume', 'rollback'], batch: 1, since: '2026-01-01T00:10:00.000Z' },
    hosts: { 'bj-1': { ...host, at: 'healthy', version: 'v1.1.0' } },
  })
const report = (): Report => ({
  id: 'R-7/1',
  deploymentId: 'R-7',
  version: 1,
  incident: 'A-1',
  flow: 'A-1/diagnosis-1',
  content: JSON.stringify({ promQL: [], content: '【Summary】It did it.' }),
  status: 'completed',
  createdTime: '2026-01-01T00:00:00.000Z',
  updatedTime: '2026-01-01T00:00:00.000Z',
  by: 'rules',
  verdict: { at: 'release', why: 'errors rose on hosts that have it', checks: [] },
  queries: [],
  numbers: [],
  pictures: [],
  steps: 0,
  tools: {},
  tokens: { input: 0, cacheRead: 0, cacheWrite: 0, output: 0 },
  seconds: 1,
})
const mail = async (incident = 'A-1') =>
  (await t.desk.store.read(`mail/${incident}`)).map(({ entry }) => (entry as { key: string }).key)
const releaseMail = async () => (await mail()).filter((key) => key.startsWith('release/'))
const offered = () => t.chat.posts.get('A-1/report/1')?.message.buttons.map(({ action, style }) => `${action} ${style}`)

const begin = async () => {
  t = await testDesk({ incident: quickParts({ diagnose: [] }) })
  await insertRelease(t, held())
  await t.desk.store.insert('active', 'user-service', { release: 'R-7' })
  const startsAt = new Date().toISOString()
  await openIncident(t, {}, { startsAt })
  await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
  await t.desk.reports.insert(report())
  await t.desk.flows.send('A-1', 'diagnosed/R-7/1', { kind: 'diagnosed', report: 'R-7/1' })
  await vi.waitFor(() => expect(offered()).toEqual(['release.rollback primary']))
  return startsAt
}

describe('an incident follows its release', () => {
  test('and looks at everything once more when another process, which may have told nobody, was found dead', async () => {
    await begin()
    const starts = async () => (await mail()).filter((key) => key.startsWith('start/'))
    let gone = () => {}
    stop = followReleases(
      t.desk,
      () => () => {},
      (told) => {
        gone = told
        return () => {
          gone = () => {}
        }
      },
    )
    await vi.waitFor(async () => expect(await starts()).toHaveLength(1))
    gone()
    await vi.waitFor(async () => expect(await starts()).toHaveLength(2))
  })

  test('is told once for each turn and state, not of the progress of single hosts', async () => {
    await begin()
    follow()
    publish('R-7')
    await vi.waitFor(async () => expect(await releaseMail()).toEqual(['release/R-7/3/held']))
    for (let n = 0; n < 5; n++) await move(() => ({ notes: [`note ${n}`] }))
    await move((release) => ({ turn: release.turn + 1, state: { at: 'done', when: '2026-01-01T00:20:00.000Z' } }))
    publish('R-8')
    await vi.waitFor(async () => expect(await releaseMail()).toEqual(['release/R-7/3/held', 'release/R-7/4/done']))
  })

  test('the offer follows it: a new turn makes a new button, and there is none once it is rolled back', async () => {
    await begin()
    follow()
    const first = t.chat.posts.get('A-1/report/1')?.message.buttons[0]?.id
    await move((release) => ({ turn: release.turn + 1 }))
    await vi.waitFor(() => expect(t.chat.posts.get('A-1/report/1')?.message.buttons[0]?.id).not.toBe(first))
    expect(offered()).toEqual(['release.rollback primary'])
    const by = { why: 'x', by: 'bob', when: '2026-01-01T00:20:00.000Z' }
    await move((release) => ({ turn: release.turn + 1, state: { at: 'rolled back', ...by } }))
    await vi.waitFor(() => expect(offered()).toEqual([]))
  })

  test('there is none while nothing fires, and one again when it fires again', async () => {
    const startsAt = await begin()
    await hearAlert(t, { startsAt, status: 'resolved', endsAt: new Date().toISOString() })
    await tellAlerts(t)
    await vi.waitFor(() => expect(offered()).toEqual([]))
    expect(JSON.stringify(t.chat.posts.get('A-1/report/1')?.message.blocks)).toContain('A-1 is resolved since')
    await hearAlert(t, { fingerprint: 'f2', startsAt: new Date().toISOString() })
    await tellAlerts(t)
    await vi.waitFor(() => expect(offered()).toEqual(['release.rollback primary']))
  })

  test('also when its thread is closed', async () => {
    const startsAt = await begin()
    await hearAlert(t, { startsAt, status: 'resolved', endsAt: new Date().toISOString() })
    await tellAlerts(t)
    await t.desk.flows.finished('A-1')
    await settled(t)
    follow()
    const by = { why: 'x', by: 'bob', when: '2026-01-01T00:20:00.000Z' }
    await move((release) => ({ turn: release.turn + 1, state: { at: 'rolled back', ...by } }))
    await vi.waitFor(() => expect(offered()).toEqual([]))
  })

  test('so does the card of a thread that is closed: it says how the release stands now, not how it stood', async () => {
    const startsAt = await begin()
    await hearAlert(t, { startsAt, status: 'resolved', endsAt: new Date().toISOString() })
    await tellAlerts(t)
    await t.desk.flows.finished('A-1')
    await settled(t)
    const state = () =>
      t.chat
        .card('A-1')
        .blocks.flatMap((block) => (block.type === 'fields' ? block.items : []))
        .find(({ label }) => label === 'state')?.value
    expect(state()).toBe('held')
    follow()
    const since = '2026-01-01T00:20:00.000Z'
    await move((release) => ({
      turn: release.turn + 1,
      state: { at: 'rolling out', batch: 2, doing: 'observing', since },
    }))
    await vi.waitFor(() => expect(state()).toBe('rolling out'))
    await move((release) => ({ turn: release.turn + 1, state: { at: 'done', when: since } }))
    await vi.waitFor(() => expect(state()).toBe('done'))
  })

  test('at a start every open incident looks at everything again, and no closed one', async () => {
    const startsAt = await begin()
    await openIncident(t, { id: 'A-2' }, { fingerprint: 'f2', labels: { alertname: 'Other' } })
    await vi.waitFor(() => expect(t.chat.posts.has('A-2/card')).toBe(true))
    // The word of this was lost.
    await hearAlert(t, { fingerprint: 'f3', startsAt, labels: { alertname: 'Other' } }, 'A-2')
    follow()
    await vi.waitFor(() => expect(JSON.stringify(t.chat.card('A-2').blocks)).toContain('2 firing'))
    expect(await mail('A-2')).toEqual([expect.stringMatching(/^start\//)])
    expect((await mail()).some((key) => key.startsWith('start/'))).toBe(true)
  })

  test('a store that is away for a moment delays the word and loses it not', async () => {
    await begin()
    const { ofRelease } = t.desk.incidents
    let away = true
    t.desk.incidents.ofRelease = async (id) => {
      if (away) throw new Error('away')
      return ofRelease.call(t.desk.incidents, id)
    }
    follow()
    publish('R-7')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await releaseMail()).toEqual([])
    away = false
    await vi.waitFor(async () => expect(await releaseMail()).toEqual(['release/R-7/3/held']), 5000)
  })
})
