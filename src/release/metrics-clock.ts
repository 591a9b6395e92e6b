import { Fault } from '../lib/fault.ts'
import type { Metrics } from '../ports/metrics.ts'

/** Clocks that are kept by NTP differ by milliseconds; from here on samples of the old version could pass for the new one's. */
const MOST_SECONDS = 5

/**
 * The metrics as they are, or, when the clocks of the database and of this machine are more than 5 s apart, ones whose
 * queries all fail with Fault `release.clock`: a gate then says `error` and holds. A window is asked for by our clock, so with
 * a clock that is behind it would lie before the deploy, where the old version answered.
 * `time()` asked for without a moment is evaluated at the database's own. A database that does not answer it is let through:
 * its other queries will say what is wrong.
 */
export async function onAgreedTime(metrics: Metrics, clock: () => Date): Promise<Metrics> {
  const sent = clock().getTime() / 1000
  const [answer] = await metrics.instant('time()').catch(() => [])
  const heard = clock().getTime() / 1000
  if (answer === undefined || !Number.isFinite(answer.value)) return metrics
  const behind = answer.value - Math.max(sent, heard)
  const ahead = Math.min(sent, heard) - answer.value
  if (Math.max(behind, ahead) <= MOST_SECONDS) return metrics
  const apart = `${Math.round(Math.max(behind, ahead))} s ${behind > ahead ? 'behind' : 'ahead of'} the metrics database's`
  const refuse = () =>
    Promise.reject(
      new Fault('release.clock', {
        say: `the clock of Rollcall's machine is ${apart}; set it right, then look again`,
        next: 'set the clock, for example with chrony or systemd-timesyncd, then press Resume',
        retry: true,
      }),
    )
  return { ...metrics, instant: refuse, range: refuse }
}
