import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { press } from '../../src/entry/actions.ts'
import { episodesOf } from '../../src/incident/alert.ts'
import { createIntake, type Intake } from '../../src/incident/intake.ts'
import { describe as inWords, matches, silencesFor } from '../../src/incident/matchers.ts'
import { covers, silencedUntil } from '../../src/incident/silenced.ts'
import { Fault } from '../../src/lib/fault.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import {
  alertsConfig,
  anAlert,
  fakeSilences,
  hearAlert,
  openIncident,
  quickParts,
  settled,
  titles,
} from './thread-kit.ts'

const config = alertsConfig()
const labelled = (...all: Record<string, string>[]) => all.map((labels, n) => anAlert({ fingerprint: `f${n}`, labels }))
const asObjects = (alerts: ReturnType<typeof labelled>) =>
  silencesFor(config, alerts)?.map((all) => Object.fromEntries(all.map(({ name, value }) => [name, value])))
const rate = (more: Record<string, string>) => ({ alertname: 'HighErrorRate', severity: 'critical', ...more })

describe('a silence names what is meant', () => {
  const web1 = rate({ service: 'web', instance: 'a:1' })
  const web2 = rate({ service: 'web', instance: 'b:1' })
  const pay = rate({ service: 'pay', instance: 'c:1' })
  test.each([
    ['all labels of one alert', [web1], [web1]],
    ['what the alerts of one service share', [web1, web2], [rate({ service: 'web' })]],
    ['each alert where they are of two services', [web1, pay], [web1, pay]],
    [
      'each alert where they differ in name',
      [web1, { ...web1, alertname: 'Slow' }],
      [web1, { ...web1, alertname: 'Slow' }],
    ],
    [
      'each alert where services differ and only the job is the same',
      [web1, pay].map((labels) => ({ ...labels, job: 'pods' })),
      [web1, pay].map((labels) => ({ ...labels, job: 'pods' })),
    ],
    [
      'what is shared where one host has them all',
      [
        { ...web1, host: 'h' },
        { ...pay, host: 'h' },
      ],
      [rate({ host: 'h' })],
    ],
    ['the name alone where no alert says more', [rate({ a: '1' }), rate({ a: '2' })], [rate({})]],
    ['nothing of what is empty', [{ ...web1, pod: '' }], [web1]],
    ['nothing of what was cut', [{ ...web1, pod: 'abc…' }], [web1]],
    [
      'nothing where it would be more than ten',
      Array.from({ length: 11 }, (_, n) => ({ ...web1, alertname: `A${n}` })),
      undefined,
    ],
    ['nothing where an alert has no label', [web1, {}], undefined],
  ])('%s', (_name, alerts, expected) => {
    expect(asObjects(labelled(...alerts))).toEqual(expected)
  })

  test('in words that end somewhere', () => {
    const [one = []] = silencesFor(config, labelled(web1)) ?? []
    expect(inWords([one])).toBe('alertname="HighErrorRate", severity="critical", service="web", instance="a:1"')
    expect(inWords([[{ name: 'a b', value: '"' }]])).toBe('"a b"="\\""')
    expect(inWords(Array.from({ length: 5 }, () => [{ name: 'a', value: 'b' }]))).toBe('{a="b"} {a="b"} {a="b"} …')
    expect(inWords([[{ name: 'a', value: 'x'.repeat(5000) }]])).toHaveLength(300)
  })
})

describe('an incident is silenced', () => {
  const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString()
  const on = (host: string, minute: number) => ({
    id: host,
    by: 'bob',
    until: at(minute),
    reason: 'x',
    parts: [{ id: host, matchers: [{ name: 'host', value: host }] }],
  })
  const alerts = labelled({ host: 'a' }, { host: 'b' })
  test.each([
    ['not while one alert is not', [on('a', 10)], undefined],
    ['until the first of them is silenced no longer', [on('a', 10), on('b', 20)], at(10)],
    ['as long as the longest silence of each', [on('a', 10), on('b', 20), on('a', 30)], at(20)],
    ['by one whose matchers were not kept', [{ ...on('a', 5), parts: undefined }], at(5)],
    ['not without silences', [], undefined],
  ])('%s', (_name, silences, expected) => {
    expect(silencedUntil(silences, alerts)).toBe(expected)
  })

  test('not when nothing fires', () => {
    expect(silencedUntil([on('a', 10)], [])).toBeUndefined()
  })

  test('by matchers that are all equal, a missing label counting as empty', () => {
    expect(matches([{ name: 'a', value: '1' }], { a: '1', b: '2' })).toBe(true)
    expect(
      matches(
        [
          { name: 'a', value: '1' },
          { name: 'b', value: '3' },
        ],
        { a: '1', b: '2' },
      ),
    ).toBe(false)
    expect(matches([{ name: 'c', value: '' }], { a: '1' })).toBe(true)
    expect(covers(on('a', 1), { host: 'ab' })).toBe(false)
  })
})

describe('on the thread', () => {
  let t: TestDesk
  let intake: Intake
  let silences: ReturnType<typeof fakeSilences>
  const levels = [{ people: ['alice'] }, { after: '400ms', people: ['bob'] }]
  beforeEach(async () => {
    silences = fakeSilences()
    t = await testDesk({ incident: quickParts({ diagnose: [], critical: { levels, remind: '400ms' } }, silences) })
    intake = createIntake(t.desk)
    await intake.start()
  })
  afterEach(async () => {
    await intake.stop()
    await t.close()
  })
  const F1 = '00000000000000a1'
  const F2 = '00000000000000a2'
  const labels = (instance: string) => ({
    alertname: 'HighErrorRate',
    severity: 'critical',
    service: 'user-service',
    instance,
  })
  const open = async (receivedAt = new Date().toISOString()) => {
    const startsAt = new Date().toISOString()
    await openIncident(t, {}, { fingerprint: F1, startsAt, receivedAt, labels: labels('10.0.0.1:8080') })
    await vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))
  }
  const text = () => JSON.stringify(t.chat.card('A-1'))
  const button = (action: string) => t.chat.card('A-1').buttons.find((each) => each.action === action)
  const pressOn = (action: string, fields?: Record<string, string>, who = 'bob') =>
    press(t.desk, button(action)!.id, t.desk.people.find(({ id }) => id === who)!, undefined, fields)
  const calls = () => [...t.chat.posts.keys()].filter((key) => /\/(level|remind)\//.test(key))
  const newest = async () => (await t.desk.audit.page({ limit: 1 })).entries[0]

  test('the question, the answer, the card, the line and the audit log say what is covered', async () => {
    await open()
    const covered = 'alertname="HighErrorRate", severity="critical", service="user-service", instance="10.0.0.1:8080"'
    expect(button('incident.silence')?.confirm).toBe(`Silences alerts with ${covered}.`)
    const answer = await pressOn('incident.silence', { time: '1h', reason: 'known' })
    expect(answer.text).toContain(`alerts with ${covered}. To end it: /alerts unsilence A-1`)
    expect(await newest()).toMatchObject({ after: { silences: [{ by: 'bob', covers: covered }] } })
    const line = `It covers alerts with ${covered}.`
    await vi.waitFor(() =>
      expect(t.chat.posts.get('A-1/silenced/s-1')?.message).toMatchObject({
        title: expect.stringMatching(/^Silenced until .* by bob: known$/),
        blocks: [{ type: 'text', text: line }],
      }),
    )
    await vi.waitFor(() => expect(text()).toContain(JSON.stringify(line).slice(1, -1)))
    expect(text()).toContain('Silenced: bj-1.')
  })

  test('what the question said is silenced, and nothing that has fired since', async () => {
    await open()
    const asked = button('incident.silence')!.id
    await hearAlert(t, { fingerprint: F2, startsAt: new Date().toISOString(), labels: labels('b') })
    await press(t.desk, asked, t.desk.people.find(({ id }) => id === 'bob')!, undefined, { time: '1h', reason: 'x' })
    expect(silences.made.map(({ matchers }) => matchers.find(({ name }) => name === 'instance')?.value)).toEqual([
      '10.0.0.1:8080',
    ])
  })

  test('of one host stops no call for another, and the card says which is which', async () => {
    await open()
    await pressOn('incident.silence', { time: '1h', reason: 'x' })
    await hearAlert(t, { fingerprint: F2, startsAt: new Date().toISOString(), labels: labels('b') })
    await t.desk.flows.send('A-1', 'alerts/x', { kind: 'alerts' })
    await vi.waitFor(() => expect(text()).toContain('Silenced: bj-1. Not silenced: b.'))
    expect(button('incident.silence')).toBeDefined()
    await vi.waitFor(() => expect(calls()).toContain('A-1/level/2'), 3000)
  })

  test('is ended at the source by a button or a word, once; then people are called again', async () => {
    await open()
    await pressOn('incident.silence', { time: '1h', reason: 'x' })
    await vi.waitFor(() => expect(button('incident.end-silence')).toBeDefined())
    expect(await pressOn('incident.end-silence', {}, 'vera')).toMatchObject({ ok: false })
    expect(silences.ended).toEqual([])
    expect(await pressOn('incident.end-silence')).toMatchObject({
      ok: true,
      text: expect.stringContaining('no longer'),
    })
    expect(silences.ended).toEqual(['s-1'])
    expect(await newest()).toMatchObject({
      action: 'incident.end-silence',
      target: 'A-1',
      result: 'done',
      after: { silences: [{ by: 'bob', endedBy: 'bob' }] },
    })
    expect(await t.type('alice', '/alerts unsilence A-1')).toMatchObject({
      ok: false,
      text: expect.stringMatching(/^The silence of A-1 was ended already by bob at /),
    })
    await vi.waitFor(() => expect(titles(t)).toContain('bob has ended the silence'))
    await vi.waitFor(() => expect(button('incident.silence')).toBeDefined())
    await vi.waitFor(() => expect(calls()).toContain('A-1/level/2'), 3000)
    await pressOn('incident.silence', { time: '1h', reason: 'again' })
    expect(await t.type('alice', '/alerts unsilence a1')).toMatchObject({ ok: true })
    expect(silences.ended).toEqual(['s-1', 's-2'])
  })

  test('that cannot be ended at the source goes on here', async () => {
    await open()
    await pressOn('incident.silence', { time: '1h', reason: 'x' })
    t.desk.silences.expire = async () => {
      throw new Fault('silence.unreachable', { say: 'It is away.', next: 'wait', retry: true })
    }
    await vi.waitFor(() => expect(button('incident.end-silence')).toBeDefined())
    expect(await pressOn('incident.end-silence')).toMatchObject({ ok: false, text: 'It is away. Next: wait.' })
    expect((await t.desk.incidents.need('A-1')).silences[0]?.endedBy).toBeUndefined()
  })

  test('for two services at once makes one for each alert, or none when one fails', async () => {
    await open()
    const other = { ...labels('b'), service: 'pay' }
    await hearAlert(t, { fingerprint: F2, startsAt: new Date().toISOString(), labels: other })
    const { create } = t.desk.silences
    t.desk.silences.create = async (source, wish) => {
      if (silences.made.length === 1) throw new Error('no')
      return create(source, wish)
    }
    expect(await t.type('bob', '/alerts silence A-1 1h x')).toMatchObject({ ok: false })
    expect(silences.ended).toEqual(['s-1'])
    expect((await t.desk.incidents.need('A-1')).silences).toEqual([])
    t.desk.silences.create = create
    expect(await t.type('bob', '/alerts silence A-1 1h x')).toMatchObject({ ok: true })
    expect((await t.desk.incidents.need('A-1')).silences).toMatchObject([
      { id: 's-2', parts: [{ id: 's-2' }, { id: 's-3' }] },
    ])
    expect(
      silences.made
        .slice(1)
        .map(({ matchers }) => matchers.find(({ name }) => name === 'service')?.value)
        .toSorted(),
    ).toEqual(['pay', 'user-service'])
    await t.type('bob', '/alerts unsilence A-1')
    expect(silences.ended).toEqual(['s-1', 's-2', 's-3'])
  })

  describe('an alert that its source lists no longer', () => {
    const long = () => new Date(Date.now() - 3_600_000).toISOString()
    const states = async () => (await episodesOf(t.desk.store, 'A-1')).map(({ alert }) => alert.status)

    test('is resolved before anybody is called for it', async () => {
      silences.lists.push(new Set())
      await open(long())
      await t.desk.flows.finished('A-1')
      await settled(t)
      expect(titles(t)[0]).toBe('Resolved 1 alert: no longer listed by Alertmanager main')
      expect(await t.desk.incidents.need('A-1')).toMatchObject({ state: { at: 'resolved' } })
      expect(calls()).toEqual([])
    })

    test('is resolved when its silence is ended, also where nobody is to be called, and the others go on', async () => {
      silences.lists.push(new Set([F1, F2]))
      await open(long())
      await hearAlert(t, { fingerprint: F2, startsAt: long(), receivedAt: long(), labels: labels('b') })
      await t.type('bob', '/alerts ack A-1')
      await t.type('bob', '/alerts silence A-1 1h x')
      silences.lists.splice(0, 1, new Set([F2]))
      await t.type('bob', '/alerts unsilence A-1')
      await vi.waitFor(async () => expect((await states()).toSorted()).toEqual(['firing', 'resolved']), 3000)
      await vi.waitFor(() => expect(titles(t)).toContain('Resolved 1 alert: no longer listed by Alertmanager main'))
    })

    test('is resolved when the silence comes to its end', async () => {
      silences.lists.push(new Set([F1]))
      await open(long())
      await t.type('bob', '/alerts ack A-1')
      await t.type('bob', '/alerts silence A-1 1500ms x')
      silences.lists.splice(0, 1, new Set())
      await t.desk.flows.finished('A-1')
      expect(await states()).toEqual(['resolved'])
    })

    test.each([
      ['when it is missing only once', F1, long(), [new Set<string>(), new Set([F1])]],
      ['when the source cannot be asked', F1, long(), [undefined]],
      ['when the source does not answer the second time', F1, long(), [new Set<string>(), undefined]],
      ['when it was heard just now', F1, undefined, [new Set<string>()]],
      ['when its fingerprint is not the one of an Alertmanager', 'f'.repeat(32), long(), [new Set<string>()]],
    ])('goes on firing %s', async (_name, fingerprint, receivedAt = new Date().toISOString(), lists) => {
      silences.lists.push(...lists)
      await openIncident(t, {}, { fingerprint, startsAt: new Date().toISOString(), receivedAt })
      await vi.waitFor(() => expect(calls()).toContain('A-1/level/1'), 3000)
      expect(await states()).toEqual(['firing'])
    })
  })
})
