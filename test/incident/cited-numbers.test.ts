import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { citedIn, confirms, inOrder, noEvidence } from '../../src/incident/cited-numbers.ts'

const textsOf = (content: string) => citedIn(content).map(({ text }) => text)

describe('the numbers that a report states', () => {
  test.each<[string, string[]]>([
    ['Error rate rose from 0.2 % to 18.3%', ['0.2 %', '18.3%']],
    ['p95 went from 250 ms to 1.25 s, p99.9 as well', ['250 ms', '1.25 s']],
    ['memory 512 MiB of 2GB', ['512 MiB', '2GB']],
    ['3 of 5 hosts, 1,234 requests', ['3', '5', '1,234']],
    ['4 min 30 s after the deploy, for 2 h 5 min', ['4 min 30 s', '2 h 5 min']],
    ['12× as much, ×3, 2.5 times', ['12×', '3', '2.5 times']],
    ['41 /s and 41 req/s and 41 requests per second', ['41 /s', '41 req/s', '41 requests per second']],
    ['延迟为2.5秒，3台主机，上升12个百分点，增长2.5倍', ['2.5秒', '3', '12个百分点', '2.5倍']],
    ['between 3-5 s', ['3', '5 s']],
    ['fell by -3 cores', ['-3 cores']],
    ['1.5e-3 s', ['1.5e-3 s']],
    // Nothing of these is a measurement.
    ['version v1.2.0, 1.2.3-rc.1 and v2', []],
    ['at 2026-01-02T10:05:30Z, 10:05, 10:05:30.123, 2026年1月2日 10时5分, 1月2日', []],
    ['R-142, A-17, R-7/2, #42, PR 42, pull request 7, commit 3f2a91c', []],
    ['bj-1, web-3:9100, 10.0.0.1:9100, p95, http2, user_v2', []],
    ['HTTP 503, 5xx, status code 500, status 200 and 404, port 8080, line 12, HTTP 2', []],
    // Unless they are.
    ['status 97, status 97 %, batch 97 %, port 97.5 %, line 12 ms, 第97%', ['97', '97 %', '97.5 %', '12 ms', '97%']],
    ['`97 %` of `12 ms` and `731`', ['97 %', '12 ms', '731']],
    ['latency:731ms, errors:97 %, busy/97%', ['731ms', '97 %', '97%']],
    ['p95:9100 and src/app.ts:12 is', []],
    ['the 95th percentile, 第3批, 99 分位, 状态码 500', []],
    ['1. first\n2) second\n  (3) third\n- 4. fourth', []],
    ['`rate(x[5m]) > 0.5` and http_requests_total{code="500"} and foo[5m]', []],
    ['see https://example.com/a/42?b=7', []],
  ])('%j', (content, expected) => {
    expect(textsOf(content)).toEqual(expected)
  })

  it('are found in text of any kind, without an error and in no long time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        for (const { readings } of citedIn(text)) expect(readings.length).toBeGreaterThan(0)
      }),
    )
    const begun = performance.now()
    for (const piece of ['1', '1,', '1.', '1-', '1 ', 'a1', '1:', '{', 'a{', '(1', '1e'])
      citedIn(piece.repeat(20_000 / piece.length))
    expect(performance.now() - begun).toBeLessThan(5000)
  })
})

describe('a number is confirmed', () => {
  const evidence = inOrder({
    measured: {
      ratio: [0.18312, 0],
      seconds: [1.2512, 270.4],
      bytes: [536870912],
      cores: [6.5],
      per_second: [41.2],
      count: [85.2, 600],
    },
    seen: [3, 1234, 0.77],
    factor: [12.4],
    change: [0.301],
    difference: [0.05],
  })
  test.each<[string, boolean]>([
    ['18.3 %', true],
    ['18.31%', true],
    ['18.4 %', false],
    ['18 %', true],
    ['20 %', false],
    ['about 19 %', true],
    ['约 19%', true],
    ['0.183', true],
    ['1.25 s', true],
    ['1251 ms', true],
    ['1.3 s', true],
    ['1.2 s', false],
    ['512 MiB', true],
    ['537 MB', true],
    ['0.54 GB', true],
    ['600 MB', false],
    ['4 min 30 s', true],
    ['4 min', true],
    ['6 min', false],
    // Nothing of another unit: 41 /s, 6.5 cores, 85 of something, 270 s.
    ['85 %', false],
    ['77 %', false],
    ['41 %', false],
    ['270 %', false],
    ['6.5 %', false],
    ['41 /s', true],
    ['41 ms', false],
    ['41 cores', false],
    ['6.5 cores', true],
    ['6.5 /s', false],
    ['18 /s', false],
    ['600 s', false],
    ['600 MB', false],
    ['270 /s', false],
    // A bare number may be any of them.
    ['85', true],
    ['41', true],
    ['6.5', true],
    ['77', false],
    ['3 hosts', true],
    ['4 hosts', false],
    // Counts confirm no measurement.
    ['3 ms', false],
    ['1,234', true],
    ['12.4 times', true],
    ['12 倍', true],
    ['30 %', true],
    ['13×', false],
    ['5 percentage points', true],
    ['5 %', false],
    ['0 %', true],
  ])('%s: %s', (text, found) => {
    expect(citedIn(text).map((cited) => confirms(evidence, cited))).toEqual([found])
  })

  it('when it was printed from a value of the evidence, with any number of places', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), fc.integer({ min: 0, max: 4 }), (value, places) => {
        const { measured, ...rest } = noEvidence()
        const one = inOrder({ ...rest, measured: { ...measured, ratio: [value], seconds: [value] } })
        for (const text of [
          `${(value * 100).toFixed(places)} %`,
          `${value.toFixed(places)} s`,
          `${(value * 1000).toFixed(places)} ms`,
        ])
          expect(citedIn(text).some((cited) => confirms(one, cited))).toBe(true)
      }),
    )
  })
})
