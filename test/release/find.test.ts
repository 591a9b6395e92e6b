import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findRelease, holders, lastDone, newestOf } from '../../src/release/find.ts'
import { occupy } from '../../src/release/occupy.ts'
import type { Release } from '../../src/release/release.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'

let t: TestDesk
beforeEach(async () => {
  t = await testDesk()
})
afterEach(() => t.close())

const refused = { at: 'refused', why: 'x', next: '' } as const
const when = '2026-01-01T00:00:00.000Z'

/** So many requests of each service in turn; the number as index in `states` decides where it stands. */
async function requested(count: number, states: Record<number, Release['state']> = {}, gaps: number[] = []) {
  for (let n = 1; n <= count; n++) {
    const service = n % 2 === 0 ? 'user-service' : 'other'
    const id = await t.desk.releases.newId({ service, candidate: `v1.0.${n}`, by: 'alice' })
    expect(id).toBe(`R-${n}`)
    if (gaps.includes(n)) continue
    await t.desk.releases.insert(
      aRelease({ id, flow: id, service, candidate: `v1.0.${n}`, state: states[n] ?? refused }),
    )
  }
}
/** How many releases are read while it works. */
async function reads(work: () => Promise<unknown>): Promise<number> {
  const { get } = t.desk.store
  let count = 0
  t.desk.store.get = (collection, id) => {
    if (collection === 'releases') count++
    return get(collection, id)
  }
  await work()
  t.desk.store.get = get
  return count
}
const ids = (found: Release[]) => found.map(({ id }) => id)

describe('the newest releases', () => {
  test('come by number and not by text, over gaps, and only those asked for are read', async () => {
    await requested(112, {}, [110, 9])
    expect(ids(await newestOf(t.desk, 5))).toEqual(['R-112', 'R-111', 'R-109', 'R-108', 'R-107'])
    expect(ids(await newestOf(t.desk, 3, 'user-service'))).toEqual(['R-112', 'R-108', 'R-106'])
    expect(await reads(() => newestOf(t.desk, 5))).toBeLessThanOrEqual(6)
    const all = ids(await newestOf(t.desk, 1000))
    expect(all).toHaveLength(110)
    expect(all).toEqual(ids(await t.desk.releases.list()))
    expect(await t.desk.releases.count()).toBe(112)
  })

  test('of none are none', async () => {
    expect(await newestOf(t.desk, 5)).toEqual([])
    expect((await t.type('vera', '/status')).text).toMatch(/^No release yet/)
  })
})

describe('the release that a service means', () => {
  test('is the one that holds it, also when many requests were refused since', async () => {
    await requested(60, { 2: { at: 'rolling out', batch: 1, doing: 'deploying', since: when } })
    await occupy(t.desk, 'user-service', 'R-2')
    expect((await findRelease(t.desk, 'user-service')).id).toBe('R-2')
    expect((await findRelease(t.desk, 'R-60')).id).toBe('R-60')
    expect(ids(await holders(t.desk))).toEqual(['R-2'])
    const { text, message } = await t.type('vera', '/status')
    expect(text).toBe('1 in progress, 60 requested so far')
    expect(message?.blocks[0]).toMatchObject({
      rows: expect.objectContaining({ 0: expect.arrayContaining(['R-2']), 1: expect.arrayContaining(['R-60']) }),
    })
    expect(await reads(() => t.type('vera', '/status'))).toBeLessThanOrEqual(16)
  })

  test('is the last one when nothing is in progress', async () => {
    await requested(12, { 10: { at: 'done', when } })
    expect((await findRelease(t.desk, 'user-service')).id).toBe('R-12')
    expect(await holders(t.desk)).toEqual([])
  })

  test('to take back is the newest that left its version on hosts, and no older one is read', async () => {
    await requested(120, { 10: { at: 'done', when }, 100: { at: 'done', when }, 101: { at: 'done', when } })
    const read = await reads(async () => expect((await lastDone(t.desk, 'user-service'))?.id).toBe('R-100'))
    expect(read).toBe(11)
    expect((await lastDone(t.desk, 'other'))?.id).toBe('R-101')
    expect(await lastDone(t.desk, 'nothing')).toBeUndefined()
  })
})
