import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Console, testConsole } from './kit.ts'

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const ID = 'A-17/report/1/0'
const at = (id: string) => `/api/v1/pictures/${encodeURIComponent(id)}`

describe('pictures', () => {
  let world: Console
  beforeEach(async () => {
    world = await testConsole()
    const document = { png: PNG.toString('base64'), width: 1, height: 1, alt: 'Errors' }
    await world.desk.store.insert('pictures', ID, document)
  })
  afterEach(() => world.close())

  test('are handed out as they were stored, as PNG and nothing else, for the one who asked to keep', async () => {
    const answer = await world.get(at(ID))
    expect(answer.statusCode).toBe(200)
    expect(answer.rawPayload.equals(PNG)).toBe(true)
    expect(answer.headers).toMatchObject({
      'content-type': 'image/png',
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, max-age=31536000, immutable',
    })
  })

  test('that are not there are a refusal which nobody keeps', async () => {
    for (const id of ['A-17/report/1/1', '../../etc/passwd', '<svg onload=x>']) {
      const answer = await world.get(at(id))
      expect(answer.statusCode).toBe(404)
      expect(answer.json()).toMatchObject({ code: 'entry.unknown-picture' })
      expect(answer.headers['cache-control']).toBe('no-store')
      expect(answer.body).not.toContain('svg')
    }
  })

  test('that are no PNG are not handed out', async () => {
    const page = Buffer.from('<script>alert(1)</script>').toString('base64')
    await world.desk.store.insert('pictures', 'page', { png: page, width: 1, height: 1, alt: '' })
    await world.desk.store.insert('pictures', 'odd', { png: 'no base64!', width: 1, height: 1, alt: '' })
    for (const id of ['page', 'odd']) expect((await world.get(at(id))).statusCode).toBe(404)
  })

  test('are for those who have signed in', async () => {
    expect((await world.get(at(ID), 'nobody')).statusCode).toBe(401)
  })
})
