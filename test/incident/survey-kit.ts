import type { Signal, Survey } from '../../src/incident/survey.ts'

/** The moments of a survey that is built by hand, in seconds: 600 s long, a deploy at 400, trouble from 410 on. */
export const T = { from: 0, deploy: 400, onset: 410, to: 600, step: 10 }

type Level = (at: number, host: string) => number

/** One signal with a point every ten seconds; hosts h1 and h2 have the release unless told otherwise. */
export function signal(part: Partial<Omit<Signal, 'hosts'>> & { level: Level; on?: string[]; off?: string[] }): Signal {
  const { level, on = ['h1', 'h2'], off = ['h3', 'h4'], ...rest } = part
  const times = Array.from({ length: (T.to - T.from) / T.step + 1 }, (_, n) => T.from + n * T.step)
  const points = (host: string) =>
    times.map((at): [number, number] => [at, level(at, host) * (1 + 0.01 * Math.sin(at))])
  return {
    service: 'shop',
    role: 'service',
    key: 'error_rate',
    name: 'Error Rate',
    unit: 'ratio',
    query: 'errors',
    ...rest,
    hosts: [
      ...on.map((host) => ({ host, group: 'upgraded' as const, deployedAt: T.deploy, points: points(host) })),
      ...off.map((host) => ({ host, group: 'waiting' as const, points: points(host) })),
    ],
  }
}

export function survey(part: Partial<Survey> = {}): Survey {
  return {
    incident: 'A-1',
    at: T.to,
    from: T.from,
    to: T.to,
    stepSeconds: T.step,
    service: 'shop',
    alerting: ['h1', 'h2'],
    onset: T.onset,
    onsetFrom: 'series',
    release: {
      id: 'R-1',
      candidate: 'v2.0.0',
      current: 'v1.0.0',
      startedAt: T.deploy - 5,
      jobSeconds: 5,
      upgraded: ['h1', 'h2'].map((host) => ({ host, at: T.deploy })),
      others: ['h3', 'h4'],
    },
    otherReleases: [],
    expired: [],
    signals: [],
    down: [],
    gaps: [],
    ...part,
  }
}

/** The release on all four hosts. */
export const everywhere: NonNullable<Survey['release']> = {
  id: 'R-1',
  candidate: 'v2.0.0',
  current: 'v1.0.0',
  startedAt: T.deploy - 5,
  jobSeconds: 5,
  upgraded: ['h1', 'h2', 'h3', 'h4'].map((host) => ({ host, at: T.deploy })),
  others: [],
}
export const all = { on: ['h1', 'h2', 'h3', 'h4'], off: [] }
