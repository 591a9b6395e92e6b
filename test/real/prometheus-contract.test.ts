import fc from 'fast-check'
import { expect, test } from 'vitest'
import { prometheusSchema } from '../../src/adapters/prometheus/config.ts'
import { createPrometheus } from '../../src/adapters/prometheus/index.ts'
import { scrapeInterval } from '../../src/release/metrics.ts'
import { fill, quote } from '../../src/release/metrics-promql.ts'
import { metricsContract } from '../contracts/metrics.ts'
import { describeReal, startPrometheus, until } from './prometheus.ts'
import { startExporter } from './prometheus-exporter.ts'

const secret = 'token-1f9b2c7d8e'
const behaviour = { version: 'v1.0.0', perSecond: 20, errorShare: 0.1, seconds: 0.02 }

async function open() {
  const exporters = [await startExporter('a', behaviour), await startExporter('b', behaviour)]
  const prometheus = await startPrometheus(exporters.map(({ address }) => ({ address })))
  const at = (url: string) =>
    createPrometheus(prometheusSchema.parse({ url, bearerTokenEnv: 'TOKEN' }), { TOKEN: secret })
  const metrics = at(prometheus.url)
  await until(
    20,
    () => metrics.instant('min(count_over_time(http_requests_total[30s]))'),
    ([all]) => (all?.value ?? 0) >= 6,
  )
  const close = async () => {
    await prometheus.stop()
    for (const exporter of exporters) await exporter.stop()
  }
  // Port 1 is reserved and never given to a program.
  return { metrics, nobody: at('http://127.0.0.1:1'), secret, close }
}

metricsContract(describeReal, 'Prometheus', open)

describeReal('PromQL on a real Prometheus', () => {
  test('any text, quoted, is the label value that the server reads', { timeout: 60_000 }, async () => {
    const world = await open()
    try {
      const text = fc.oneof(
        fc.string({ unit: 'binary', maxLength: 12 }),
        fc.string({ unit: fc.constantFrom('"', '\\', '\n', '$', '{', '}', "'", '`', '\u0000', '\u0085', 'é', '木') }),
      )
      await fc.assert(
        fc.asyncProperty(text, async (value) => {
          // label_join of absent labels is its separator.
          const [sample] = await world.metrics.instant(`label_join(vector(1), "read", ${quote(value)}, "no", "none")`)
          expect(sample?.labels.read ?? '').toBe(value.toWellFormed())
        }),
        { numRuns: 150 },
      )
      // The interval and the counting of new series, as the analysis asks for them.
      expect(
        await scrapeInterval(world.metrics, 'timestamp(http_requests_total{host="a",code="200"})', new Date()),
      ).toBe(1)
      const born = fill(
        'sum by (host) (min_over_time(http_requests_total[$window]) unless present_over_time(http_requests_total[5m] offset $window))',
        30,
      )
      expect(await world.metrics.instant(born)).toHaveLength(2)
    } finally {
      await world.close()
    }
  })
})
