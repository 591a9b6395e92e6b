import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { commands } from '../../commands/index.ts'
import { type Command, type FormContext, parseCommand, splitFlags, type Words } from '../../src/entry/command.ts'
import { formFor, lineOf } from '../../src/entry/form.ts'
import { createOffers } from '../../src/entry/form-context.ts'
import { incidentSchema } from '../../src/incident/incident.ts'
import type { Json } from '../../src/ports/store.ts'
import { createMemoryStore } from '../fakes/memory-store.ts'
import { aRelease } from '../fakes/release.ts'
import { processOn } from './reception-kit.ts'

const context: FormContext = {
  services: ['user-service', 'billing'],
  hosts: ['bj-1', 'sh-1', 'sh-2'],
  versions: { 'user-service': ['v1.1.0', 'v1.0.0', 'v0.9.0', 'v0.8.0'], billing: ['v7'] },
  incidents: ['A-17', 'A-4'],
}
const form = (text: string) => formFor(commands, text, context)
const line = (command: string, values: Record<string, string>) => lineOf(commands, command, values, context)
const values = (text: string) => {
  return form(text)?.fields.map((field) => [field.name, field.kind, 'value' in field ? field.value : undefined])
}

describe('a command that lacks words', () => {
  test('/release asks for service, version, hosts and the freeze', () => {
    expect(form('/release')).toMatchObject({
      command: 'release',
      fields: [
        { name: 'service', kind: 'choice', options: ['user-service', 'billing'], required: true },
        { name: 'version', kind: 'text', hint: 'v1.1.0, v7', required: true },
        { name: 'hosts', kind: 'choices', options: ['bj-1', 'sh-1', 'sh-2'], required: false },
        { name: 'override-freeze', kind: 'flag' },
      ],
    })
  })

  test('keeps what was typed', () => {
    expect(values('/release user-service --hosts bj-1,mars')).toEqual([
      ['service', 'choice', 'user-service'],
      ['version', 'text', undefined],
      ['hosts', 'choices', 'bj-1'],
      ['override-freeze', 'flag', undefined],
    ])
    expect(form('/release user-service')?.fields[1]).toMatchObject({ hint: 'v1.1.0, v1.0.0, v0.9.0' })
    expect(values('/alerts silence 4 30m')).toEqual([
      ['incident', 'choice', 'A-4'],
      ['time', 'text', '30m'],
      ['reason', 'text', undefined],
    ])
    expect(values('/alerts silence')?.[0]).toEqual(['incident', 'choice', 'A-17'])
    expect(values('/alerts silence A-99')?.[0]).toEqual(['incident', 'text', 'A-99'])
    expect(values('/rollback')).toEqual([['service', 'choice', undefined]])
  })

  test.each([
    '/release user-service v1.1.0',
    '/release nothing',
    '/release pause',
    '/release --nonsense',
    '/rollback user-service',
    '/alerts',
    '/alerts ack',
    '/alerts silence A-17 2h because',
    '/status',
    '/help',
    '/nothing',
    'hello',
    '',
    `/release ${'x'.repeat(3000)}`,
  ])('%j asks for nothing', (text) => expect(form(text)).toBeUndefined())
})

describe('a filled-in form', () => {
  test.each([
    ['release', { service: 'billing', version: 'v8' }, '/release billing v8'],
    [
      'release',
      { service: 'billing', version: 'v8', hosts: 'bj-1,sh-2', 'override-freeze': 'true' },
      '/release --hosts bj-1,sh-2 --override-freeze billing v8',
    ],
    ['release', { service: 'billing', version: ' v8 ', hosts: '', 'override-freeze': 'false' }, '/release billing v8'],
    ['alerts silence', { incident: 'A-17', time: '2h', reason: '--all' }, '/alerts silence -- A-17 2h --all'],
    ['rollback', { service: 'billing' }, '/rollback billing'],
    [
      'alerts silence',
      { incident: 'A-17', time: '2h', reason: 'we "know"' },
      String.raw`/alerts silence A-17 2h "we \"know\""`,
    ],
  ])('%s %j is %s', (command, filled, text) => expect(line(command, filled)).toEqual({ text }))

  test.each([
    ['release', {}, { service: /needed/, version: /needed/ }],
    ['release', { service: 'approve', version: 'R-1' }, { service: /"approve" cannot be chosen/ }],
    ['release', { service: 'billing', version: 'v8', hosts: 'bj-1,mars' }, { hosts: /"mars" cannot be chosen/ }],
    ['release', { service: 'billing', version: 'x'.repeat(101) }, { version: /longer than 100/ }],
    ['release', { service: 'billing', version: '   ' }, { version: /needed/ }],
    ['release', { service: 'billing', version: '--hosts' }, { version: /no version/ }],
    ['release', { service: 'billing', version: '../etc' }, { version: /no version/ }],
    ['alerts silence', { incident: 'A-17', time: 'soon', reason: 'known' }, { time: /no duration/ }],
    ['alerts silence', { incident: 'A-17', time: '2h', reason: 'x'.repeat(201) }, { reason: /longer than 200/ }],
  ])('%s %j says what is wrong, by field', (command, filled: Record<string, string>, wrong) => {
    const answer = line(command, filled)
    expect(answer).toEqual({
      wrong: Object.fromEntries(Object.entries(wrong).map(([name, why]) => [name, expect.stringMatching(why)])),
    })
  })

  test('of no command is nothing', () => {
    expect(line('nothing', { a: 'b' })).toEqual({ wrong: {} })
    expect(line('', {})).toEqual({ wrong: {} })
  })

  const free: Command = {
    name: 'free',
    summary: 'takes everything',
    usage: [],
    action: 'help.read',
    flags: { note: '<text>  a note', loud: ' louder' },
    form: () => ({
      command: 'free verb',
      title: 'Free',
      fields: [
        { kind: 'text', name: 'first', label: 'first', required: true, most: 300 },
        { kind: 'text', name: 'note', label: 'note', required: false, most: 300 },
        { kind: 'flag', name: 'loud', label: 'loud' },
        { kind: 'text', name: 'second', label: 'second', required: true, most: 300 },
      ],
    }),
    run: async () => ({ ok: true, text: '' }),
  }
  const nasty = fc.oneof(
    fc.string({ maxLength: 60, unit: 'binary' }),
    fc.string({
      maxLength: 40,
      unit: fc.constantFrom('"', "'", '\\', '-', '—', '“', '”', '’', ' ', '\n', '/', 'a', ',', '='),
    }),
    fc.constantFrom('--', '--loud', '--note', '—loud', '"', '\\', '\\"', "'", '/release', 'a --loud'),
  )

  test('is read back as what was filled in, and as nothing else (property)', () => {
    fc.assert(
      fc.property(nasty, nasty, nasty, fc.boolean(), (first, note, second, loud) => {
        fc.pre(first.trim() !== '' && second.trim() !== '')
        const made = lineOf([free], 'free verb', { first, note, second, loud: loud ? 'true' : '' }, context)
        if ('wrong' in made) throw new Error(JSON.stringify(made))
        const parsed = parseCommand(made.text)
        expect(parsed?.name).toBe('free')
        const expected: Words = {
          args: ['verb', first.trim(), second.trim()],
          flags: { ...(note.trim() === '' ? {} : { note: note.trim() }), ...(loud ? { loud: '' } : {}) },
        }
        expect(splitFlags(parsed?.words ?? [], free)).toEqual(expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('that makes too long a line says which field to shorten', () => {
    const long = 'x"'.repeat(149)
    const wide: Command = {
      ...free,
      form: () => ({
        command: 'free',
        title: 'Free',
        fields: ['a', 'b', 'c', 'd', 'e'].map((name) => ({
          kind: 'text',
          name,
          label: name,
          required: true,
          most: 300,
        })),
      }),
    }
    const filled = { a: long, b: long, c: `${long}x`, d: long, e: long }
    expect(lineOf([wide], 'free', filled, context)).toEqual({ wrong: { c: expect.stringContaining('too long') } })
  })
})

test('choices are read from the store, and again when something was added', async () => {
  const store = createMemoryStore()
  const { desk } = processOn(store)
  const offers = createOffers(desk)
  expect(offers.now()).toMatchObject({ services: ['user-service'], hosts: ['web-1', 'web-2'], incidents: [] })
  const release = async (n: number, candidate: string) => {
    await store.append('release-numbers', { service: 'user-service', candidate }, n - 1)
    await desk.releases.insert(
      aRelease({ id: `R-${n}`, candidate, state: { at: 'done', when: '2026-01-31T09:00:00Z' } }),
    )
  }
  await release(1, 'v1.1.0')
  await release(2, 'v1.2.0')
  await offers.refresh()
  expect(offers.now().versions['user-service']).toEqual(['v1.2.0', 'v1.1.0'])
  for (const [n, at] of [
    [1, 'resolved'],
    [2, 'firing'],
    [3, 'firing'],
  ] as const) {
    const state = at === 'firing' ? { at } : { at, when: '2026-01-31T09:00:00Z' }
    const incident: Json = {
      ...{ id: `A-${n}`, channel: '#releases', since: '2026-01-31T09:00:00Z', openedAt: '2026-01-31T09:00:00Z' },
      ...{ title: 'Errors', severity: 'warning', firing: 1, resolved: 0, truncated: 0, hosts: [], silences: [] },
      ...{ level: 0, turn: 0, state, group: { source: 'am', key: 'k', labels: {}, receiver: 'r' } },
    }
    await store.append('incident-numbers', { group: 'g' })
    await desk.incidents.insert(incidentSchema.parse(incident))
  }
  await offers.refresh()
  expect(offers.now().incidents).toEqual(['A-3', 'A-2'])
  const reads: string[] = []
  store.before = (call, key) => reads.push(`${call} ${key}`)
  await offers.refresh()
  expect(reads).toHaveLength(2)
  store.before = () => {
    throw new Error('no disk')
  }
  await offers.refresh()
  expect(offers.now().incidents).toEqual(['A-3', 'A-2'])
})
