import { afterEach, expect, test } from 'vitest'
import { auditRoutes } from '../../../src/entry/http/audit.ts'
import type { AuditPage } from '../../../src/ports/console.ts'
import { type AccessWorld, accessWorld, signedIn } from './access-world.ts'

let world: AccessWorld
afterEach(() => world.close())

const url = '/api/v1/audit'

test('an approver reads what was done and refused, newest first, page by page', async () => {
  world = accessWorld({ demo: true })
  const app = await world.serve(auditRoutes(world.deps))
  const bob = await signedIn(app, { person: 'bob' })
  for (let i = 0; i < 5; i++) {
    await world.deps.audit.note({
      who: 'alice',
      from: { surface: 'terminal' },
      action: 'release.pause',
      target: `R-${i}`,
      result: 'done',
      before: { state: 'rolling out' },
      after: { state: 'held' },
    })
  }
  const ask = async (query: string) => (await app.inject({ url: `${url}${query}`, headers: bob })).json<AuditPage>()
  const first = await ask('?limit=2&person=alice')
  expect(first.more).toBe(true)
  expect(first.head).toMatch(/^[0-9a-f]{64}$/)
  expect(first.entries.map(({ target }) => target)).toEqual(['R-4', 'R-3'])
  expect(first.entries[0]).toEqual({
    seq: 5,
    at: '2026-01-01T00:00:00.000Z',
    who: 'alice',
    from: 'terminal',
    action: 'release.pause',
    target: 'R-4',
    result: 'done',
    before: { state: 'rolling out' },
    after: { state: 'held' },
  })
  expect((await ask('?limit=100&before=4')).entries.map(({ target }) => target)).toEqual(['R-2', 'R-1', 'R-0', 'demo'])
  expect((await ask('?action=access')).entries).toMatchObject([{ who: 'bob', from: 'console 127.0.0.1' }])
})

test.each(['?limit=0', '?limit=101', '?limit=x', '?before=-1', '?before=1e999', `?person=${'x'.repeat(300)}`])(
  'what makes no sense is refused: %s',
  async (query) => {
    world = accessWorld({ demo: true })
    const app = await world.serve(auditRoutes(world.deps))
    const bob = await signedIn(app, { person: 'bob' })
    expect((await app.inject({ url: `${url}${query}`, headers: bob })).json()).toMatchObject({
      code: 'entry.malformed',
    })
  },
)

test('an operator does not', async () => {
  world = accessWorld({ demo: true })
  const app = await world.serve(auditRoutes(world.deps))
  const alice = await signedIn(app, { person: 'alice' })
  expect((await app.inject({ url, headers: alice })).statusCode).toBe(403)
})
