import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { mayPress } from '../../src/entry/actions.ts'
import type { Button } from '../../src/ports/chat.ts'
import { fakeSilences, openIncident, quickParts } from '../incident/thread-kit.ts'
import { type Console, testConsole } from './http/kit.ts'

let c: Console
let n = 0
const silences = fakeSilences()
beforeAll(async () => {
  c = await testConsole({ incident: quickParts({ diagnose: [] }, silences) })
})
afterAll(() => c.close())
beforeEach(async () => {
  n += 1
  await openIncident(c, { id: `A-${n}` }, { fingerprint: `f${n}` })
  await vi.waitFor(() => expect(c.chat.posts.has(`A-${n}/card`)).toBe(true))
  silences.made.length = 0
})
const button = (action: string): Button => c.chat.card(`A-${n}`).buttons.find((each) => each.action === action)!
const newest = async () => (await c.desk.audit.page({ limit: 1 })).entries[0]

describe('a button that asks for something', () => {
  test('is posted with its fields, and the audit log has what was filled in', async () => {
    const { id, fields } = button('incident.silence')
    expect(fields).toEqual([
      { name: 'time', label: 'for how long', kind: 'duration', value: '2h', required: true, most: 20 },
      { name: 'reason', label: 'reason', kind: 'text', required: true, most: 200 },
    ])
    const body = { button: id, fields: { time: '45m', reason: 'maintenance' } }
    const answer = await c.post('/api/v1/actions', body, 'bob')
    expect(answer.json()).toMatchObject({ ok: true, text: expect.stringContaining('45 min') })
    expect(silences.made).toHaveLength(1)
    expect(await newest()).toMatchObject({
      who: 'bob',
      action: 'incident.silence',
      target: `A-${n} 45m maintenance`,
      result: 'done',
    })
  })

  test('without them is refused with what to type', async () => {
    const answer = await c.post('/api/v1/actions', { button: button('incident.silence').id }, 'bob')
    expect(answer.json()).toMatchObject({
      ok: false,
      text: 'A silence needs a reason.',
      next: `/alerts silence A-${n} 2h <reason>`,
    })
    expect(silences.made).toEqual([])
  })

  test.each([
    [{ time: 7 }],
    [{ TIME: 'x' }],
    [{ reason: 'x'.repeat(501) }],
    [Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`a${'b'.repeat(i)}`, 'x']))],
    ['text'],
  ])('takes no other form: %j', async (fields) => {
    const answer = await c.post('/api/v1/actions', { button: button('incident.silence').id, fields }, 'bob')
    expect(answer.statusCode).toBe(400)
    expect(answer.json().code).toBe('entry.malformed')
  })
})

describe('whether a press on an incident would count is known beforehand', () => {
  const person = (id: string) => c.desk.people.find((each) => each.id === id)!

  test('by role, which is written down, and by what the incident offers', async () => {
    const { id } = button('incident.acknowledge')
    expect(await mayPress(c.desk, person('bob'), id)).toMatchObject({ ok: true })
    expect(await mayPress(c.desk, person('vera'), id)).toMatchObject({
      ok: false,
      text: expect.stringContaining('needs the role'),
    })
    expect(await newest()).toMatchObject({
      who: 'vera',
      action: 'incident.acknowledge',
      target: `A-${n}`,
      result: 'refused',
    })
    expect(await c.desk.incidents.need(`A-${n}`)).toMatchObject({ turn: 0 })
    expect((await c.post('/api/v1/actions', { button: id }, 'bob')).json()).toMatchObject({ ok: true })
    const asked = await c.get(`/api/v1/actions?button=${id}`, 'alice')
    expect(asked.json()).toMatchObject({ ok: false, text: expect.stringMatching(/acknowledged already by bob/) })
  })
})
