import { describe, expect, test } from 'vitest'
import { onAgreedTime } from '../../src/release/metrics-clock.ts'
import { down, scripted } from './metrics-world.ts'

const now = new Date('2026-03-01T12:00:00Z')
const databaseAt = (seconds: number) =>
  scripted({
    instant: (query) =>
      query === 'time()' ? [{ labels: {}, at: seconds, value: seconds }] : [{ labels: {}, at: 0, value: 7 }],
  }).metrics
const ask = async (metrics: ReturnType<typeof databaseAt>) =>
  (await onAgreedTime(metrics, () => now)).instant('up', now)

describe('clocks of the bot and of the metrics database', () => {
  test.each([0, 4, -4])('%i s apart are as one', async (apart) => {
    expect(await ask(databaseAt(now.getTime() / 1000 + apart))).toEqual([{ labels: {}, at: 0, value: 7 }])
  })

  test.each([
    [12, /is 12 s behind the metrics database's/],
    [-7200, /is 7200 s ahead of the metrics database's/],
  ])('%i s apart answer no query, and the fault says how far', async (apart, say) => {
    const metrics = await onAgreedTime(databaseAt(now.getTime() / 1000 + apart), () => now)
    const fault = { code: 'release.clock', message: expect.stringMatching(say) }
    await expect(metrics.instant('up', now)).rejects.toMatchObject(fault)
    await expect(metrics.range('up', now, now, 1)).rejects.toMatchObject(fault)
  })

  test('that cannot be compared are left to the queries themselves', async () => {
    expect(
      await ask(
        scripted({ instant: (query) => (query === 'time()' ? [] : [{ labels: {}, at: 0, value: 7 }]) }).metrics,
      ),
    ).toHaveLength(1)
    const dead = scripted({
      instant: () => {
        throw down
      },
    }).metrics
    await expect(ask(dead)).rejects.toMatchObject({ code: 'metrics.unreachable' })
  })
})
