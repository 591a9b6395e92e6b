import { describe, expect, test } from 'vitest'
import type { FoundArtifact } from '../../src/ports/artifacts.ts'
import type { HostFacts } from '../../src/ports/target.ts'
import { checkVersions, type Probe, versionCheckStep } from '../../src/release/version-check.ts'
import { aService } from '../fakes/service.ts'

const artifact: FoundArtifact = {
  url: 'http://a/x',
  algorithm: 'sha256',
  digest: 'a'.repeat(64),
  delivery: 'host',
  sizeBytes: 10_000_000,
}

const up = (id: string, more: Partial<HostFacts> = {}): Probe => ({
  host: { id, ip: '10.0.0.1', region: 'bj', labels: {} },
  facts: {
    host: id,
    version: 'v1.0.0',
    versions: ['v1.0.0'],
    state: 'running',
    freeDiskMb: 5000,
    load1: 0,
    cpus: 1,
    missing: [],
    epoch: 0,
    bootId: 'b',
    clockSkewSeconds: 0,
    ...more,
  },
})
const down = (id: string): Probe => ({
  host: { id, ip: '10.0.0.9', region: 'bj', labels: {} },
  fault: { code: 'target.unreachable', say: `${id} did not answer.`, next: 'check it', retry: true, data: {} },
})
const check = (
  probes: Probe[],
  more: Partial<Parameters<typeof checkVersions>[0]> = {},
  policy: Record<string, unknown> = {},
) => checkVersions({ service: aService(policy), candidate: 'v1.1.0', probes, artifact, overrideFreeze: false, ...more })

describe('checkVersions finds', () => {
  const frozen = { reason: 'year end', until: new Date('2026-12-31T00:00:00Z') }
  test.each([
    ['the version is there already', [up('a', { version: 'v1.1.0' })], {}, /^The only host runs v1\.1\.0 already\.$/],
    [
      'the version is on each of several hosts already',
      ['a', 'b', 'c'].map((id) => up(id, { version: 'v1.1.0' })),
      {},
      /^All 3 hosts run v1\.1\.0 already\.$/,
    ],
    ['a downgrade', [up('a', { version: 'v2.0.0', versions: ['v2.0.0'] })], {}, /v1\.1\.0 is older than v2\.0\.0/],
    ['another release in progress', [up('a')], { inProgress: 'R-7' }, /R-7 of user-service is in progress/],
    ['a host that is down', [up('a'), down('b')], {}, /1 of 2 hosts cannot be used: b: b did not answer/],
    [
      'a missing package',
      [up('a')],
      { artifact: { code: 'artifact.missing', say: 'No package.', next: '', retry: false, data: {} } },
      /No package/,
    ],
    ['a freeze window', [up('a')], { frozen }, /frozen until 2026-12-31.*year end/],
    ['too little disk', [up('a', { freeDiskMb: 60 })], {}, /a has 60 MB free where 90 MB are needed/],
    [
      'a deploy root that may not be written to',
      [up('a', { unwritable: '/opt' })],
      {},
      /a does not let Rollcall write to \/opt\./,
    ],
    ['programs that are missing on a host', [up('a', { missing: ['flock'] })], {}, /a lacks flock/],
    ['nothing to roll back to', [up('a', { versions: [] })], {}, /nothing to roll back to/],
    ['no hosts at all', [], {}, /has no hosts/],
  ])('%s', (_name, probes, more, words) => {
    const found = check(probes as Probe[], more)
    expect(found.conflicts.map((conflict) => conflict.say).join(' ')).toMatch(words)
  })

  test('all conflicts at once, not the first only', () => {
    const found = check([up('a', { missing: ['tar'] }), down('b')], { inProgress: 'R-7', frozen })
    expect(found.conflicts).toHaveLength(4)
  })
})

describe('checkVersions lets pass, with a warning,', () => {
  test('hosts that run the candidate already: they are left out', () => {
    const found = check([up('a', { version: 'v1.1.0', versions: ['v1.1.0', 'v1.0.0'] }), up('b')])
    expect(found.conflicts).toEqual([])
    expect(found.targets.map(({ host }) => host.id)).toEqual(['b'])
    expect(found.warnings).toEqual(['a runs v1.1.0 already and will not be touched'])
  })

  test('a host that has the candidate but does not run well: it is deployed to again', () => {
    expect(check([up('a', { version: 'v1.1.0', versions: ['v1.1.0'], state: 'stopped' })]).targets).toHaveLength(1)
  })

  test('a down host within the budget: it is left out', () => {
    const found = check([up('a'), down('b')], {}, { failureBudget: { failed: 0, unreachable: 1 } })
    expect(found.conflicts).toEqual([])
    expect(found.targets.map(({ host }) => host.id)).toEqual(['a'])
  })

  test('a downgrade that the policy allows, a first release, a frozen time with an override', () => {
    expect(
      check([up('a', { version: 'v2.0.0', versions: ['v2.0.0'] })], {}, { allowDowngrade: true }).conflicts,
    ).toEqual([])
    expect(check([up('a', { version: undefined, versions: [], state: 'absent' })]).warnings[0]).toMatch(
      /takes the service away/,
    )
    expect(check([up('a')], { frozen: { reason: 'x' }, overrideFreeze: true }).conflicts).toEqual([])
  })
})

test('the step has the exact JSON of the specification', () => {
  const at = new Date('2026-01-02T03:04:05Z')
  expect(versionCheckStep('user-service', 'v1.1.0', check([up('a')]), at)).toEqual({
    step_name: 'VersionCheck',
    status: 'success',
    summary: 'No conflict detected',
    details: {
      candidate: 'v1.1.0',
      conflict_reason: '',
      current: 'v1.0.0',
      has_conflict: false,
      service: 'user-service',
    },
    timestamp: '2026-01-02T03:04:05.000Z',
  })
})
