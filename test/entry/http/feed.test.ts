import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFeed } from '../../../src/entry/http/feed.ts'
import type { Change } from '../../../src/ports/console.ts'

const release = (key: string): Change => ({ kind: 'release', key })
const keys = (changes: { change: Change }[] | undefined) => changes?.map(({ change }) => change.key)

describe('the feed', () => {
  test('tells every listener of every change, until it has stopped listening', () => {
    const feed = createFeed()
    const heard: string[] = []
    const stop = feed.listen(({ n, change }) => heard.push(`${n} ${change.key}`))
    feed.publish(release('R-1'))
    feed.publish(release('R-1'))
    stop()
    feed.publish(release('R-2'))
    expect(heard).toEqual(['1 R-1', '2 R-1'])
    expect(feed.newest).toBe(3)
  })

  test('gives back what came after a number, one change per key', () => {
    const feed = createFeed()
    for (const key of ['R-1', 'R-2', 'R-1', 'R-3']) feed.publish(release(key))
    expect(keys(feed.since(0))).toEqual(['R-2', 'R-1', 'R-3'])
    expect(keys(feed.since(2))).toEqual(['R-1', 'R-3'])
    expect(keys(feed.since(4))).toEqual([])
  })

  test('a message and a release of the same key are two', () => {
    const feed = createFeed()
    feed.publish(release('x'))
    feed.publish({ kind: 'message', key: 'x' })
    expect(feed.since(0)).toHaveLength(2)
  })

  test('says so when it has forgotten something of what is asked for', () => {
    const feed = createFeed({ size: 2 })
    for (const key of ['R-1', 'R-2', 'R-3']) feed.publish(release(key))
    expect(feed.since(0)).toBeUndefined()
    expect(keys(feed.since(1))).toEqual(['R-2', 'R-3'])
  })

  test('does not know numbers that it has not given yet', () => {
    expect(createFeed().since(1)).toBeUndefined()
  })

  test('two runs have different names', () => {
    expect(createFeed().boot).not.toBe(createFeed().boot)
  })

  test('whatever is published: since(n) names every key that changed after n, or undefined', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat({ max: 60 }),
        (published, size, from) => {
          const feed = createFeed({ size })
          for (const key of published) feed.publish(release(String(key)))
          const n = Math.min(from, published.length)
          const missed = feed.since(n)
          const changed = [...new Set(published.slice(n).map(String))].sort()
          if (missed !== undefined) {
            expect(keys(missed)?.sort()).toEqual(changed)
            const numbers = missed.map((each) => each.n)
            expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
          } else {
            // Only what does not fit may be forgotten.
            expect(new Set(published).size).toBeGreaterThan(size)
          }
        },
      ),
    )
  })
})
