import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fault, toDocument } from '../../src/lib/fault.ts'
import type { Metrics } from '../../src/ports/metrics.ts'

/**
 * What the contract needs: a database that for at least 10 s has scraped, each second, two hosts `a` and `b` with
 * `http_requests_total{host,service="user-service",code}` (a counter that grows), the histogram `http_request_duration_seconds`, and
 * `odd_values{host,kind="nan"|"high"|"low"}` (NaN, +Inf, -Inf).
 */
export interface MetricsWorld {
  metrics: Metrics
  /** The same adapter with the same secret, pointed at a port where nobody listens. */
  nobody: Metrics
  secret: string
  close(): Promise<void>
}

/** The contract of the `Metrics` port; every adapter passes it. */
export function metricsContract(
  suite: (name: string, run: () => void) => void,
  name: string,
  open: () => Promise<MetricsWorld>,
): void {
  suite(`the Metrics contract: ${name}`, () => {
    let world: MetricsWorld
    beforeAll(async () => {
      world = await open()
    })
    afterAll(() => world?.close())
    const faultOf = (call: Promise<unknown>): Promise<Fault> =>
      call.then(
        () => Promise.reject(new Error('it did not fail')),
        (fault) => fault,
      )

    describe('what it knows', () => {
      test('the catalogue has every name with its type and help, those of a histogram too', async () => {
        const all = new Map((await world.metrics.catalogue()).map((info) => [info.name, info]))
        expect(all.get('http_requests_total')).toEqual({
          name: 'http_requests_total',
          type: 'counter',
          help: 'Requests answered.',
        })
        expect(all.get('http_request_duration_seconds_bucket')?.type).toBe('histogram')
        expect(all.get('odd_values')?.type).toBe('gauge')
        expect(all.get('up')?.type).toBe('unknown')
      })

      test('series are label sets with their name, at most as many as wanted', async () => {
        const found = await world.metrics.series('http_requests_total{host="a"}')
        expect(found[0]).toMatchObject({
          __name__: 'http_requests_total',
          host: 'a',
          service: 'user-service',
          code: '200',
        })
        expect(found.every(({ host }) => host === 'a')).toBe(true)
        expect((await world.metrics.series('{service="user-service"}')).length).toBeGreaterThan(5)
        expect(await world.metrics.series('{service="user-service"}', 3)).toHaveLength(3)
        expect(await world.metrics.series('no_such_metric')).toEqual([])
      })
    })

    describe('queries', () => {
      test('an instant query gives one sample per series, with its time in seconds', async () => {
        const now = new Date()
        const found = await world.metrics.instant('sum by (host) (http_requests_total)', now)
        expect(found.map(({ labels }) => labels).sort((a, b) => (a.host ?? '').localeCompare(b.host ?? ''))).toEqual([
          { host: 'a' },
          { host: 'b' },
        ])
        expect(found.every(({ at, value }) => Math.abs(at - now.getTime() / 1000) < 0.01 && value > 0)).toBe(true)
      })

      test('an instant query is asked at its time, now when none is given', async () => {
        expect(await world.metrics.instant('http_requests_total', new Date(0))).toEqual([])
        const [now] = await world.metrics.instant('time()')
        expect(Math.abs((now?.value ?? 0) - Date.now() / 1000)).toBeLessThan(5)
        expect(now?.labels).toEqual({})
      })

      test('a range query gives ascending points within its bounds, one per step', async () => {
        const to = new Date()
        const from = new Date(to.getTime() - 4000)
        const series = await world.metrics.range('sum by (host) (http_requests_total)', from, to, 2)
        expect(series).toHaveLength(2)
        for (const { points } of series) {
          expect(points.map(([at]) => Math.round((at - from.getTime() / 1000) * 1000))).toEqual([0, 2000, 4000])
          expect(points.map(([, value]) => value)).toEqual(points.map(([, value]) => value).sort((a, b) => a - b))
        }
      })

      test('NaN and infinities are kept as they came', async () => {
        const value = async (kind: string) =>
          (await world.metrics.instant(`odd_values{host="a",kind="${kind}"}`))[0]?.value
        expect(await value('nan')).toBeNaN()
        expect(await value('high')).toBe(Number.POSITIVE_INFINITY)
        expect(await value('low')).toBe(Number.NEGATIVE_INFINITY)
        const [series] = await world.metrics.range(
          'odd_values{host="a",kind="low"}',
          new Date(Date.now() - 2000),
          new Date(),
          1,
        )
        expect(series?.points.every(([, each]) => each === Number.NEGATIVE_INFINITY)).toBe(true)
      })

      test('nothing that matches is an empty answer, not a fault', async () => {
        expect(await world.metrics.instant('no_such_metric')).toEqual([])
        expect(await world.metrics.range('no_such_metric', new Date(Date.now() - 5000), new Date(), 1)).toEqual([])
      })

      test('a long query arrives whole', async () => {
        const long = `up{instance!~"${'x'.repeat(20_000)}"}`
        expect((await world.metrics.instant(long)).length).toBe(2)
      })
    })

    describe('faults', () => {
      test('a bad query is refused, says why, and is not worth a retry', async () => {
        for (const call of [
          () => world.metrics.instant('sum by ('),
          () => world.metrics.range('sum by (', new Date(0), new Date(), 60),
          () => world.metrics.series('{'),
          () => world.metrics.range('up', new Date(0), new Date(), 1),
        ]) {
          const fault = await faultOf(call())
          expect(fault).toMatchObject({ code: 'metrics.refused', retry: false })
          expect(fault.message).toMatch(/parse error|exceeded maximum resolution/)
        }
      })

      test('where nobody listens it is unreachable, worth a retry, on every call', async () => {
        const { nobody } = world
        for (const call of [
          () => nobody.catalogue(),
          () => nobody.series('up'),
          () => nobody.instant('up'),
          () => nobody.range('up', new Date(0), new Date(), 60),
        ])
          expect(await faultOf(call())).toMatchObject({ code: 'metrics.unreachable', retry: true })
      })

      test('no fault tells the secret', async () => {
        for (const fault of [await faultOf(world.nobody.instant('up')), await faultOf(world.metrics.instant('('))]) {
          const told = JSON.stringify([toDocument(fault), String(fault), fault.stack, String(fault.cause)])
          expect(told).not.toContain(world.secret)
          expect(told).not.toContain(Buffer.from(world.secret).toString('base64').slice(0, 12))
        }
      })
    })
  })
}
