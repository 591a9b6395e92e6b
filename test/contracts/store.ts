import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Json, Row, Store } from '../../src/ports/store.ts'

/** An empty store, and a second view of the same data: another connection where the adapter has such, else the same object. */
export interface StoreWorld {
  store: Store
  other: Store
  dispose(): Promise<void>
}

const secret = 'hunter2-secret'
const oddIds = [
  'a b',
  'a/b',
  "o'clock",
  'x;--',
  '%_',
  '\u0000',
  'ä',
  '发布',
  '🚀',
  '\uffff',
  '$where',
  '__proto__',
  '.',
  '"',
]

/** What every Store must do. The adapters run it with a factory that gives an empty store each time. */
export function storeContract(name: string, make: () => Promise<StoreWorld>): void {
  describe(`${name} as a Store`, () => {
    let world: StoreWorld
    let store: Store
    beforeEach(async () => {
      world = await make()
      store = world.store
    })
    afterEach(() => world.dispose())

    describe('documents', () => {
      it('gives back what was inserted, as version 1', async () => {
        expect(await store.insert('things', 'a', { n: 1, deep: { list: [1, 'two', null, true] } })).toBe(true)
        expect(await store.get('things', 'a')).toEqual({
          id: 'a',
          version: 1,
          document: { n: 1, deep: { list: [1, 'two', null, true] } },
        })
      })

      it('knows nothing of an id that was never inserted, nor of the same id in another collection', async () => {
        await store.insert('things', 'a', { n: 1 })
        expect(await store.get('things', 'b')).toBeUndefined()
        expect(await store.get('others', 'a')).toBeUndefined()
      })

      it('leaves the first document alone when the id is taken', async () => {
        await store.insert('things', 'a', { n: 1 })
        expect(await store.insert('things', 'a', { n: 2 })).toBe(false)
        expect(await store.get('things', 'a')).toMatchObject({ version: 1, document: { n: 1 } })
      })

      it('replaces a document when the version is still the one given', async () => {
        await store.insert('things', 'a', { n: 1, old: true })
        expect(await store.put('things', 'a', { n: 2 }, 1)).toBe(2)
        expect(await store.put('things', 'a', { n: 3 }, 2)).toBe(3)
        expect(await store.get('things', 'a')).toEqual({ id: 'a', version: 3, document: { n: 3 } })
      })

      it.each([0, 2, 99])('writes nothing when the version is 1 and the caller says %i', async (version) => {
        await store.insert('things', 'a', { n: 1 })
        expect(await store.put('things', 'a', { n: 2 }, version)).toBeUndefined()
        expect(await store.get('things', 'a')).toMatchObject({ version: 1, document: { n: 1 } })
      })

      it('puts nothing where nothing was inserted', async () => {
        expect(await store.put('things', 'a', { n: 1 }, 0)).toBeUndefined()
        expect(await store.get('things', 'a')).toBeUndefined()
      })

      it('drops keys whose value is undefined', async () => {
        await store.insert('things', 'a', { n: 1, gone: undefined })
        const row = await store.get('things', 'a')
        expect(Object.keys(row?.document as object)).toEqual(['n'])
      })

      it.each<[string, Json]>([
        ['null', null],
        ['a list', [1, 2]],
        ['a text', 'x'],
        ['zero', 0],
        ['false', false],
        ['an empty object', {}],
      ])('keeps a document that is %s', async (_, document) => {
        await store.insert('things', 'a', document)
        expect((await store.get('things', 'a'))?.document).toEqual(document)
      })

      it('keeps any JSON as it is', async () => {
        let n = 0
        await fc.assert(
          fc.asyncProperty(fc.jsonValue(), async (value) => {
            const id = `v${n++}`
            const document = JSON.parse(JSON.stringify(value))
            await store.insert('things', id, document)
            expect((await store.get('things', id))?.document).toEqual(document)
          }),
          { numRuns: 100 },
        )
      })

      it('keeps a document of 1 MiB, with characters beyond ASCII', async () => {
        const text = '发布🚀'.repeat(105_000)
        await store.insert('things', 'big', { text })
        expect((await store.get('things', 'big'))?.document).toEqual({ text })
      })

      it('takes the document as it is at the moment of the call', async () => {
        const document = { n: 1 }
        const inserted = store.insert('things', 'a', document)
        document.n = 2
        await inserted
        expect((await store.get('things', 'a'))?.document).toEqual({ n: 1 })
      })

      it('tells ids with odd characters apart', async () => {
        for (const id of oddIds) expect(await store.insert('things', id, { id })).toBe(true)
        for (const id of oddIds) expect((await store.get('things', id))?.document).toEqual({ id })
        expect(await store.find('things')).toHaveLength(oddIds.length)
      })

      it('lets exactly one of 20 concurrent puts with one version win', async () => {
        await store.insert('things', 'a', { by: -1 })
        const stores = [world.store, world.other]
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) => (stores[i % 2] ?? store).put('things', 'a', { by: i }, 1)),
        )
        const winners = results.flatMap((version, i) => (version === undefined ? [] : [i]))
        expect(winners).toHaveLength(1)
        expect(await store.get('things', 'a')).toEqual({ id: 'a', version: 2, document: { by: winners[0] } })
      })

      it('lets exactly one of 20 concurrent inserts of one id win', async () => {
        const stores = [world.store, world.other]
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) => (stores[i % 2] ?? store).insert('things', 'a', { by: i })),
        )
        expect(results.filter(Boolean)).toHaveLength(1)
        expect((await store.get('things', 'a'))?.document).toEqual({ by: results.indexOf(true) })
      })

      it('counts every increment that compare-and-set loops make at once', async () => {
        await store.insert('things', 'n', { n: 0 })
        const increment = async (on: Store) => {
          for (;;) {
            const row = (await on.get('things', 'n')) as Row
            const { n } = row.document as { n: number }
            if ((await on.put('things', 'n', { n: n + 1 }, row.version)) !== undefined) return
          }
        }
        await Promise.all(Array.from({ length: 20 }, (_, i) => increment(i % 2 ? world.other : store)))
        expect(await store.get('things', 'n')).toEqual({ id: 'n', version: 21, document: { n: 20 } })
      })

      it('shows another connection what a resolved call wrote', async () => {
        await store.insert('things', 'a', { n: 1 })
        expect((await world.other.get('things', 'a'))?.document).toEqual({ n: 1 })
        await world.other.put('things', 'a', { n: 2 }, 1)
        expect((await store.get('things', 'a'))?.document).toEqual({ n: 2 })
      })
    })

    describe('find', () => {
      const ids = (rows: Row[]) => rows.map((row) => row.id)

      it('gives all rows of one collection by id, ascending, with version and document', async () => {
        for (const id of ['b', 'c', 'a']) await store.insert('things', id, { id })
        await store.insert('others', 'z', {})
        await store.put('things', 'b', { id: 'B' }, 1)
        expect(await store.find('things')).toEqual([
          { id: 'a', version: 1, document: { id: 'a' } },
          { id: 'b', version: 2, document: { id: 'B' } },
          { id: 'c', version: 1, document: { id: 'c' } },
        ])
        expect(await store.find('nothing')).toEqual([])
      })

      it('orders ids by code point', async () => {
        const sorted = ['A', 'Z', 'a', 'ä', '发', '\uffff', '🚀']
        for (const id of sorted.toReversed()) await store.insert('things', id, {})
        expect(ids(await store.find('things'))).toEqual(sorted)
        expect(ids(await store.find('things', { descending: true }))).toEqual(sorted.toReversed())
      })

      it('limits, from either end', async () => {
        for (const id of ['a', 'b', 'c']) await store.insert('things', id, {})
        expect(ids(await store.find('things', { limit: 2 }))).toEqual(['a', 'b'])
        expect(ids(await store.find('things', { limit: 2, descending: true }))).toEqual(['c', 'b'])
        expect(ids(await store.find('things', { limit: 0 }))).toEqual([])
        expect(ids(await store.find('things', { limit: 9 }))).toEqual(['a', 'b', 'c'])
      })

      it.each([
        ['r1/', ['r1/a', 'r1/b']],
        ['r1', ['r1/a', 'r1/b', 'r10/a']],
        ['r', ['r1/a', 'r1/b', 'r10/a', 'r2/a']],
        ['', ['%', 'R1/a', 'r1/a', 'r1/b', 'r10/a', 'r2/a', '发/a', '\uffff', '🚀', '\u{10ffff}x']],
        ['发', ['发/a']],
        ['%', ['%']],
        ['\u{10ffff}', ['\u{10ffff}x']],
        ['x', []],
      ])('finds by the prefix %j', async (prefix, expected) => {
        for (const id of ['r1/a', 'r1/b', 'r10/a', 'r2/a', 'R1/a', '发/a', '%', '\uffff', '🚀', '\u{10ffff}x']) {
          await store.insert('things', id, {})
        }
        expect(ids(await store.find('things', { prefix }))).toEqual(expected)
      })

      it('finds by equality on top-level fields, and by type', async () => {
        const documents: Record<string, Json> = {
          true: { v: true },
          one: { v: 1 },
          text: { v: '1' },
          half: { v: 0.5 },
          object: { v: { a: 1 } },
          json: { v: '{"a":1}' },
          null: { v: null },
          none: { w: 1 },
          list: [1],
          quote: { v: "it's" },
          false: { v: false },
          zero: { v: 0 },
          deep: { x: { v: 1 } },
        }
        for (const [id, document] of Object.entries(documents)) await store.insert('things', id, document)
        const found = async (v: string | number | boolean) => ids(await store.find('things', { where: { v } }))
        expect(await found(true)).toEqual(['true'])
        expect(await found(false)).toEqual(['false'])
        expect(await found(1)).toEqual(['one'])
        expect(await found(0)).toEqual(['zero'])
        expect(await found(0.5)).toEqual(['half'])
        expect(await found('1')).toEqual(['text'])
        expect(await found('{"a":1}')).toEqual(['json'])
        expect(await found("it's")).toEqual(['quote'])
        expect(await found(Number.NaN)).toEqual([])
      })

      it('takes all conditions together', async () => {
        await store.insert('things', 'r/1', { state: 'open', n: 1 })
        await store.insert('things', 'r/2', { state: 'open', n: 2 })
        await store.insert('things', 'r/3', { state: 'open', n: 2 })
        await store.insert('things', 's/1', { state: 'open', n: 2 })
        await store.insert('things', 'r/4', { state: 'closed', n: 2 })
        const query = { where: { state: 'open', n: 2 }, prefix: 'r/', descending: true, limit: 1 }
        expect(ids(await store.find('things', query))).toEqual(['r/3'])
      })

      it.each(["a') OR 1=1 --", 'a.b', '', '1a', 'a"b', '$a', 'a b'])('refuses the field name %j', async (field) => {
        await expect(store.find('things', { where: { [field]: 1 } })).rejects.toMatchObject({
          code: 'store.bad-argument',
        })
      })
    })

    describe('streams', () => {
      const seqs = async (stream: string) => (await store.read(stream)).map((entry) => entry.seq)

      it('numbers entries from 0 and gives them back in order', async () => {
        expect(await store.append('s', 'a')).toBe(0)
        expect(await store.append('s', { b: 1 })).toBe(1)
        expect(await store.append('t', 'other')).toBe(0)
        expect(await store.read('s')).toEqual([
          { seq: 0, entry: 'a' },
          { seq: 1, entry: { b: 1 } },
        ])
        expect(await store.read('nothing')).toEqual([])
      })

      it('reads from a number on, and no more than asked', async () => {
        for (let i = 0; i < 5; i++) await store.append('s', i)
        expect((await store.read('s', 2)).map((entry) => entry.entry)).toEqual([2, 3, 4])
        expect((await store.read('s', 1, 2)).map((entry) => entry.entry)).toEqual([1, 2])
        expect(await store.read('s', 5)).toEqual([])
        expect(await store.read('s', 0, 0)).toEqual([])
      })

      it('gives the newest entries, in order, and no more than asked', async () => {
        expect(await store.last('s', 3)).toEqual([])
        for (let i = 0; i < 5; i++) await store.append('s', i, i * 10)
        expect(await store.last('s', 2)).toEqual([
          { seq: 30, entry: 3 },
          { seq: 40, entry: 4 },
        ])
        expect(await store.last('s', 50)).toEqual(await store.read('s'))
        expect(await store.last('s', 0)).toEqual([])
      })

      it('writes at a number only when it is free and not below the end', async () => {
        expect(await store.append('s', 'first', 0)).toBe(0)
        expect(await store.append('s', 'again', 0)).toBeUndefined()
        expect(await store.append('s', 'gap', 10)).toBe(10)
        expect(await store.append('s', 'in the gap', 5)).toBeUndefined()
        expect(await store.append('s', 'taken', 10)).toBeUndefined()
        expect(await store.append('s', 'negative', -1)).toBeUndefined()
        expect(await store.append('s', 'next')).toBe(11)
        expect(await store.append('s', 'at the end', 12)).toBe(12)
        expect(await seqs('s')).toEqual([0, 10, 11, 12])
        expect(await store.read('s', 1, 1)).toEqual([{ seq: 10, entry: 'gap' }])
      })

      it('takes byte offsets beyond 2^32 as numbers', async () => {
        const far = 2 ** 52
        expect(await store.append('s', 'far', far)).toBe(far)
        expect(await store.append('s', 'next')).toBe(far + 1)
        await expect(store.append('s', 'half', 0.5)).rejects.toMatchObject({ code: 'store.bad-argument' })
      })

      it('loses and doubles none of 50 concurrent appends', async () => {
        const stores = [world.store, world.other]
        const results = await Promise.all(
          Array.from({ length: 50 }, (_, i) => (stores[i % 2] ?? store).append('s', `e${i}`)),
        )
        expect(new Set(results).size).toBe(50)
        const entries = await store.read('s')
        expect(entries.map((entry) => entry.seq)).toEqual(Array.from({ length: 50 }, (_, i) => i))
        for (const [i, seq] of results.entries()) expect(entries[seq ?? -1]?.entry).toBe(`e${i}`)
      })

      it('keeps the order of calls that were made one after the other without waiting', async () => {
        await Promise.all(Array.from({ length: 50 }, (_, i) => store.append('s', i)))
        expect((await store.read('s')).map((entry) => entry.entry)).toEqual(Array.from({ length: 50 }, (_, i) => i))
      })

      it('gives one number to exactly one of 20 concurrent appends', async () => {
        const stores = [world.store, world.other]
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) => (stores[i % 2] ?? store).append('s', i, 7)),
        )
        expect(results.filter((seq) => seq === 7)).toHaveLength(1)
        expect(await store.read('s')).toEqual([{ seq: 7, entry: results.indexOf(7) }])
      })

      it('tells streams with odd names apart', async () => {
        for (const id of oddIds) await store.append(id, id)
        for (const id of oddIds) expect(await store.read(id)).toEqual([{ seq: 0, entry: id }])
      })
    })

    it('does not let a call that loses or fails take its neighbours along', async () => {
      await store.insert('things', 'a', { n: 1 })
      const loop: { [key: string]: Json } = {}
      loop.self = loop
      const [lost, taken, failed, kept, appended] = await Promise.allSettled([
        store.put('things', 'a', { n: 2 }, 9),
        store.insert('things', 'a', { n: 3 }),
        store.insert('things', 'loop', loop),
        store.insert('things', 'b', { n: 4 }),
        store.append('s', 'x'),
      ])
      expect(lost).toEqual({ status: 'fulfilled', value: undefined })
      expect(taken).toEqual({ status: 'fulfilled', value: false })
      expect(failed).toMatchObject({ status: 'rejected', reason: { code: 'store.not-json' } })
      expect(kept).toEqual({ status: 'fulfilled', value: true })
      expect(appended).toEqual({ status: 'fulfilled', value: 0 })
      expect(await store.find('things')).toHaveLength(2)
    })

    it('refuses ids that no database keeps apart, with words that quote no document', async () => {
      for (const bad of ['', '\ud800']) {
        const error = await store.insert('things', bad, { secret }).catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: 'store.bad-argument' })
        expect(JSON.stringify(error) + String(error)).not.toContain(secret)
        await expect(store.append(bad, { secret })).rejects.toMatchObject({ code: 'store.bad-argument' })
      }
      await expect(store.insert("x'; --", 'a', { secret })).rejects.toMatchObject({ code: 'store.bad-argument' })
      await expect(store.find('things', { limit: -1 })).rejects.toMatchObject({ code: 'store.bad-argument' })
    })

    it('says store.unavailable after it was closed, and closes twice without a word', async () => {
      await store.insert('things', 'a', { secret })
      await store.close()
      await store.close()
      const error = await store.get('things', 'a').catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'Fault', code: 'store.unavailable' })
      await expect(store.insert('things', 'b', { secret })).rejects.toMatchObject({ code: 'store.unavailable' })
      expect(JSON.stringify(error) + String(error)).not.toContain(secret)
    })

    it('behaves like a map of documents and a list of entries under any sequence of calls', async () => {
      const id = fc.constantFrom('a', 'b', 'ab', '发')
      const action = fc.oneof(
        fc.record({ do: fc.constant('insert' as const), id, n: fc.integer({ min: 0, max: 2 }) }),
        fc.record({
          do: fc.constant('put' as const),
          id,
          n: fc.integer({ min: 0, max: 2 }),
          version: fc.integer({ min: 1, max: 3 }),
        }),
        fc.record({
          do: fc.constant('append' as const),
          id,
          n: fc.nat(9),
          at: fc.option(fc.nat(12), { nil: undefined }),
        }),
        fc.record({
          do: fc.constant('find' as const),
          prefix: fc.constantFrom('', 'a', '发'),
          n: fc.integer({ min: 0, max: 2 }),
        }),
        fc.record({ do: fc.constant('trim' as const), id, before: fc.nat(12) }),
        fc.record({
          do: fc.constant('read' as const),
          id,
          from: fc.nat(12),
          limit: fc.option(fc.nat(3), { nil: undefined }),
        }),
      )
      let run = 0
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
          const space = `run${run++}`
          const rows = new Map<string, { version: number; n: number }>()
          const streams = new Map<string, { seq: number; entry: number }[]>()
          for (const a of actions) {
            if (a.do === 'insert') {
              expect(await store.insert(space, a.id, { n: a.n })).toBe(!rows.has(a.id))
              if (!rows.has(a.id)) rows.set(a.id, { version: 1, n: a.n })
            } else if (a.do === 'put') {
              const fits = rows.get(a.id)?.version === a.version
              expect(await store.put(space, a.id, { n: a.n }, a.version)).toBe(fits ? a.version + 1 : undefined)
              if (fits) rows.set(a.id, { version: a.version + 1, n: a.n })
            } else if (a.do === 'append') {
              const list = streams.get(a.id) ?? []
              const end = (list.at(-1)?.seq ?? -1) + 1
              const seq = a.at === undefined ? end : a.at >= end ? a.at : undefined
              expect(await store.append(`${space}/${a.id}`, a.n, a.at)).toBe(seq)
              if (seq !== undefined) streams.set(a.id, [...list, { seq, entry: a.n }])
            } else if (a.do === 'trim') {
              await store.trim(`${space}/${a.id}`, a.before)
              const list = streams.get(a.id) ?? []
              streams.set(
                a.id,
                list.filter((e, place) => e.seq >= a.before || place === list.length - 1),
              )
            } else if (a.do === 'find') {
              const expected = [...rows]
                .filter(([key, row]) => key.startsWith(a.prefix) && row.n === a.n)
                .map(([key, row]) => ({ id: key, version: row.version, document: { n: row.n } }))
                .sort((x, y) => Buffer.compare(Buffer.from(x.id), Buffer.from(y.id)))
              expect(await store.find(space, { prefix: a.prefix, where: { n: a.n } })).toEqual(expected)
            } else {
              const expected = (streams.get(a.id) ?? []).filter((e) => e.seq >= a.from).slice(0, a.limit)
              expect(await store.read(`${space}/${a.id}`, a.from, a.limit)).toEqual(expected)
              const newest = (streams.get(a.id) ?? []).toReversed().slice(0, a.from).toReversed()
              expect(await store.last(`${space}/${a.id}`, a.from)).toEqual(newest)
            }
          }
        }),
        { numRuns: 60 },
      )
    })
  })
}
