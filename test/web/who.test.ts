import { QueryClient } from '@tanstack/react-query'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { SessionView } from '../../src/ports/console.ts'
import { api, whenTurnedAway } from '../../src/web/api.ts'
import { keys } from '../../src/web/keys.ts'
import { announce, entersAs, forgetOthers, heedOthers, isChosenHere, takeSession } from '../../src/web/who.ts'

const people = ['alice', 'bob'].map((id) => ({ id, name: id, roles: ['operator'] }))

function sessionOf(person: string | null, demo = people): SessionView {
  return {
    person: people.find(({ id }) => id === person) ?? null,
    signIn: { demo, token: true, oidc: null },
    may: [],
    language: 'en',
    version: '1.0.0',
    channels: ['#releases'],
  }
}

function clientOf(person: string | null): QueryClient {
  const client = new QueryClient()
  client.setQueryData(keys.session, sessionOf(person))
  client.setQueryData(keys.services, ['as alice saw them'])
  return client
}

afterEach(() => {
  vi.unstubAllGlobals()
  whenTurnedAway(() => {})
})

describe('a session', () => {
  it('of another person drops what the one before saw', () => {
    const client = clientOf('alice')
    takeSession(client, sessionOf('bob'))
    expect(client.getQueryData(keys.services)).toBeUndefined()
    expect(client.getQueryData<SessionView>(keys.session)?.person?.id).toBe('bob')
  })

  it('is known to have been chosen here, until it becomes another one elsewhere', () => {
    const client = clientOf('alice')
    takeSession(client, sessionOf('bob'))
    expect(isChosenHere()).toBe(true)
    forgetOthers(client, sessionOf('bob'))
    expect(isChosenHere()).toBe(true)
    forgetOthers(client, sessionOf('alice'))
    expect(isChosenHere()).toBe(false)
  })

  it('of nobody drops it too', () => {
    const client = clientOf('alice')
    expect(forgetOthers(client, sessionOf(null))).toBe(true)
    expect(client.getQueryData(keys.services)).toBeUndefined()
  })

  it('of the same person in another role makes the commands old, and drops nothing', () => {
    const client = clientOf('alice')
    client.setQueryData(keys.commands, {})
    forgetOthers(client, sessionOf('alice'))
    expect(client.getQueryState(keys.commands)?.isInvalidated).toBe(false)
    expect(forgetOthers(client, { ...sessionOf('alice'), may: ['release.approve'] })).toBe(false)
    expect(client.getQueryState(keys.commands)?.isInvalidated).toBe(true)
  })

  it('of the same person drops nothing', () => {
    const client = clientOf('alice')
    expect(forgetOthers(client, sessionOf('alice'))).toBe(false)
    expect(client.getQueryData(keys.services)).toBeDefined()
  })
})

describe('what another tab says', () => {
  const stale = (client: QueryClient) => client.getQueryState(keys.session)?.isInvalidated === true

  it.each([['bob'], [null]])('makes one ask who one is when it is another person: %s', async (person) => {
    const client = clientOf('alice')
    const deaf = heedOthers(client)
    announce(person)
    await expect.poll(() => stale(client)).toBe(true)
    deaf()
  })

  it('about the same person changes nothing', async () => {
    const client = clientOf('alice')
    const other = clientOf('bob')
    const deaf = [heedOthers(client), heedOthers(other)]
    announce('alice')
    await expect.poll(() => stale(other)).toBe(true)
    expect(stale(client)).toBe(false)
    for (const end of deaf) end()
  })
})

describe('an answer of the server', () => {
  const answerWith = (status: number) =>
    vi.stubGlobal('fetch', async () => Response.json({ code: 'x', say: 'x', next: '' }, { status }))

  it('that turns one away makes one ask who one is, whatever was asked', async () => {
    const doubted = vi.fn()
    whenTurnedAway(doubted)
    answerWith(401)
    await expect(api.services()).rejects.toThrow()
    await expect(api.press({ button: 'b1' })).rejects.toThrow()
    expect(doubted).toHaveBeenCalledTimes(2)
  })

  it('that refuses one action does not', async () => {
    const doubted = vi.fn()
    whenTurnedAway(doubted)
    answerWith(403)
    await expect(api.services()).rejects.toThrow()
    expect(doubted).not.toHaveBeenCalled()
  })
})

describe('in the sandbox', () => {
  it('one is its first person on the first visit', () => {
    expect(entersAs(sessionOf(null), { known: false, left: false })).toBe('alice')
  })

  it('one chooses after having signed out, and after a session that ended', () => {
    expect(entersAs(sessionOf(null), { known: false, left: true })).toBeUndefined()
    expect(entersAs(sessionOf(null), { known: true, left: false })).toBeUndefined()
  })

  it('only: elsewhere one always signs in', () => {
    expect(entersAs(sessionOf(null, []), { known: false, left: false })).toBeUndefined()
  })
})
