import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Frame } from '../../../src/adapters/ssh/frames.ts'
import {
  agentScript,
  bootstrap,
  checkJob,
  checkRecipe,
  deployArgs,
  deployDigest,
  deployScript,
  encodeKey,
  parseFacts,
  program,
  runArgs,
} from '../../../src/adapters/ssh/protocol.ts'
import type { Job, JobKey, Recipe } from '../../../src/ports/target.ts'

const recipe: Recipe = {
  service: 'svc',
  root: '/opt/svc',
  run: { by: 'commands', start: ['./start', 'it\'s "x"'], stop: ['./stop'] },
  health: { url: 'http://127.0.0.1:1/', timeoutSeconds: 3, passes: 2 },
  commandSeconds: 10,
  keep: 3,
}
const job: Job = {
  key: { release: 'r1', host: 'web-1', step: 'deploy', attempt: 1 },
  kind: 'deploy',
  version: 'v1',
  artifact: { url: 'http://a/b', algorithm: 'sha256', digest: 'a'.repeat(64), delivery: 'upload' },
  recipe,
  epoch: 4,
  scriptDigest: deployDigest,
  by: 'alice',
  timeoutSeconds: 60,
}

describe('the key of a job as a folder name', () => {
  const part = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: fc.constantFrom('-', '.', '_', 'a', '2', 'd', '/', 'é', '\0', ' '), maxLength: 8 }),
  )
  const keys = fc.record({ release: part, host: part, step: part, attempt: fc.nat(20) })

  test('is made of safe characters, and never an option or a hidden file', () => {
    fc.assert(
      fc.property(keys, (key) => {
        const name = encodeKey(key)
        expect(name).toMatch(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/)
        expect(name.length).toBeLessThanOrEqual(200)
      }),
    )
  })

  test('is another for another key', () => {
    fc.assert(
      fc.property(keys, keys, (one, two) => {
        const same = JSON.stringify(one) === JSON.stringify(two)
        expect(encodeKey(one) === encodeKey(two)).toBe(same)
      }),
      { numRuns: 2000 },
    )
  })

  test('the parts cannot run into each other', () => {
    const key = (release: string, host: string): JobKey => ({ release, host, step: 'x', attempt: 1 })
    const names = [
      ['a', 'b'],
      ['a-', 'b'],
      ['a', '-b'],
      ['a--b', 'c'],
      ['a', 'b--c'],
      ['a_2d', 'b'],
      ['a--', 'b'],
      ['', 'a'],
      ['a', ''],
    ].map(([release, host]) => encodeKey(key(release!, host!)))
    expect(new Set(names).size).toBe(names.length)
  })

  test('is readable when it can be, and fits a file name when it cannot', () => {
    expect(encodeKey(job.key)).toBe('r1--web-1--deploy--1')
    const long = (tail: string) => encodeKey({ ...job.key, release: `${'r'.repeat(500)}${tail}` })
    expect(long('a').length).toBeLessThanOrEqual(200)
    expect(long('a')).not.toBe(long('b'))
  })
})

describe('what is sent', () => {
  test('one fixed command that every login shell can read', () => {
    expect(bootstrap).toMatch(/^'sh' '-c' '[^'!\\\n]+'$/)
  })

  test('the bootstrap takes exactly its bytes from stdin and leaves the rest', () => {
    const text = program('nothing', 'n', '/nowhere', ['ü', '', "it's", 'a\nb'])
    const length = Number(text.subarray(0, text.indexOf(10)).toString())
    expect(text.length).toBe(text.indexOf(10) + 1 + length)
    const script = 'printf "%s|" "$@"; cat'
    const inner = Buffer.from(`eval 'set -- x y'; ${script}`)
    const input = Buffer.concat([Buffer.from(`${inner.length}\n`), inner, Buffer.from('the rest\0')])
    expect(execFileSync('sh', ['-c', bootstrap], { input }).toString()).toBe('x|y|the rest\0')
  })

  test('a program that is not whole is not run', () => {
    const input = Buffer.from(`30\necho not whole`)
    let printed = 'nothing'
    try {
      printed = execFileSync('sh', ['-c', bootstrap], { input }).toString()
    } catch {
      printed = ''
    }
    expect(printed).toBe('')
  })

  test('the arguments of the payload arrive in the order of its head, with argv in argv', () => {
    const text = deployArgs(job, 7)
    const print = `${text}; for each in "$@"; do printf '%s\\0' "$each"; done`
    const words = execFileSync('sh', ['-c', print]).toString().split('\0').slice(0, -1)
    expect(words.splice(0, 3)).toEqual(['4', '60', expect.stringMatching(/^"at":/)])
    expect(words).toEqual([
      ...['deploy', 'svc', 'v1', '/opt/svc', '3', '10', '', ''],
      ...[`'./start' 'it'\\''s "x"'`, `'./stop'`, 'http://127.0.0.1:1/', '', '3', '2'],
      ...['upload', 'http://a/b', 'sha256', 'a'.repeat(64), '7'],
    ])
    const start = execFileSync('sh', ['-c', `printf '%s\\0' ${words[8]}`]).toString()
    expect(start).toBe('./start\0it\'s "x"\0')
  })

  test('the audit fields are one line of JSON, whoever approved', () => {
    const print = `${deployArgs({ ...job, by: 'eve"\n{"rc":0}\\' }, 0)}; printf '%s' "$3"`
    const fields = execFileSync('sh', ['-c', print]).toString()
    expect(fields).not.toContain('\n')
    expect(JSON.parse(`{${fields}}`)).toMatchObject({ key: 'r1--web-1--deploy--1', by: 'eve" {"rc":0}\\', to: 'v1' })
  })

  test('the digest is that of the deploy script, which is not the agent', () => {
    expect(deployDigest).toBe(createHash('sha256').update(deployScript).digest('hex'))
    expect(readFileSync('src/adapters/ssh/scripts/deploy.sh', 'utf8')).toBe(deployScript)
    expect(runArgs(job, 0)).toContain(deployScript)
    expect(runArgs(job, 0)).not.toContain(agentScript)
  })

  test('a job that is right passes', () => {
    expect(() => checkJob(job)).not.toThrow()
    expect(() =>
      checkRecipe({
        ...recipe,
        run: { by: 'systemd', unit: 'app@1.service', sudo: true },
        health: { timeoutSeconds: 1, passes: 1 },
      }),
    ).not.toThrow()
  })
})

describe('the facts of a host', () => {
  const good: [string, string][] = [
    ['boot', 'b0'],
    ['clock', '1000.5'],
    ['epoch', '7'],
    ['free', '2048000'],
    ['load', '0.25'],
    ['cpus', '4'],
    ['release', 'v1'],
    ['release', 'v2'],
    ['missing', 'flock'],
    ['version', 'v2'],
    ['state', 'running'],
  ]
  const frames = (facts: [string, string][]): Frame[] => facts.map(([name, value]) => ({ type: 'fact', name, value }))

  test('are parsed', () => {
    expect(parseFacts('web-1', frames(good), 990_000, 991_000)).toEqual({
      host: 'web-1',
      version: 'v2',
      versions: ['v1', 'v2'],
      state: 'running',
      freeDiskMb: 2000,
      load1: 0.25,
      cpus: 4,
      missing: ['flock'],
      epoch: 7,
      bootId: 'b0',
      clockSkewSeconds: 10,
    })
  })

  test.each([
    ['clock', 'soon'],
    ['epoch', '-1'],
    ['epoch', '1.5'],
    ['free', 'NaN'],
    ['load', '-2'],
    ['cpus', '0'],
    ['state', 'splendid'],
  ])('%s %s is refused', (name, value) => {
    const facts = good.map(([each, was]): [string, string] => (each === name ? [each, value] : [each, was]))
    expect(() => parseFacts('web-1', frames(facts), 0, 0)).toThrow()
  })

  test('one that is missing, comes twice, or comes without end is refused', () => {
    expect(() => parseFacts('web-1', frames(good.slice(1)), 0, 0)).toThrow()
    expect(() => parseFacts('web-1', frames([...good, ['version', 'v3']]), 0, 0)).toThrow()
    const many = Array.from({ length: 1001 }, (): [string, string] => ['release', 'v'])
    expect(() => parseFacts('web-1', frames([...good, ...many]), 0, 0)).toThrow()
  })
})
