import { describe, expect, test } from 'vitest'
import { newId, short } from '../../src/lib/id.ts'

describe('newId', () => {
  test('is unique and sorts in order of making, also when the clock stands still or goes back', () => {
    const future = Date.now() + 1_000_000
    const ids = [
      ...Array.from({ length: 500 }, () => newId(future)),
      newId(future - 5000),
      newId(future),
      newId(future + 1),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect([...ids].sort()).toEqual(ids)
  })

  test('is 26 characters that need no quoting anywhere, the time first', () => {
    const [early, late] = [newId(Date.now() + 2_000_000), newId(Date.now() + 9_000_000)]
    expect(early).toMatch(/^[0-9a-hjkmnp-tv-z]{26}$/)
    expect(early.slice(0, 10) < late.slice(0, 10)).toBe(true)
  })
})

test('short keeps the part that differs between neighbours', () => {
  const [a, b] = [newId(), newId()]
  expect(short(a)).toHaveLength(6)
  expect(short(a)).not.toBe(short(b))
})
