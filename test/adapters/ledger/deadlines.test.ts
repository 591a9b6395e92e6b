import { afterEach, describe, expect, it, vi } from 'vitest'
import { createDeadlines, type Deadlines } from '../../../src/adapters/ledger/deadlines.ts'

const hour = 3_600_000
const soon = { timeout: 5_000, interval: 5 }

describe('deadlines', () => {
  let deadlines: Deadlines
  afterEach(() => deadlines.stop())

  /** A clock whose two hands are set by the test; `run` lets both go with the real time. */
  const makeClock = () => {
    const clock = { wallAt: 1_000_000, steadyAt: 0, wall: () => clock.wallAt, steady: () => clock.steadyAt }
    deadlines = createDeadlines(clock)
    return clock
  }
  const real = () => {
    deadlines = createDeadlines({ wall: () => Date.now(), steady: () => performance.now() })
  }

  it('fire in their order, each once, and not before their time', async () => {
    real()
    const fired: [number, number][] = []
    const now = Date.now()
    for (const ms of [60, 20, 40, -5]) deadlines.arm(now + ms, () => fired.push([ms, Date.now() - now]))
    await vi.waitFor(() => expect(fired).toHaveLength(4), soon)
    expect(fired.map(([ms]) => ms)).toEqual([-5, 20, 40, 60])
    for (const [ms, at] of fired) expect(at).toBeGreaterThanOrEqual(ms)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(fired).toHaveLength(4)
  })

  it('do not fire when they were disarmed or stopped', async () => {
    real()
    let fired = 0
    deadlines.arm(Date.now() + 10, () => fired++)()
    deadlines.arm(Date.now() + 30, () => fired++)
    await new Promise((resolve) => setTimeout(resolve, 20))
    deadlines.stop()
    await new Promise((resolve) => setTimeout(resolve, 40))
    expect(fired).toBe(0)
  })

  it('fire within about a second when the wall clock jumps forward', async () => {
    const clock = makeClock()
    let fired = 0
    deadlines.arm(clock.wallAt + hour, () => fired++)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(fired).toBe(0)
    clock.wallAt += 2 * hour
    const jumped = performance.now()
    await vi.waitFor(() => expect(fired).toBe(1), soon)
    expect(performance.now() - jumped).toBeLessThan(2_000)
  })

  it('fire after the time that was left when the wall clock jumps back', async () => {
    const clock = makeClock()
    let fired = 0
    deadlines.arm(clock.wallAt + 10_000, () => fired++)
    clock.wallAt -= hour
    clock.steadyAt += 9_999
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    expect(fired).toBe(0)
    clock.steadyAt += 1
    await vi.waitFor(() => expect(fired).toBe(1), soon)
  })

  it('may lie further away than a timer reaches', async () => {
    real()
    let fired = 0
    deadlines.arm(Date.now() + 2 ** 40, () => fired++)
    deadlines.arm(8.64e15, () => fired++)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(fired).toBe(0)
  })

  it('are cheap by the thousand', async () => {
    const clock = makeClock()
    let fired = 0
    for (let n = 0; n < 5_000; n++) deadlines.arm(clock.wallAt + hour + n, () => fired++)
    clock.wallAt += 2 * hour
    await vi.waitFor(() => expect(fired).toBe(5_000), soon)
  })
})
