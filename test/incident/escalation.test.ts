import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { press } from '../../src/entry/actions.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { fakeSilences, hearAlert, openIncident, quickParts, settled, tellAlerts } from './thread-kit.ts'

let t: TestDesk
afterEach(() => t.close())
/** A minute of the policy lasts 100 ms here. */
const levels = [
  { people: ['alice'] },
  { after: '150ms', people: ['bob'] },
  { after: '300ms', channel: '#managers', people: ['carol'] },
]
/** Time enough for a press or a resolve before the second level, on a busy machine too. */
const slower = [levels[0], { ...levels[1], after: '700ms' }, { ...levels[2], after: '900ms' }]
const start = async (remind = '250ms', all: unknown[] = levels) => {
  t = await testDesk({ incident: quickParts({ critical: { levels: all, remind } }, fakeSilences()) })
}
const calls = () => [...t.chat.posts.keys()].filter((key) => /\/(level|remind)\//.test(key))
const message = (key: string) => t.chat.posts.get(key)!
const pressOn = (action: string, fields?: Record<string, string>) => {
  const button = t.chat.card('A-1').buttons.find((each) => each.action === action)!
  return press(t.desk, button.id, t.desk.people.find(({ id }) => id === 'bob')!, undefined, fields)
}
const carded = () => vi.waitFor(() => expect(t.chat.posts.has('A-1/card')).toBe(true))

describe('an alert that nobody acknowledges', () => {
  test('goes up level by level, each told once where it is configured, and is then repeated', async () => {
    await start()
    const began = Date.now()
    await openIncident(t)
    await vi.waitFor(() => expect(calls()).toEqual(['A-1/level/1', 'A-1/level/2', 'A-1/level/3', 'A-1/remind/1']), 5000)
    // Three levels at 0, 150 and 300 ms, and a reminder 250 ms after the last.
    expect(Date.now() - began).toBeGreaterThanOrEqual(540)
    expect(message('A-1/level/1')).toMatchObject({ channel: '#alerts', thread: 'A-1/card' })
    expect(message('A-1/level/2').message.title).toMatch(
      /^Not acknowledged for \d+ ms: A-1 HighErrorRate: user-service$/,
    )
    expect(message('A-1/level/3').channel).toBe('#managers')
    expect(message('A-1/level/3').thread).toBeUndefined()
    expect(JSON.stringify(message('A-1/level/3').message)).toMatch(/carol.*#alerts A-1.*\/alerts ack A-1/)
    expect(message('A-1/remind/1').message.title).toMatch(/^Still not acknowledged after/)
    expect((await t.desk.incidents.need('A-1')).level).toBe(3)
  })

  test("is nobody else's as soon as somebody has acknowledged it", async () => {
    await start('250ms', slower)
    await openIncident(t)
    await carded()
    expect(await pressOn('incident.acknowledge')).toMatchObject({ ok: true })
    await delay(1300)
    await settled(t)
    expect(calls().filter((key) => key !== 'A-1/level/1')).toEqual([])
  })

  test('calls nobody else once it is resolved', async () => {
    await start('250ms', slower)
    const startsAt = new Date().toISOString()
    await openIncident(t, {}, { startsAt })
    await carded()
    await hearAlert(t, { startsAt, status: 'resolved', endsAt: new Date().toISOString() })
    await tellAlerts(t)
    await t.desk.flows.finished('A-1')
    await delay(1000)
    expect(calls().filter((key) => key !== 'A-1/level/1')).toEqual([])
  })

  test('calls nobody while it is silenced, and goes on when the silence ends', async () => {
    await start()
    await openIncident(t)
    await carded()
    expect(await pressOn('incident.silence', { time: '900ms', reason: 'x' })).toMatchObject({ ok: true })
    await delay(600)
    expect(calls().filter((key) => key !== 'A-1/level/1')).toEqual([])
    await vi.waitFor(() => expect(calls()).toContain('A-1/level/3'), 3000)
    await vi.waitFor(
      () => expect(t.chat.card('A-1').buttons.map(({ action }) => action)).toContain('incident.silence'),
      3000,
    )
  })

  test('is not repeated when reminders are off', async () => {
    await start('0s')
    await openIncident(t)
    await vi.waitFor(() => expect(calls()).toHaveLength(3), 3000)
    await delay(400)
    expect(calls()).toHaveLength(3)
  })

  test('keeps its deadlines over a restart', async () => {
    await start()
    await openIncident(t)
    await carded()
    const { folder } = t
    await t.close('keep')
    const before = new Map(t.chat.posts)
    await delay(400)
    t = await testDesk({ folder, incident: quickParts({ critical: { levels, remind: '10s' } }, fakeSilences()) })
    await vi.waitFor(() => expect(calls()).toEqual(expect.arrayContaining(['A-1/level/2', 'A-1/level/3'])), 3000)
    expect(before.has('A-1/level/3')).toBe(false)
    await delay(100)
    expect(calls().filter((key) => key.includes('remind'))).toEqual([])
  })
})
