import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createDecoder,
  createFrameReader,
  type Frame,
  NotTheProtocol,
  openTail,
  printable,
} from '../../../src/adapters/ssh/frames.ts'

const nonce = 'f00d'
const line = (text: string) => Buffer.from(`@${nonce} ${text}\n`)
const out = (offset: number, bytes: Buffer, size = offset + bytes.length) =>
  Buffer.concat([line(`out ${offset} ${bytes.length} ${size}`), bytes])
/** Feeds the bytes cut at the given places. */
function feed(bytes: Buffer, cuts: number[] = []): Frame[] {
  const read = createFrameReader(nonce)
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...places, bytes.length].flatMap((to, i) => read(bytes.subarray(i === 0 ? 0 : places[i - 1]!, to)))
}

describe('the frame reader', () => {
  test('finds the same frames however the bytes are cut, noise before and between them left out', () => {
    const chunk = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), fc.array(fc.nat(5000), { maxLength: 20 }), (chunks, cuts) => {
        const parts: Buffer[] = [Buffer.from('Welcome to prod\r\n')]
        let offset = 0
        for (const bytes of chunks) {
          parts.push(out(offset, bytes), line('beat'), Buffer.from('@0000 state done 0\n'))
          offset += bytes.length
        }
        parts.push(line('state done 3 start: exit 3'))
        const frames = feed(Buffer.concat(parts), cuts)
        const got = frames.flatMap((frame) => (frame.type === 'out' ? [frame.bytes] : []))
        expect(Buffer.concat(got).equals(Buffer.concat(chunks))).toBe(true)
        expect(frames.at(-1)).toEqual({ type: 'state', state: { at: 'done', rc: 3, reason: 'start: exit 3' } })
        expect(frames).toHaveLength(chunks.length * 2 + 1)
      }),
    )
  })

  test('a short chunk is never handed out', () => {
    const whole = out(0, Buffer.from('0123456789'))
    expect(feed(whole.subarray(0, whole.length - 1))).toEqual([])
    expect(feed(whole)).toHaveLength(1)
  })

  test.each<[string, object]>([
    ['state new ', { at: 'new' }],
    ['state running ', { at: 'running' }],
    ['state lost ', { at: 'lost' }],
    ['state done 0 ', { at: 'done', rc: 0 }],
    ['state done 124 timeout: not done', { at: 'done', rc: 124, reason: 'timeout: not done' }],
    ['state refused busy r1--h--d--1', { at: 'refused', why: 'busy', detail: 'r1--h--d--1' }],
    ['state refused epoch', { at: 'refused', why: 'epoch', detail: '' }],
  ])('%s', (text, state) => {
    expect(feed(line(text))).toEqual([{ type: 'state', state }])
  })

  test.each([
    'state done',
    'state done x',
    'state done 1234',
    'state refused why',
    'state gone',
    'out 1 2',
    'out -1 2 3',
    'out 0 65537 65537',
    'out 0 1e3 1',
    'hello',
    '',
  ])('%j is no frame', (text) => {
    expect(() => feed(line(text))).toThrow(NotTheProtocol)
  })

  test('a reason cannot paint the terminal and has an end', () => {
    const frames = feed(line(`state done 1 start: \x1b[31mred\x07 \u202e${'x'.repeat(3000)}`))
    const state = frames[0]?.type === 'state' ? frames[0].state : undefined
    expect(state).toMatchObject({ at: 'done', reason: expect.stringMatching(/^start: \[31mred x+$/) })
    expect(JSON.stringify(state).length).toBeLessThan(700)
  })

  test('noise is capped, with and without line ends', () => {
    expect(() => feed(Buffer.alloc(10_000, 'x'))).toThrow(NotTheProtocol)
    expect(() => feed(Buffer.from('noise\n'.repeat(20_000)))).toThrow(NotTheProtocol)
    expect(feed(Buffer.from('noise\n'.repeat(1000)))).toEqual([])
  })

  test('printable keeps letters of every script', () => {
    expect(printable(' grün 绿 \r\n\t\0 ok\x1b ')).toBe('grün 绿 ok')
  })
})

describe('the decoder', () => {
  test('text that is cut anywhere comes whole, and the offsets count bytes', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 200 })
    fc.assert(
      fc.property(text, fc.array(fc.nat(2000), { maxLength: 12 }), fc.nat(1000), (whole, cuts, from) => {
        const bytes = Buffer.from(whole)
        const decoder = createDecoder(from)
        const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
        let at = from
        let got = ''
        for (const [i, to] of [...places, bytes.length].entries()) {
          const output = decoder.push(bytes.subarray(i === 0 ? 0 : places[i - 1]!, to), i === places.length)
          if (output === undefined) continue
          expect(output.offset).toBe(at)
          at += output.bytes
          got += output.text
        }
        expect(at).toBe(from + bytes.length)
        expect(got).toBe(bytes.toString())
      }),
    )
  })

  test('any bytes are counted, none is lost', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 10 }), (parts) => {
        const decoder = createDecoder(0)
        let total = 0
        for (const [i, part] of parts.entries()) {
          total += decoder.push(Buffer.from(part), i === parts.length - 1)?.bytes ?? 0
        }
        expect(total).toBe(parts.reduce((sum, part) => sum + part.length, 0))
        expect(decoder.at()).toBe(total)
      }),
    )
  })

  test.each<[number[], number]>([
    [[], 0],
    [[0x61], 0],
    [[0xc3], 1],
    [[0xc3, 0xa4], 0],
    [[0xe2, 0x82], 2],
    [[0xf0, 0x9f, 0x98], 3],
    [[0xf0, 0x9f, 0x98, 0x80], 0],
    [[0x80, 0x80, 0x80, 0x80], 0],
    [[0xff], 0],
    [[0xc0], 0],
    [[0x61, 0xe2], 1],
  ])('%j: %i bytes wait for more', (bytes, count) => {
    expect(openTail(Buffer.from(bytes))).toBe(count)
  })
})
