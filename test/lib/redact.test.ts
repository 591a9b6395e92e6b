import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRedactor, maskable } from '../../src/lib/redact.ts'

const secret = fc
  .oneof(
    fc.string({ minLength: 6, maxLength: 40, unit: 'grapheme' }),
    fc.string({ minLength: 6, maxLength: 12, unit: fc.constantFrom('*', 'a', '"', '\n', '%', '/') }),
  )
  .filter(maskable)

describe('a registered secret', () => {
  test('survives in no text: raw, JSON, URL-encoded, base64 at any alignment, hexadecimal', () => {
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), (hidden, before, after) => {
        const redact = createRedactor([hidden])
        const around = before + hidden + after
        const bytes = Buffer.from(hidden)
        expect(redact.text(around)).not.toContain(hidden)
        expect(redact.text(JSON.stringify({ around }))).not.toContain(JSON.stringify(hidden).slice(1, -1))
        expect(redact.text(`q=${encodeURIComponent(hidden)}&x`)).not.toContain(encodeURIComponent(hidden))
        expect(redact.text(String(new URLSearchParams({ q: hidden })))).not.toContain(
          new URLSearchParams({ q: hidden }).toString().slice(2),
        )
        expect(redact.text(bytes.toString('hex'))).not.toContain(bytes.toString('hex'))
        for (const encoding of ['base64', 'base64url'] as const) {
          const encoded = Buffer.from(around).toString(encoding)
          expect(decodings(redact.text(encoded)).some((text) => text.includes(hidden))).toBe(false)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('survives in no value, as a string, a key, a number, in an error or deep inside', () => {
    fc.assert(
      fc.property(secret, fc.object({ maxDepth: 2 }), (hidden, other) => {
        const redact = createRedactor([hidden, '123456'])
        const error = new Error(`failed with ${hidden}`, { cause: { hidden } })
        const value = {
          other,
          [hidden]: 1,
          list: [{ deep: `x${hidden}y` }],
          error,
          count: 9_123_456,
          set: new Set([hidden]),
          map: new Map([[hidden, hidden]]),
        }
        const printed = JSON.stringify(redact.value(value))
        expect(printed).not.toContain(JSON.stringify(hidden).slice(1, -1))
        expect(printed).not.toContain('123456')
      }),
    )
  })

  test('that is too short or is the mask itself is refused, an empty one is nothing', () => {
    expect(() => createRedactor(['abc'])).toThrow(expect.objectContaining({ code: 'redact.secret-too-weak' }))
    expect(() => createRedactor(['*********'])).toThrow(expect.objectContaining({ code: 'redact.secret-too-weak' }))
    expect(createRedactor(['']).text('plain')).toBe('plain')
  })

  test('that contains the shape of another secret leaves nothing of itself behind', () => {
    expect(createRedactor(['key Bearer ABC123def tail-of-it']).text('x key Bearer ABC123def tail-of-it y')).toBe(
      'x *** y',
    )
  })

  test('that ends in asterisks cannot be put together again by the mask', () => {
    expect(createRedactor(['***abc']).text('***abcabc')).not.toContain('***abc')
  })
})

describe('shapes of secrets, registered or not', () => {
  const key = ['-----BEGIN OPENSSH PRIVATE', 'KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE', 'KEY-----'].join(' ')
  test.each([
    ['Authorization: Bearer abcdef123456.xyz', 'abcdef'],
    ['authorization: basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
    ['postgres://bot:hunter22@db/x', 'hunter22'],
    [`slack ${['xoxb', '123456789', 'abcdefghi'].join('-')} end`, 'abcdefghi'],
    [`app ${['xapp', '1', 'A111', 'zzzz'].join('-')} end`, 'A111'],
    [`https://hooks.slack.com/${'services'}/T0/B0/qwertz`, 'qwertz'],
    [`git ${['ghp', 'a'.repeat(36)].join('_')}`, 'aaaaaaaa'],
    [key, 'b3BlbnNzaC1r'],
    [key.slice(0, 50), 'b3Blb'],
  ])('%s', (text, hidden) => {
    const masked = createRedactor().text(text)
    expect(masked).not.toContain(hidden)
    expect(masked).toContain('***')
  })

  test('ordinary text stays as it is', () => {
    const text = 'web-3 runs v1.1.0; see http://127.0.0.1:8888/releases/R-1?x=1 (basic health: ok, 12:30@noon)'
    expect(createRedactor(['not-in-there']).text(text)).toBe(text)
  })

  test('long hostile text is masked in linear time', () => {
    const started = performance.now()
    const redact = createRedactor(['some-secret'])
    for (const part of ['-----BEGIN PRIVATE KEY-----', 'a://', 'Bearer ', 'xoxb-', 'a:', '@'])
      redact.text(part.repeat(200_000 / part.length))
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

describe('value', () => {
  test('masks what stands under a sensitive key whatever it is, and keeps the rest', () => {
    const value = {
      host: 'web-1',
      password: 'x',
      nested: { apiKey: { a: 1 }, slack_token: 'y', botToken: 1 },
      tokens: 3,
      at: new Date(0),
      bytes: Buffer.from('abc'),
    }
    expect(createRedactor().value(value)).toEqual({
      host: 'web-1',
      password: '***',
      nested: { apiKey: '***', slack_token: '***', botToken: '***' },
      tokens: 3,
      at: '1970-01-01T00:00:00.000Z',
      bytes: '[3 bytes]',
    })
  })

  test('survives a value that contains itself', () => {
    const loop: Record<string, unknown> = { name: 'a' }
    loop.self = loop
    expect(createRedactor().value({ loop, twice: [loop, loop] })).toMatchObject({
      loop: { name: 'a', self: '[circular]' },
    })
  })
})

/** Every reading of the base64 runs within a text, at the four alignments of a run's start. */
function decodings(text: string): string[] {
  return text
    .split('***')
    .flatMap((run) => [0, 1, 2, 3].map((skip) => Buffer.from(run.slice(skip), 'base64').toString()))
}
