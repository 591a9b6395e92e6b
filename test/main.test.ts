import { execFile } from 'node:child_process'
import { describe, expect, test } from 'vitest'

const run = (...args: string[]) =>
  new Promise<{ code: unknown; out: string; said: string }>((resolve) => {
    execFile(process.execPath, ['src/main.ts', ...args], { timeout: 20_000 }, (error, out, said) =>
      resolve({ code: error === null ? 0 : error.code, out, said }),
    )
  })

describe('a number that is none is refused before anything begins', () => {
  test.each([
    [['demo', '--port', 'abc'], '--port must be a whole number from 0 to 65535; "abc" is none.'],
    [['demo', '--story', '--port', '65536'], '--port must be a whole number from 0 to 65535; "65536" is none.'],
    [['demo', '--port=-1'], '--port must be a whole number from 0 to 65535; "-1" is none.'],
    [['audit', '--entries', 'x'], '--entries must be a whole number, 0 or more; "x" is none.'],
    [['audit', '--entries', '1.5'], '--entries must be a whole number, 0 or more; "1.5" is none.'],
  ])('%j', async (args, line) => {
    const { code, out, said } = await run(...args)
    expect(said.split('\n')[0]).toBe(line)
    expect([code, out]).toEqual([2, ''])
  })
})
