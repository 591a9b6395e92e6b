import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { personSchema } from '../../src/access/config.ts'
import {
  type Check,
  type DoctorDeps,
  doctorExitCode,
  type Patient,
  renderDoctor,
  runDoctor,
} from '../../src/entry/doctor.ts'
import { loadKnowledge } from '../../src/knowledge/knowledge.ts'
import { Fault } from '../../src/lib/fault.ts'
import type { Json, Row } from '../../src/ports/store.ts'
import type { HostFacts } from '../../src/ports/target.ts'
import { serviceSchema } from '../../src/release/config.ts'

const url = 'http://a.test/user-service-{version}.tar.gz'
const service = serviceSchema.parse({
  name: 'user-service',
  artifact: { url, checksum: { sha256Url: url } },
  recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { command: ['bin/health'] } },
  hosts: { labels: { tier: 'web' } },
})
const host = (id: string, labels: Record<string, string> = { tier: 'web' }) => ({ id, ip: '10.0.0.1', labels })
const facts: HostFacts = {
  host: 'web-1',
  version: 'v1.0.0',
  versions: ['v1.0.0'],
  state: 'running',
  freeDiskMb: 12_300,
  load1: 0.1,
  cpus: 2,
  missing: [],
  epoch: 3,
  bootId: 'b',
  clockSkewSeconds: 0.2,
}

function memory() {
  const rows = new Map<string, Row>()
  let closed = 0
  const open = async () => ({
    get: async (_collection: string, id: string) => rows.get(id),
    insert: async (_collection: string, id: string, document: Json) => {
      rows.set(id, { id, version: 1, document })
      return true
    },
    put: async (_collection: string, id: string, document: Json, version: number) => {
      rows.set(id, { id, version: version + 1, document })
      return version + 1
    },
    close: async () => {
      closed++
    },
  })
  return { rows, open, closed: () => closed }
}

function deps(part: Partial<Patient> = {}, rest: Partial<DoctorDeps> = {}): DoctorDeps {
  const patient: Patient = {
    services: [service],
    hosts: [host('web-1')],
    people: z.array(personSchema).parse([
      { id: 'alice', roles: ['operator'], surfaces: { terminal: 'a' } },
      { id: 'bob', roles: ['approver'], surfaces: { terminal: 'b' } },
    ]),
    target: { probe: async (id) => ({ ...facts, host: id }), leave: async () => undefined },
    prometheus: { url: 'http://p:9090', answers: async () => undefined, find: async () => ['CPU', 'Latency'] },
    store: { name: '.rollcall', open: memory().open, freeMb: async () => 50_000 },
    knowledge: { folder: 'knowledge', load: async () => ({ entries: [entry], problems: [] }) },
    fetch: async () => new Response(null, { status: 404 }),
    ...part,
  }
  return { source: 'rollcall.yaml', problems: [], warnings: [], patient, clock: () => new Date(0), ...rest }
}
const entry = {
  title: 't',
  service: [],
  tags: ['any'],
  type: 'x',
  signals: [],
  mitigation: 'restart',
  weight: 1,
  source: 'k',
  text: '',
}
const of = (checks: Check[], area: Check['area']) => checks.filter((check) => check.area === area)

describe('runDoctor', () => {
  test('finds a healthy fleet healthy', async () => {
    const checks = await runDoctor(deps())
    expect(checks.map(({ area, status }) => `${area} ${status}`)).toEqual([
      'config ok',
      'host ok',
      'prometheus ok',
      'prometheus ok',
      'store ok',
      'artifacts ok',
      'knowledge ok',
      'people ok',
    ])
    expect(of(checks, 'host')[0]?.say).toBe('user-service v1.0.0 (running, epoch 3); 12.3 GB free')
    expect(doctorExitCode(checks)).toBe(0)
  })

  test('one bad host hides no other, and each failure has its remedy', async () => {
    const bad: Record<string, () => Promise<HostFacts>> = {
      a: async () => {
        throw new Fault('target.host-key-changed', { say: 'a has another key', next: 'rollcall enroll --replace a' })
      },
      b: async () => ({ ...facts, missing: ['flock', 'curl or wget'] }),
      c: async () => ({ ...facts, freeDiskMb: 50, clockSkewSeconds: -120 }),
      d: () => new Promise(() => undefined),
      e: async () => ({ ...facts, freeDiskMb: 900 }),
    }
    const hosts = [...Object.keys(bad), 'good'].map((id) => host(id))
    const probe = async (id: string) => (bad[id] ?? (async () => facts))()
    const checks = await runDoctor(
      deps({ hosts, target: { probe, leave: async () => undefined } }, { limitMs: 50, atOnce: 2 }),
    )
    expect(of(checks, 'host').map(({ subject, status, say, remedy }) => [subject, status, say, remedy])).toEqual([
      ['a', 'fail', 'a has another key', 'rollcall enroll --replace a'],
      ['b', 'fail', 'lacks flock, curl or wget', 'install flock, curl or wget on b'],
      ['c', 'fail', 'has 50 MB of disk free', expect.stringContaining('free some disk')],
      ['c', 'warn', 'its clock is -120 s off', expect.stringContaining('set the clock')],
      ['d', 'fail', 'd gave no answer within 50 ms', expect.stringContaining('reachable')],
      ['e', 'warn', 'has 900 MB of disk free', expect.stringContaining('free some disk')],
      ['good', 'ok', expect.stringContaining('v1.0.0'), ''],
    ])
    expect(doctorExitCode(checks)).toBe(1)
  })

  test('a deploy root that may not be written to is a failure, told once per service, with whose it must be', async () => {
    const probe = async (id: string) => ({ ...facts, host: id, unwritable: '/opt' })
    const target = { probe, leave: async () => undefined }
    const checks = await runDoctor(deps({ hosts: [{ ...host('web-1'), user: 'deploy' }, host('spare', {})], target }))
    expect(of(checks, 'host').map(({ subject, status, say, remedy }) => [subject, status, say, remedy])).toEqual([
      [
        'web-1',
        'fail',
        'deploy may not write to /opt',
        'on web-1, let deploy own /opt/releases/user-service, and what is in it',
      ],
      ['spare', 'warn', expect.stringContaining('no service'), expect.any(String)],
    ])
    expect(doctorExitCode(checks)).toBe(1)
  })

  test('a knowledge folder that is not there is told once, with what to do about the folder', async () => {
    const folder = join(tmpdir(), 'no-such-knowledge')
    const checks = await runDoctor(deps({ knowledge: { folder, load: () => loadKnowledge(folder) } }))
    expect(of(checks, 'knowledge')).toEqual([
      {
        area: 'knowledge',
        subject: folder,
        status: 'warn',
        say: expect.stringMatching(/^cannot be read: ENOENT.*: no risks will be predicted$/),
        remedy: expect.stringMatching(/^create it, or correct knowledge in rollcall\.yaml/),
      },
    ])
  })

  test('probes no more hosts at once than it is told, and each service of a host', async () => {
    let [now, most] = [0, 0]
    const probed: string[] = []
    const probe = async (id: string, recipe: { service: string }) => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
      probed.push(`${id} ${recipe.service}`)
      return facts
    }
    const other = serviceSchema.parse({
      ...service,
      name: 'other',
      artifact: { url, checksum: { sha256Url: url } },
      recipe: { systemd: { unit: 'o' }, health: { command: ['h'] } },
      policy: {},
      hosts: { ids: ['h0'] },
    })
    const hosts = Array.from({ length: 20 }, (_, i) => host(`h${i}`))
    await runDoctor(
      deps({ hosts, services: [service, other], target: { probe, leave: async () => undefined } }, { atOnce: 3 }),
    )
    expect(most).toBe(3)
    expect(probed).toHaveLength(21)
    expect(probed).toContain('h0 other')
  })

  test('a host without a service is reached too', async () => {
    const checks = await runDoctor(deps({ hosts: [host('web-1'), host('spare', {})] }))
    expect(of(checks, 'host')[1]).toMatchObject({
      subject: 'spare',
      status: 'warn',
      say: expect.stringContaining('no service'),
    })
  })

  test('problems of the configuration end it there, and fail', async () => {
    const problem = { path: 'hosts[2].key', say: 'no such file', remedy: 'create it' }
    const checks = await runDoctor({ source: 'x', problems: [problem], warnings: [], clock: () => new Date(0) })
    expect(checks).toEqual([
      { area: 'config', subject: 'hosts[2].key', status: 'fail', say: 'no such file', remedy: 'create it' },
    ])
    expect(doctorExitCode(checks)).toBe(1)
  })

  test('warnings of the configuration do not fail', async () => {
    const checks = await runDoctor(deps({}, { warnings: [{ path: 'a', say: 'b', remedy: 'c' }] }))
    expect(of(checks, 'config').map((check) => check.status)).toEqual(['ok', 'warn'])
    expect(doctorExitCode(checks)).toBe(0)
  })

  test('Prometheus: none, none that answers, no series, and one service that cannot be asked for', async () => {
    const at = async (prometheus: Patient['prometheus'], services = [service]) =>
      of(await runDoctor(deps({ prometheus, services })), 'prometheus').map(
        ({ subject, status }) => `${subject} ${status}`,
      )
    const down = async () => {
      throw new Fault('metrics.unreachable', { say: 'no answer', next: 'start it' })
    }
    const good = { url: 'http://p', answers: async () => undefined, find: async () => ['CPU'] }
    expect(await at(undefined)).toEqual(['prometheus warn'])
    expect(await at({ ...good, answers: down })).toEqual(['http://p fail'])
    expect(await at({ ...good, find: async () => [] })).toEqual(['http://p ok', 'user-service warn'])
    const two = [service, { ...service, name: 'b' }]
    const find = async ({ name }: { name: string }) => (name === 'b' ? down() : ['CPU'])
    expect(await at({ ...good, find }, two)).toEqual(['http://p ok', 'user-service ok', 'b fail'])
  })

  test('the store is opened, written and closed again, each time anew', async () => {
    const store = memory()
    const at = { name: '.rollcall', open: store.open, freeMb: async () => 50_000 }
    for (const _ of [1, 2]) expect(of(await runDoctor(deps({ store: at })), 'store')).toMatchObject([{ status: 'ok' }])
    expect([...store.rows.values()]).toMatchObject([{ version: 2, document: { at: '1970-01-01T00:00:00.000Z' } }])
    expect(store.closed()).toBe(2)
  })

  test('a store in use is no failure, one that cannot be opened or has no disk is', async () => {
    const opening = (code: string) => async () => {
      throw new Fault(code, { say: 'cannot', next: 'do this' })
    }
    const at = async (part: object) =>
      of(
        await runDoctor(deps({ store: { name: 's', open: memory().open, freeMb: async () => 50_000, ...part } })),
        'store',
      ).map(({ status }) => status)
    expect(await at({ open: opening('store.in-use') })).toEqual(['warn'])
    expect(await at({ open: opening('store.unavailable') })).toEqual(['fail'])
    expect(await at({ freeMb: async () => 10 })).toEqual(['fail', 'ok'])
    expect(await at({ freeMb: async () => 500 })).toEqual(['warn', 'ok'])
  })

  test('artifacts, knowledge and people are looked at', async () => {
    const asked: string[] = []
    const checks = await runDoctor(
      deps({
        fetch: async (input) => {
          asked.push(String(input))
          throw new TypeError('fetch failed')
        },
        knowledge: { folder: 'k', load: async () => ({ entries: [], problems: [{ path: 'k/a.md', say: 'broken' }] }) },
        people: z.array(personSchema).parse([
          { id: 'root', roles: ['admin'], surfaces: { terminal: 'r' } },
          { id: 'mute', roles: ['approver'] },
        ]),
      }),
    )
    expect(asked).toEqual(['http://a.test'])
    expect(of(checks, 'artifacts')).toMatchObject([{ status: 'fail', say: 'http://a.test does not answer from here' }])
    expect(of(checks, 'knowledge')).toMatchObject([
      { subject: 'k/a.md', status: 'warn' },
      { subject: 'k', status: 'warn' },
    ])
    // An approver without an id on any surface cannot press.
    expect(of(checks, 'people')).toMatchObject([
      { status: 'fail', say: expect.stringContaining('root requests can never be approved') },
    ])
    const nobody = await runDoctor(deps({ people: [] }))
    expect(of(nobody, 'people')).toMatchObject([{ status: 'fail', say: 'nobody may request a release' }])
  })
})

test('renderDoctor shows every check, its remedy and the sum', async () => {
  const checks = await runDoctor(
    deps({ target: { probe: async () => ({ ...facts, missing: ['tar'] }), leave: async () => undefined } }),
  )
  const plain = renderDoctor(checks, false)
  expect(plain).toContain('install tar on web-1')
  expect(plain).toContain('7 ok, 0 to look at, 1 failed.')
  expect(plain).not.toContain('\u001b[')
  expect(renderDoctor(checks, true)).toContain('\u001b[31m')
})
