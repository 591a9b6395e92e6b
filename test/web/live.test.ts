import { describe, expect, it, vi } from 'vitest'
import { api, queryString } from '../../src/web/api.ts'
import { keys, staleAfter } from '../../src/web/keys.ts'
import { readChange } from '../../src/web/live/news.ts'

/** Whether a change makes the answer under `key` old: it does when a stale key is the beginning of it. */
function isStale(key: readonly unknown[], stale: (readonly unknown[])[]): boolean {
  return stale.some((beginning) =>
    beginning.every((part, index) => JSON.stringify(part) === JSON.stringify(key[index])),
  )
}

describe('a change', () => {
  it('of a release makes it, its series and every list of releases old, and no other release', () => {
    const stale = staleAfter({ kind: 'release', key: 'R-1' })
    for (const key of [keys.release('R-1'), keys.series('R-1'), keys.releases({}), keys.releases({ state: 'done' })]) {
      expect(isStale(key, stale)).toBe(true)
    }
    expect(isStale(keys.services, stale)).toBe(true)
    expect(isStale(keys.commands, stale)).toBe(true)
    expect(isStale(keys.release('R-2'), stale)).toBe(false)
    expect(isStale(keys.hosts(undefined), stale)).toBe(false)
  })

  it('of an output makes that job’s output old', () => {
    const stale = staleAfter({ kind: 'output', key: 'j1' })
    expect(isStale(keys.output('j1'), stale)).toBe(true)
    expect(isStale(keys.output('j2'), stale)).toBe(false)
  })

  it('of a host makes the fleet of every service old', () => {
    const stale = staleAfter({ kind: 'host', key: 'bj-1' })
    expect(isStale(keys.hosts('user-service'), stale)).toBe(true)
    expect(isStale(keys.hosts(undefined), stale)).toBe(true)
  })

  it('of a session asks again who one is', () => {
    expect(isStale(keys.session, staleAfter({ kind: 'session', key: 'bob' }))).toBe(true)
  })

  it('of a message leaves whole pages alone: that message is fetched by itself', () => {
    expect(staleAfter({ kind: 'message', key: 'R-1/card' })).toEqual([])
  })

  it('that cannot be read is none', () => {
    expect(readChange('{')).toBeUndefined()
    expect(readChange('null')).toBeUndefined()
    expect(readChange('{"kind":"host"}')).toBeUndefined()
    expect(readChange(7)).toBeUndefined()
    expect(readChange('{"kind":"host","key":"bj-1"}')).toEqual({ kind: 'host', key: 'bj-1' })
  })
})

it('a query leaves out what is empty and quotes the rest', () => {
  expect(queryString({})).toBe('')
  expect(queryString({ a: undefined, b: '' })).toBe('')
  expect(queryString({ channel: '#releases', before: 0 })).toBe('?channel=%23releases&before=0')
})

it('the server is asked for the audit entries of a person, an action and a result', async () => {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url)
    return Response.json({ entries: [], more: false, head: '' })
  })
  await api.audit({ person: 'alice', action: 'release.approve', result: 'refused' })
  vi.unstubAllGlobals()
  const { searchParams } = new URL(asked[0] ?? '', 'http://console')
  expect(Object.fromEntries(searchParams)).toMatchObject({
    person: 'alice',
    action: 'release.approve',
    result: 'refused',
  })
})
