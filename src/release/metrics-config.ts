import { z } from 'zod'

const metric = z.string().min(1).max(1000)
const labelName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not a label name')

/**
 * What the service is watched by; wins over what is found by name, type and label (RED and USE).
 * Each is a metric name, a selector (`http_requests_total{code=~"5.."}`), or a PromQL expression with one series per host,
 * where `$window` stands for the range of rate(): requests and errors per second, seconds, cores, bytes.
 */
export const redSchema = z.strictObject({
  requests: metric.optional(),
  errors: metric.optional(),
  duration: metric.optional(),
  cpu: metric.optional(),
  memory: metric.optional(),
  /** Label that tells hosts apart. */
  hostLabel: labelName.optional(),
  /** Labels that all series of this service carry; without them the service is found by its name. */
  labels: z.record(labelName, z.string().min(1).max(200)).optional(),
})
export type Red = z.output<typeof redSchema>
