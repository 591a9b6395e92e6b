import { describe, expect, test } from 'vitest'
import { hasGrown } from '../../src/incident/growth.ts'
import { recoveryTimes } from '../../src/incident/recovery.ts'
import { commonLabels, severityOf, tallied } from '../../src/incident/tally.ts'
import { aRelease } from '../fakes/release.ts'
import { alertsConfig, anAlert, anEpisode, anIncident, T0 } from './thread-kit.ts'

const config = alertsConfig()
const now = new Date('2026-01-01T01:00:00.000Z')
const later = '2026-01-01T00:05:00.000Z'
const tally = (episodes = [anEpisode()], incident = anIncident()) =>
  tallied(incident, { episodes, config, hosts: ['bj-1'], service: 'user-service', now })

describe('an incident is what its alerts make of it', () => {
  test('begins with the earliest of them, and has the worst severity that fires', () => {
    const worse = anEpisode({ fingerprint: 'b', startsAt: later })
    const milder = anEpisode({ labels: { alertname: 'Slow', severity: 'warning' } })
    expect(tally([worse, milder])).toMatchObject({
      since: T0,
      severity: 'critical',
      title: '2 alerts',
      firing: 2,
      turn: 0,
    })
    const over = { ...worse, alert: { ...worse.alert, status: 'resolved' as const, endsAt: later } }
    expect(tally([over, milder])).toMatchObject({ severity: 'warning', title: 'Slow', firing: 1, resolved: 1 })
  })

  test('is resolved with the last of them, at the end that the source says, and never in the future', () => {
    const end = (endsAt: string) => anEpisode({ status: 'resolved', endsAt })
    expect(tally([end(later)])).toMatchObject({ state: { at: 'resolved', when: later }, turn: 1 })
    expect(tally([end('2026-02-01T00:00:00.000Z')]).state).toEqual({ at: 'resolved', when: now.toISOString() })
    const done = tally([end(later)])
    expect(tally([end(later)], done)).toEqual(done)
    expect(tally([end(later), anEpisode({ fingerprint: 'b' })], done)).toMatchObject({
      state: { at: 'firing' },
      turn: 2,
    })
  })

  test('an acknowledgement lapses when it gets worse than what was acknowledged, and only while it fires', () => {
    const acknowledged = { by: 'bob', when: T0, severity: 'warning' as const }
    const incident = anIncident({ severity: 'warning', acknowledged, level: 2, levels: { warning: 2, critical: 1 } })
    const worse = tally([anEpisode()], incident)
    expect(worse).toMatchObject({ lapsed: acknowledged, levels: { warning: 2 }, level: 0, turn: 1 })
    expect(worse.acknowledged).toBeUndefined()
    expect(tally([anEpisode()], worse)).toEqual(worse)
    const over = tally([anEpisode({ status: 'resolved', endsAt: later })], incident)
    expect(over).toMatchObject({ severity: 'critical', acknowledged, turn: 1 })
    const same = anIncident({ acknowledged: { ...acknowledged, severity: 'critical' } })
    expect(tally([anEpisode(), anEpisode({ fingerprint: 'b' })], same).acknowledged).toEqual(same.acknowledged)
  })

  test('names its services where there are several', () => {
    const of = (services: string[], before = anIncident()) =>
      tallied(before, { episodes: [anEpisode()], config, hosts: [], service: 'a', services, now })
    expect(of(['b', 'a'])).toMatchObject({ service: 'a', services: ['b', 'a'] })
    expect(of(['a'], of(['b', 'a'])).services).toBeUndefined()
  })

  test('stays as it is while it has none', () => {
    expect(tally([])).toEqual(anIncident())
  })

  test.each([
    ['page', {}, 'critical'],
    ['CRITICAL', {}, 'critical'],
    ['none', {}, 'info'],
    ['strange', {}, 'warning'],
    [undefined, {}, 'warning'],
    [undefined, { isEmergent: true }, 'critical'],
  ])('severity %s counts as %s', (severity, more, expected) => {
    const callback = {
      key: 'k',
      desc: '',
      needHandle: true,
      isEmergent: false,
      repoAddress: '',
      tag: '',
      severity: '',
      ...more,
    }
    const labels: Record<string, string> = severity === undefined ? {} : { severity }
    expect(severityOf(config, anAlert({ labels, callback }))).toBe(expected)
  })

  test('labels in common are equal everywhere and not empty', () => {
    const one = anAlert({ labels: { a: '1', b: '2', empty: '' } })
    expect(commonLabels([one, anAlert({ labels: { a: '1', b: '3', empty: '' } })])).toEqual({ a: '1' })
    expect(commonLabels([])).toEqual({})
  })
})

test.each([
  [1, 9, false],
  [1, 10, true],
  [100, 150, false],
  [100, 151, true],
  [0, 0, false],
  [20, 15, false],
])('a group of %d that has become %d: worth a line %s', (before, after, expected) => {
  expect(hasGrown(before, after)).toBe(expected)
})

test.each([
  [[600, 900], { everyMs: 60_000, mostMs: 2_700_000 }],
  [[14, 8], { everyMs: 3500, mostMs: 42_000 }],
  [[0.04], { everyMs: 250, mostMs: 5000 }],
  [[43_200], { everyMs: 60_000, mostMs: 3_600_000 }],
])('with windows of %j s a rollback is watched as long as fits', (windows, expected) => {
  const batches = windows.map((windowSeconds, n) => ({ id: n + 1, hosts: [], windowSeconds, atOnce: 1 }))
  expect(recoveryTimes({ ...aRelease().plan!, batches })).toEqual(expected)
})
