import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { alertsSchema } from '../../src/incident/config.ts'
import { holdRelease } from '../../src/incident/hold-release.ts'
import { hostsOfAlerts, joinRelease, serviceOf } from '../../src/incident/join.ts'
import type { Release } from '../../src/release/release.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'
import { aService } from '../fakes/service.ts'
import { anIncident, putEpisode } from './an-incident.ts'

let world: TestDesk
beforeEach(async () => {
  world = await testDesk()
})
afterEach(() => world.close())

const HOUR = 3_600_000
const ago = (ms: number) => new Date(Date.now() - ms).toISOString()
const host = { before: 'v1.0.0', attempt: 1 }
const on = { at: 'healthy' as const, version: 'v1.1.0', deployedAt: ago(HOUR / 2), ...host }
const off = { at: 'pending' as const, version: 'v1.0.0', ...host }

async function put(part: Partial<Release>): Promise<Release> {
  const { store, releases } = world.desk
  const id = await releases.newId({ service: part.service ?? 'user-service', candidate: 'v1.1.0', by: 'alice' })
  const release = aRelease({ id, flow: id, startedAt: ago(HOUR), createdAt: ago(HOUR), ...part })
  await releases.insert(release)
  if (['rolling out', 'held'].includes(release.state.at)) await store.insert('active', release.service, { release: id })
  return release
}

const done = (when: string) => ({ state: { at: 'done' as const, when }, endedAt: when })

describe('the service and the hosts that alerts name', () => {
  const config = alertsSchema.parse({})
  const services = [aService({}, { downstream: ['store'] })]

  test.each([
    [{ service: 'user-service' }, 'user-service'],
    [{ job: 'prod/user-service' }, 'user-service'],
    [{ service: 'unheard-of', app: 'user-service' }, 'user-service'],
    [{ service: 'store' }, 'store'],
    [{ job: 'node' }, undefined],
    [{}, undefined],
  ])('%o is %s', (labels, name) => expect(serviceOf({ services, config }, labels as Record<string, string>)).toBe(name))

  test('hosts are known by id or address, and each counts once', () => {
    const hosts = [
      { id: 'bj-1', ip: '10.0.0.1', region: 'bj', labels: {} },
      { id: 'sh-1', ip: '10.0.0.2', region: 'sh', labels: {} },
      { id: 'sh-2', ip: '10.0.0.3', region: 'sh', labels: {} },
    ]
    const alerts: { labels: Record<string, string> }[] = [
      { labels: { instance: '10.0.0.2:9100' } },
      { labels: { host: 'bj-1', instance: '10.0.0.3:9100' } },
      { labels: { hostname: 'bj-1' } },
      { labels: { host: 'elsewhere' } },
    ]
    expect(hostsOfAlerts({ hosts, config }, alerts).map(({ id }) => id)).toEqual(['bj-1', 'sh-1'])
  })
})

describe('the release that an incident is joined to', () => {
  test('one under way, with the hosts that have it and those that do not', async () => {
    await put({
      hosts: { 'bj-1': on, 'sh-2': off },
      state: { at: 'rolling out', batch: 2, doing: 'observing', since: ago(1000) },
    })
    expect(await joinRelease(world.desk, anIncident())).toMatchObject({
      id: 'R-1',
      candidate: 'v1.1.0',
      current: 'v1.0.0',
      batch: 2,
      approvedBy: ['bob'],
      upgraded: ['bj-1'],
      others: ['sh-2'],
      held: false,
    })
  })

  test('the newest that left its version on hosts, when none is under way', async () => {
    await put({ hosts: { 'bj-1': on }, ...done(ago(2 * HOUR)) })
    await put({ hosts: { 'bj-1': on }, ...done(ago(HOUR)) })
    await put({ hosts: { 'bj-1': off }, state: { at: 'rejected', by: 'bob', when: ago(1000) }, startedAt: undefined })
    expect((await joinRelease(world.desk, anIncident()))?.id).toBe('R-2')
  })

  test('none that ended before the memory', async () => {
    await put({ hosts: { 'bj-1': on }, ...done(ago(25 * HOUR)) })
    expect(await joinRelease(world.desk, anIncident())).toBeUndefined()
  })

  test('none of another service, unless the hosts alone say whose they are', async () => {
    await put({ hosts: { 'bj-1': on }, state: { at: 'held', why: 'x', offers: [], batch: 1, since: ago(1000) } })
    expect(await joinRelease(world.desk, anIncident({ service: 'gateway' }))).toBeUndefined()
    expect((await joinRelease(world.desk, anIncident({ service: undefined, hosts: ['bj-1'] })))?.id).toBe('R-1')
    expect(await joinRelease(world.desk, anIncident({ service: undefined, hosts: ['sh-9'] }))).toBeUndefined()
  })

  test('the one that is under way wins over others, whichever of its services the alerts name', async () => {
    await put({ hosts: { 'bj-1': on }, state: { at: 'rolling out', batch: 1, doing: 'observing', since: ago(1000) } })
    const incident = anIncident({ service: 'store' })
    await putEpisode(world.desk, incident, { service: 'store' })
    expect(await joinRelease(world.desk, incident)).toBeUndefined()
    await putEpisode(world.desk, incident, { service: 'user-service', host: 'bj-1' })
    expect((await joinRelease(world.desk, incident))?.id).toBe('R-1')
  })

  test('one that was taken back counts only if it began while it was there', async () => {
    const when = ago(HOUR / 2)
    await put({ hosts: {}, state: { at: 'rolled back', why: 'x', by: 'the gate', when }, endedAt: when })
    expect(await joinRelease(world.desk, anIncident({ since: ago(1000) }))).toBeUndefined()
    expect((await joinRelease(world.desk, anIncident({ since: ago(0.7 * HOUR) })))?.id).toBe('R-1')
  })

  test('the one that the alert names by its deployment id wins', async () => {
    await put({ hosts: { 'bj-1': on }, ...done(ago(2 * HOUR)) })
    await put({ hosts: { 'bj-1': on }, ...done(ago(HOUR)) })
    const incident = anIncident()
    await putEpisode(world.desk, incident, { deploymentId: 'R-1' })
    expect((await joinRelease(world.desk, incident))?.id).toBe('R-1')
    // It is over, and does not keep from holding what is under way.
    await put({ hosts: { 'bj-1': on }, state: { at: 'rolling out', batch: 1, doing: 'observing', since: ago(1000) } })
    expect((await joinRelease(world.desk, incident))?.id).toBe('R-3')
  })
})

describe('an alert during a rollout', () => {
  const policy = { windows: ['30s', '30s'], interval: '10s' }

  test('holds it, says so, and a person goes on from there', async () => {
    await world.close()
    world = await testDesk({ policy })
    await world.type('alice', '/release user-service v1.1.0')
    await world.reach('R-1', 'awaiting approval')
    await world.press('bob', 'R-1', 'release.approve')
    await world.reach('R-1', 'rolling out')
    const incident = anIncident()
    const release = await joinRelease(world.desk, incident)
    expect(await holdRelease(world.desk, { ...incident, release })).toBe(true)
    const held = await world.reach('R-1', 'held')
    expect(held.state).toMatchObject({
      why: 'alert A-1 fires: HighErrorRate',
      offers: expect.arrayContaining(['resume', 'rollback']),
    })
    // Asked again, by a process that has died meanwhile: nothing more happens.
    expect(await holdRelease(world.desk, { ...incident, release })).toBe(false)
    const page = await world.desk.audit.page({ limit: 10, action: 'release.pause' })
    expect(page.entries).toMatchObject([
      { who: 'A-1', target: 'R-1', result: 'done', why: 'alert A-1 fires: HighErrorRate' },
    ])
    await world.press('alice', 'R-1', 'release.resume')
    await world.reach('R-1', 'rolling out')
  })

  test('holds nothing that does not move', async () => {
    expect(await holdRelease(world.desk, anIncident())).toBe(false)
    await put({ hosts: { 'bj-1': on }, ...done(ago(HOUR)) })
    const release = await joinRelease(world.desk, anIncident())
    expect(await holdRelease(world.desk, anIncident({ release }))).toBe(false)
  })
})
