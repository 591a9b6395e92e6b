import { afterEach, describe, expect, test } from 'vitest'
import type { Json } from '../../src/ports/store.ts'
import { fleet, noteSightings, probeFleet } from '../../src/release/fleet.ts'
import type { Release } from '../../src/release/release.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'

let open: TestDesk | undefined
afterEach(async () => {
  await open?.close()
  open = undefined
})

async function world(hosts = 3): Promise<TestDesk> {
  open = await testDesk({ hosts })
  return open
}

async function add({ desk }: TestDesk, release: Release): Promise<void> {
  await desk.store.append('release-numbers', { service: release.service, candidate: release.candidate })
  await desk.store.insert('releases', release.id, release as unknown as Json)
}

const first = async (t: TestDesk) => (await fleet(t.desk))[0]?.services[0]

describe('the fleet', () => {
  test('is unknown before anybody has asked', async () => {
    const t = await world()
    expect(await fleet(t.desk)).toEqual(
      ['bj-1', 'sh-2', 'bj-3'].map((id, index) => ({
        id,
        ip: `10.0.0.${index + 1}`,
        region: id.slice(0, 2),
        labels: {},
        services: [{ service: 'user-service', state: 'unknown' }],
      })),
    )
  })

  test('is what the probe has brought; a host that is down keeps the version it was seen with', async () => {
    const t = await world()
    const host = t.target.hosts.get('bj-1')
    if (host === undefined) throw new Error('no host')
    host.state = 'unhealthy'
    await probeFleet(t.desk)
    expect(await first(t)).toMatchObject({ version: 'v1.0.0', state: 'unhealthy', seenAt: expect.any(String) })
    host.down = true
    await probeFleet(t.desk, 'user-service')
    expect(await first(t)).toMatchObject({
      version: 'v1.0.0',
      state: 'unreachable',
      why: expect.stringMatching(/bj-1/),
    })
    host.down = false
    host.version = undefined
    await probeFleet(t.desk)
    expect(await first(t)).toMatchObject({ version: null, state: 'absent' })
  })

  test('500 hosts are asked 32 at a time, once for all who ask meanwhile', async () => {
    const t = await world(500)
    const probe = t.target.probe.bind(t.target)
    let now = 0
    let most = 0
    let calls = 0
    t.target.probe = async (host, recipe) => {
      calls++
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
      return probe(host, recipe)
    }
    await Promise.all([probeFleet(t.desk), probeFleet(t.desk, 'user-service'), probeFleet(t.desk)])
    expect(calls).toBe(500)
    expect(most).toBe(32)
    const seen = await fleet(t.desk)
    expect(seen.filter(({ services }) => services[0]?.version === 'v1.0.0')).toHaveLength(500)
    await probeFleet(t.desk)
    expect(calls).toBe(1000)
  })

  test('an older sighting never replaces a newer one', async () => {
    const t = await world()
    const host = t.desk.hosts[0]
    if (host === undefined) throw new Error('no host')
    const facts = { ...(await t.desk.target.probe('bj-1', {} as never)), version: 'v2.0.0' }
    await noteSightings(t.desk, 'user-service', [{ host, facts }])
    t.clock.aheadMs = -60_000
    await noteSightings(t.desk, 'user-service', [{ host, facts: { ...facts, version: 'v1.0.0' } }])
    expect(await first(t)).toMatchObject({ version: 'v2.0.0' })
  })

  test('two writers at the same time leave one of their sightings whole', async () => {
    const t = await world()
    const host = t.desk.hosts[0]
    if (host === undefined) throw new Error('no host')
    const facts = await t.desk.target.probe('bj-1', {} as never)
    const probes = ['v1.0.0', 'v2.0.0', 'v3.0.0'].map((version) => ({ host, facts: { ...facts, version } }))
    await Promise.all(probes.map((probe) => noteSightings(t.desk, 'user-service', [probe])))
    expect((await t.desk.store.find('sightings')).length).toBe(1)
    expect((await first(t))?.version).toMatch(/^v[123]\.0\.0$/)
  })

  test('an unknown service is refused with the nearest', async () => {
    const t = await world()
    await expect(fleet(t.desk, 'usr-service')).rejects.toMatchObject({ code: 'release.unknown-service' })
    await expect(probeFleet(t.desk, 'usr-service')).rejects.toMatchObject({ code: 'release.unknown-service' })
  })
})

describe('releases and probes together', () => {
  const hours = (n: number) => new Date(Date.now() + n * 3_600_000).toISOString()
  const over = (more: Partial<Release>): Release =>
    aRelease({
      id: 'R-1',
      startedAt: hours(-3),
      endedAt: hours(-1),
      state: { at: 'done', when: hours(-1) },
      hosts: { 'bj-1': { at: 'healthy', version: 'v1.1.0', before: 'v1.0.0', attempt: 1, deployedAt: hours(-2) } },
      ...more,
    })

  test('without a probe, a host runs what the last release has left there', async () => {
    const t = await world()
    await add(t, over({}))
    expect(await first(t)).toEqual({
      service: 'user-service',
      version: 'v1.1.0',
      state: 'running',
      seenAt: expect.any(String),
    })
  })

  test('a probe after it wins', async () => {
    const t = await world()
    await add(t, over({}))
    await probeFleet(t.desk)
    expect(await first(t)).toMatchObject({ version: 'v1.0.0' })
  })

  test('a release that left the host alone says nothing about it', async () => {
    const t = await world()
    await add(t, over({}))
    const pending = { at: 'pending' as const, version: 'v1.0.0', before: 'v1.0.0', attempt: 0 }
    await add(
      t,
      over({ id: 'R-2', state: { at: 'aborted', why: 'x', by: 'bob', when: hours(0) }, hosts: { 'bj-1': pending } }),
    )
    expect(await first(t)).toMatchObject({ version: 'v1.1.0' })
  })

  test.each([
    ['rolled back', 'v1.0.0', { version: 'v1.0.0', state: 'running' }],
    ['rolled back', null, { version: null, state: 'absent' }],
    ['failed', 'v1.1.0', { version: 'v1.1.0', state: 'failed', why: 'exit code 3' }],
    ['unreachable', undefined, { state: 'unreachable', why: 'exit code 3' }],
    ['deploying', 'v1.0.0', { version: 'v1.0.0', state: 'deploying', release: 'R-1' }],
  ] as const)('a host that is %s with %s', async (at, version, expected) => {
    const t = await world()
    const running = at === 'deploying'
    await probeFleet(t.desk)
    t.clock.aheadMs = 60_000
    const later = new Date(Date.now() + 30_000).toISOString()
    await add(
      t,
      over({
        ...(running ? aRelease({ id: 'R-1' }) : { endedAt: later }),
        hosts: { 'bj-1': { at, version, before: 'v1.0.0', why: running ? undefined : 'exit code 3', attempt: 1 } },
      }),
    )
    expect(await first(t)).toMatchObject(expected)
  })

  test('a host that waits its turn runs what it ran, and is not being changed yet', async () => {
    const t = await world()
    await probeFleet(t.desk)
    const pending = { at: 'pending' as const, version: 'v1.0.0', before: 'v1.0.0', attempt: 0 }
    await add(t, aRelease({ id: 'R-1', hosts: { 'bj-1': pending } }))
    expect(await first(t)).toMatchObject({ version: 'v1.0.0', state: 'running' })
    expect(await first(t)).not.toHaveProperty('release')
  })
})
