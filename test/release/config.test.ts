import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { policySchema, selects, serviceSchema, toArtifactSource, toRecipe } from '../../src/release/config.ts'
import { sizeOf } from '../../src/release/policy-config.ts'

const url = 'http://a.test/user-service-{version}.tar.gz'
const minimal = {
  name: 'user-service',
  artifact: { url, checksum: { sha256Url: `${url}.sha256` } },
  recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { url: 'http://127.0.0.1:8080/health' } },
}
const with_ = (part: object) => serviceSchema.safeParse({ ...minimal, ...part })
const recipe = (part: object) => with_({ recipe: { ...minimal.recipe, ...part } })
const artifact = (part: object) => with_({ artifact: { ...minimal.artifact, ...part } })
const wrong = (result: ReturnType<typeof with_>) =>
  result.error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)

describe('a service', () => {
  test('needs little and becomes a recipe for the target', () => {
    expect(toRecipe(serviceSchema.parse(minimal))).toEqual({
      service: 'user-service',
      root: '/opt/releases/user-service',
      run: { by: 'commands', start: ['bin/start'], stop: ['bin/stop'] },
      health: { url: 'http://127.0.0.1:8080/health', timeoutSeconds: 60, passes: 3 },
      commandSeconds: 60,
      keep: 5,
    })
  })

  test('may be a systemd unit, checked by a command', () => {
    const service = serviceSchema.parse({
      ...minimal,
      recipe: {
        root: '/srv/u',
        systemd: { unit: 'user@1.service', sudo: true },
        health: { command: ['bin/health'], timeout: '1500ms', passes: 1 },
        keep: 2,
      },
    })
    expect(toRecipe(service)).toMatchObject({
      root: '/srv/u',
      run: { by: 'systemd', unit: 'user@1.service', sudo: true },
      health: { command: ['bin/health'], timeoutSeconds: 2, passes: 1 },
      keep: 2,
    })
  })

  test.each([
    [{ sha256Url: url }, { by: 'url', url, algorithm: 'sha256' }],
    [{ md5Url: url }, { by: 'url', url, algorithm: 'md5' }],
    [{ file: '/etc/SHA256SUMS' }, { by: 'file', path: '/etc/SHA256SUMS', algorithm: 'sha256' }],
    [
      { file: '/etc/MD5SUMS', algorithm: 'md5' },
      { by: 'file', path: '/etc/MD5SUMS', algorithm: 'md5' },
    ],
    [{ file: 'http://a.test/SHA256SUMS' }, { by: 'url', url: 'http://a.test/SHA256SUMS', algorithm: 'sha256' }],
  ])('checksum %j', (checksum, source) => {
    const service = artifact({ checksum }).data
    expect(service && toArtifactSource(service)).toEqual({ url, delivery: 'host', checksum: source })
  })
})

describe('a service is refused', () => {
  test.each(['', 'User', '-x', 'a_b', 'a/b', '../x', 'a;b', 'a'.repeat(64)])('with the name %j', (name) => {
    expect(with_({ name }).success).toBe(false)
  })

  test.each([
    ['ftp://a/{version}', 'is not an http or https URL'],
    ['not a url {version}', 'is not an http or https URL'],
    ['http://a/x.tar.gz', 'has no {version}'],
    ['http://{version}.a/x', 'has {version} in the server part'],
    ['http://user:pw@a/{version}', 'holds a user or password'],
    ['http://a/{version}/{arch}', 'has {arch}, which means nothing here'],
  ])('with the artifact URL %s', (bad, message) => {
    expect(wrong(artifact({ url: bad }))).toEqual([`artifact.url: ${message}`])
  })

  test.each([
    [{}, 'needs exactly one'],
    [{ sha256Url: url, md5Url: url }, 'needs exactly one'],
    [{ sha256Url: url, algorithm: 'md5' }, 'algorithm without a file'],
    [{ file: 'http://u:p@a/SUMS' }, 'user or password'],
  ])('with the checksum %j', (checksum, message) => {
    expect(wrong(artifact({ checksum }))).toEqual([expect.stringContaining(message)])
  })

  test.each([
    [{ health: {} }, 'recipe.health: has neither url nor command'],
    [{ health: { url: 'http://127.0.0.1/', command: ['x'] } }, 'recipe.health: has both url and command'],
    [{ health: { url: 'file:///etc/passwd' } }, 'recipe.health.url: is not an http or https URL'],
    [{ stop: undefined }, 'recipe: does not say how the service is started and stopped'],
    [{ systemd: { unit: 'x' } }, 'recipe: has a systemd unit and commands as well'],
    [{ start: 'bin/start --now' }, expect.stringContaining('recipe.start: expected a list of words')],
    [{ start: ['-rf'] }, 'recipe.start: must begin with the name of a program'],
    [{ start: [] }, 'recipe.start: give the program and its arguments as a list'],
    [{ start: ['a\0b'] }, 'recipe.start.0: holds a NUL'],
    [{ root: 'opt/x' }, expect.stringContaining('recipe.root: must be an absolute folder')],
    [{ root: '/opt/../etc' }, 'recipe.root: must not contain . or ..'],
    [{ root: '/usr' }, 'recipe.root: is a folder of the system'],
    [{ root: '/' }, expect.stringContaining('recipe.root')],
    [{ root: '/opt/x;y' }, expect.stringContaining('recipe.root')],
    [{ keep: 1 }, expect.stringContaining('recipe.keep: keep at least 2')],
    [{ commandTimeout: '60' }, 'recipe.commandTimeout: "60" is not a duration'],
  ])('with the recipe %j', (part, message) => {
    expect(wrong(recipe(part))).toContainEqual(message)
  })

  test('with a unit that is an option or a path', () => {
    for (const unit of ['-x', '../x', 'a b', 'a;b']) {
      expect(with_({ recipe: { systemd: { unit }, health: { command: ['true'] } } }).success).toBe(false)
    }
  })
})

describe('the policy', () => {
  test('has the defaults of the design', () => {
    expect(policySchema.parse({})).toEqual({
      profile: 'standard',
      batches: ['1', '10%', '33%', '100%'],
      windows: [600_000, 600_000, 900_000, 900_000],
      minRequests: 100,
      minHealthyPercent: 66,
      gate: 'automatic',
      failureBudget: { failed: 0, unreachable: 0 },
      approvals: 1,
      approvalExpires: 1_800_000,
      interval: 15_000,
      failureLimit: 2,
      warmup: 30_000,
      freeze: [],
      freezeOverrideApprovals: 2,
      rollbackBatch: '33%',
      thresholds: {},
      allowDowngrade: false,
      freshSeconds: 60,
    })
  })

  test('strict bakes for 1 h, 12 h, then 2 to 4 h', () => {
    expect(policySchema.parse({ profile: 'strict' }).windows.map((ms) => ms / 3_600_000)).toEqual([1, 12, 2, 4])
  })

  test('windows that are left out fit the number of batches', () => {
    expect(policySchema.parse({ batches: [1, '100%'] }).windows).toEqual([600_000, 600_000])
    expect(policySchema.parse({ batches: [1, 2, 3, '10%', '20%', '100%'] }).windows).toHaveLength(6)
  })

  test.each([
    [{ batches: ['1', '50%'] }, 'batches: the last batch must be 100%'],
    [{ batches: ['33%', '10%', '100%'] }, 'batches: sizes must grow from batch to batch'],
    [{ batches: [] }, 'batches: give at least one batch'],
    [{ batches: ['0', '100%'] }, 'batches.0: "0" is not a batch size'],
    [{ batches: ['150%', '100%'] }, 'batches.0: "150%" is not a batch size'],
    [{ windows: ['10m'] }, 'windows: 1 window for 4 batches'],
    [{ approvalExpires: '0s' }, 'approvalExpires: must be longer than nothing'],
    [{ thresholds: { errorRate: '101%' } }, 'thresholds.errorRate: a share is at most 100%'],
    [{ thresholds: { memory: '2 GB' } }, 'thresholds.memory: "2 GB" is not an amount of memory'],
    [
      { freeze: [{ from: '25:00', to: '08:00', timeZone: 'UTC', reason: 'x' }] },
      'freeze.0.from: expected a time of day such as 18:00',
    ],
    [
      { freeze: [{ from: '18:00', to: '08:00', timeZone: 'Mars/Olympus', reason: 'x' }] },
      'freeze.0.timeZone: is not a time zone',
    ],
  ])('%j is refused', (policy, message) => {
    expect(
      policySchema.safeParse(policy).error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
    ).toContain(message)
  })

  test('thresholds are read with their units', () => {
    const { thresholds } = policySchema.parse({
      thresholds: { cpu: '80%', memory: '2GB', errorRate: '0.1%', latency: '250ms' },
    })
    expect(thresholds).toEqual({ cpu: 0.8, memory: 2e9, errorRate: 0.001, latency: 0.25 })
    expect(
      policySchema.parse({ thresholds: { cpu: 1.5, memory: '1GiB', errorRate: 0.02, latency: 2 } }).thresholds,
    ).toEqual({ cpu: 1.5, memory: 2 ** 30, errorRate: 0.02, latency: 2 })
  })
})

describe('sizeOf', () => {
  test('is between 1 and all, and grows with the fleet', () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 500 }).map(String),
      fc.integer({ min: 1, max: 100 }).map((n) => `${n}%`),
    )
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 1000 }), (text, total) => {
        const count = sizeOf(text, total)
        expect(count).toBeGreaterThanOrEqual(1)
        expect(count).toBeLessThanOrEqual(total)
        expect(sizeOf(text, total + 1)).toBeGreaterThanOrEqual(count)
      }),
    )
    expect([sizeOf('10%', 6), sizeOf('33%', 10), sizeOf('100%', 7), sizeOf('3', 2)]).toEqual([1, 3, 7, 2])
  })
})

describe('selects', () => {
  const host = { id: 'sh-1', region: 'shanghai', labels: { tier: 'web', arch: 'x64' } }
  test.each([
    [{}, true],
    [{ ids: ['sh-1', 'sh-2'] }, true],
    [{ ids: ['sh-2'] }, false],
    [{ regions: ['shanghai'] }, true],
    [{ regions: ['beijing'] }, false],
    [{ labels: { tier: 'web' } }, true],
    [{ labels: { tier: 'web', arch: 'arm' } }, false],
    [{ ids: ['sh-1'], regions: ['beijing'] }, false],
  ])('%j: %s', (selector, yes) => expect(selects(selector, host)).toBe(yes))
})
