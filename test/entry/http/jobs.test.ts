import { describe, expect, test } from 'vitest'
import { readSome } from '../../../src/entry/http/jobs.ts'
import type { Desk } from '../../../src/release/desk.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'

const JOB = 'R-1.t/bj-1/deploy/1'
const SECRET = 'hunter2-hunter2'

async function world(state: Record<string, unknown>, chunks: string[]) {
  const store = createMemoryStore()
  const row = { host: 'bj-1', step: 'deploy', attempt: 1, startedAt: '2026-01-01T00:00:00.000Z', state }
  await store.insert('jobs', JOB, row as never)
  let offset = 0
  const add = async (text: string) => {
    const bytes = Buffer.byteLength(text)
    await store.append(`output/${JOB}`, { text, bytes }, offset)
    offset += bytes
  }
  for (const chunk of chunks) await add(chunk)
  const desk = { store, redact: (text: string) => text.replaceAll(SECRET, '***') } as unknown as Desk
  return { store, add, desk, read: (from: number) => readSome(desk, JOB, from) }
}

/** Asks as a client does, until it is told that nothing more comes. */
async function follow(read: (from: number) => ReturnType<typeof readSome>) {
  const texts: string[] = []
  for (let from = 0; ; ) {
    const { text, next, over } = await read(from)
    texts.push(text)
    if (over) return texts
    if (next === from) throw new Error(`stuck at ${from}`)
    from = next
  }
}

describe('the output of a job', () => {
  test('of megabytes comes in bounded pieces that make the whole', async () => {
    const line = `${'ü'.repeat(2000)}\n`
    const { read } = await world(
      { at: 'done', rc: 0 },
      Array.from({ length: 1000 }, () => line),
    )
    const texts = await follow(read)
    expect(texts.join('')).toBe(line.repeat(1000))
    expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBeLessThan(80_000)
    expect(texts.length).toBeLessThan(100)
  })

  test('of many small chunks does too', async () => {
    const { read } = await world(
      { at: 'done', rc: 0 },
      Array.from({ length: 1000 }, (_, n) => `${n}\n`),
    )
    const texts = await follow(read)
    expect(texts.join('').split('\n')).toHaveLength(1001)
  })

  test('that still grows is followed: nothing twice, nothing lost, and the last unfinished line once it is whole', async () => {
    const { read, add, store } = await world({ at: 'running' }, ['one\n', 'two\nthr'])
    const first = await read(0)
    expect(first).toMatchObject({ text: 'one\n', next: 4, over: false, state: 'running' })
    expect(await read(4)).toMatchObject({ text: '', next: 4, over: false })
    await add('ee\n')
    const second = await read(4)
    expect(second).toMatchObject({ text: 'two\nthree\n', next: 14, over: false })
    await add('without an end')
    const row = await store.get('jobs', JOB)
    await store.put('jobs', JOB, { ...(row?.document as object), state: { at: 'done', rc: 3, reason: 'no' } }, 1)
    expect(await read(14)).toMatchObject({ text: 'without an end', over: true, state: 'done 3: no' })
  })

  test.each([1, 5, 10, 14])('never shows a secret that lies in two chunks, cut after %i characters', async (cut) => {
    const chunks = [`a ${SECRET.slice(0, cut)}`, `${SECRET.slice(cut)} b\n`, 'c\n']
    const whole = await world({ at: 'done', rc: 0 }, chunks)
    expect((await whole.read(0)).text).toBe('a *** b\nc\n')
    // The cut lies where one answer ends and the next begins.
    const filler = `${'x'.repeat(65_533 - cut)} `
    const split = await world({ at: 'done', rc: 0 }, [`${filler}a ${SECRET.slice(0, cut)}`, ...chunks.slice(1)])
    const texts = await follow(split.read)
    expect(texts.length).toBe(2)
    const joined = texts.join('')
    expect(joined).toContain('***')
    expect(joined).not.toContain(SECRET)
    for (const piece of [SECRET.slice(0, Math.max(3, cut)), SECRET.slice(Math.min(cut, 12))])
      expect(joined).not.toContain(piece)
    expect(joined.endsWith(' b\nc\n')).toBe(true)
  })

  test('of a job that nobody knows is refused', async () => {
    const { desk } = await world({ at: 'new' }, [])
    await expect(readSome(desk, 'R-2.t/x/deploy/1', 0)).rejects.toMatchObject({ code: 'entry.unknown-job' })
  })
})
