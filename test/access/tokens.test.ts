import { expect, test } from 'vitest'
import type { Person } from '../../src/access/config.ts'
import { hashOf, idOf, sameHash } from '../../src/access/secret.ts'
import { createSessions } from '../../src/access/sessions.ts'
import { checkToken, issueToken, listTokens, revokeToken } from '../../src/access/tokens.ts'
import { createMemoryStore } from '../fakes/memory-store.ts'

const HOUR = 3_600_000

function world() {
  const store = createMemoryStore()
  const time = { ms: Date.parse('2026-01-01T00:00:00Z') }
  const people: Person[] = [
    { id: 'alice', roles: ['operator'], surfaces: { console: 'sub-alice' } },
    { id: 'bob', roles: ['approver'], surfaces: {} },
  ]
  const clock = () => new Date(time.ms)
  const sessions = createSessions({ store, people: () => people, clock })
  /** Everything that lies in the store, as one text. */
  const stored = async () => JSON.stringify([await store.find('tokens'), await store.find('sessions')])
  return { store, time, people, clock, sessions, stored, alice: people[0]! }
}

test('a token is 256 random bits, says whose it is, and lies in the store as its hash only', async () => {
  const { store, clock, stored, alice } = world()
  const { token, id } = await issueToken(store, alice, clock)
  const other = await issueToken(store, alice, clock)
  expect(token).toMatch(/^rct_[A-Za-z0-9_-]{43}$/)
  expect(other.token).not.toBe(token)
  expect(await checkToken(store, token, clock)).toEqual({ id, person: 'alice' })
  expect(await stored()).not.toContain(token)
  expect(await stored()).not.toContain(token.slice(4))
})

test.each([
  ['empty', () => ''],
  ['cut short', (token: string) => token.slice(0, -1)],
  ['longer', (token: string) => `${token}A`],
  ['very long', (token: string) => token + 'A'.repeat(100_000)],
  ['in other case', (token: string) => token.toUpperCase()],
  ['its own hash', (token: string) => hashOf(token)],
  ['its own id', (token: string) => idOf(token)],
])('a token that is %s is nobody’s', async (_name, spoil) => {
  const { store, clock, alice } = world()
  const { token } = await issueToken(store, alice, clock)
  expect(await checkToken(store, spoil(token), clock)).toBeUndefined()
})

test('a row that another secret’s id leads to proves nothing', async () => {
  const { store, clock, alice } = world()
  const { token } = await issueToken(store, alice, clock)
  // As if two tokens shared the part of their hash that is the id.
  await store.insert('tokens', idOf('rct_guess'), { person: 'bob', hash: hashOf(token), createdAt: '2026' })
  expect(await checkToken(store, 'rct_guess', clock)).toBeUndefined()
})

test('a revoked token is nobody’s, and who lists tokens sees neither token nor hash', async () => {
  const { store, clock, time, alice } = world()
  const { token, id } = await issueToken(store, alice, clock)
  time.ms += HOUR
  await checkToken(store, token, clock)
  time.ms += 60_000
  await checkToken(store, token, clock)
  expect(await revokeToken(store, id, clock)).toBe(true)
  expect(await revokeToken(store, id, clock)).toBe(false)
  expect(await checkToken(store, token, clock)).toBeUndefined()
  expect(await listTokens(store, 'alice')).toEqual([
    {
      id,
      person: 'alice',
      createdAt: '2026-01-01T00:00:00.000Z',
      usedAt: '2026-01-01T01:00:00.000Z',
      revokedAt: '2026-01-01T01:01:00.000Z',
    },
  ])
  expect(await listTokens(store, 'bob')).toEqual([])
  await expect(revokeToken(store, 'nope', clock)).rejects.toMatchObject({ code: 'access.unknown-token' })
})

test('hashes are compared whole', () => {
  expect(sameHash(hashOf('a'), hashOf('a'))).toBe(true)
  expect(sameHash(hashOf('a'), hashOf('b'))).toBe(false)
  expect(sameHash('', '')).toBe(false)
  expect(sameHash(hashOf('a').slice(0, 10), hashOf('a').slice(0, 10))).toBe(false)
})

test('a session knows its person until signing out, and lies in the store as its hash only', async () => {
  const { sessions, stored, alice } = world()
  const { secret, seconds } = await sessions.open(alice, { by: 'demo' })
  expect(seconds).toBe(7 * 24 * 3600)
  expect((await sessions.find(secret))?.person).toBe(alice)
  expect(await stored()).not.toContain(secret)
  expect(await sessions.end(secret)).toBe(true)
  expect(await sessions.find(secret)).toBeUndefined()
  expect(await sessions.end(secret)).toBe(false)
  expect(await sessions.find('')).toBeUndefined()
})

test('a session that is used lives for seven days, one that is not used for twelve hours', async () => {
  const { sessions, time, alice } = world()
  const used = await sessions.open(alice, { by: 'demo' })
  const idle = await sessions.open(alice, { by: 'demo' })
  for (let hours = 0; hours < 7 * 24 - 6; hours += 6) {
    time.ms += 6 * HOUR
    expect(await sessions.find(used.secret), `${hours}`).toBeDefined()
    if (hours === 0) expect(await sessions.find(idle.secret)).toBeDefined()
    if (hours === 12) expect(await sessions.find(idle.secret)).toBeUndefined()
  }
  time.ms += 6 * HOUR
  expect(await sessions.find(used.secret)).toBeUndefined()
})

test('who is removed, or has other roles, is so at the next request', async () => {
  const { sessions, people, alice } = world()
  const { secret } = await sessions.open(alice, { by: 'demo' })
  people[0] = { ...alice, roles: ['viewer'] }
  expect((await sessions.find(secret))?.person.roles).toEqual(['viewer'])
  people.shift()
  expect(await sessions.find(secret)).toBeUndefined()
})

test('a session ends with the token that opened it', async () => {
  const { store, clock, sessions, alice } = world()
  const { id } = await issueToken(store, alice, clock)
  const { secret } = await sessions.open(alice, { by: 'token', token: id })
  expect(await sessions.find(secret)).toBeDefined()
  await revokeToken(store, id, clock)
  expect(await sessions.find(secret)).toBeUndefined()
})

test('a session ends when the account that opened it belongs to the person no more', async () => {
  const { sessions, people, alice } = world()
  const { secret } = await sessions.open(alice, { by: 'oidc', subject: 'sub-alice' })
  expect(await sessions.find(secret)).toBeDefined()
  people.splice(0, 2, { ...alice, surfaces: {} }, { ...people[1]!, surfaces: { console: 'sub-alice' } })
  expect(await sessions.find(secret)).toBeUndefined()
})

test('readers do not write at each request', async () => {
  const { store, sessions, time, alice } = world()
  const { secret } = await sessions.open(alice, { by: 'demo' })
  let writes = 0
  store.before = (call) => {
    if (call === 'put') writes++
  }
  for (let i = 0; i < 120; i++) {
    time.ms += 1000
    await sessions.find(secret)
  }
  expect(writes).toBe(2)
})
