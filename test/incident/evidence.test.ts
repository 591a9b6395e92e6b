import { describe, expect, test } from 'vitest'
import { citedIn, confirms } from '../../src/incident/cited-numbers.ts'
import { type Answered, evidenceOf } from '../../src/incident/evidence.ts'
import { judge } from '../../src/incident/judge.ts'
import { reportByRules } from '../../src/incident/rules.ts'
import type { Survey } from '../../src/incident/survey.ts'
import { episode, incident } from './rules-cases.ts'
import { signal, survey, T } from './survey-kit.ts'

/** Numbers of a text that nothing of this survey confirms. */
function notFound(given: Survey, content: string, answers: Answered[] = []): string[] {
  const about = { survey: given, verdict: judge(given), incident: incident(), episodes: [episode()] }
  const evidence = evidenceOf({ ...about, answers, calls: [] })
  return citedIn(content)
    .filter((cited) => !confirms(evidence, cited))
    .map(({ text }) => text)
}

const hosts = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `h${from + n}`)
const on = hosts(0, 30)
const off = hosts(30, 60)
/** 60 hosts, each at its own level; the last one is far worse than any other. */
const many = (worst = 0) =>
  survey({
    release: {
      ...survey().release,
      ...{ id: 'R-1', candidate: 'v2.0.0', current: 'v1.0.0' },
      ...{ upgraded: on.map((host) => ({ host, at: T.deploy })), others: off },
    },
    signals: [
      signal({
        key: 'latency',
        name: 'Latency',
        unit: 'seconds',
        ...{ on, off },
        level: (at, host) => {
          const n = Number(host.slice(1))
          if (at < T.onset) return 1 + n / 100
          return host === 'h59' && worst > 0 ? worst : (n < 30 ? 5.13 : 1) + (n % 30) / 100
        },
      }),
    ],
  })

describe('what numbers of a report may come from', () => {
  test('of many hosts, a group as a whole, whichever hosts there are', () => {
    const given = many()
    const points = given.signals[0]?.hosts.filter(({ group }) => group === 'waiting').flatMap((host) => host.points)
    const since = points?.filter(([at]) => at >= T.onset).map(([, value]) => value) ?? []
    const mean = since.reduce((sum, value) => sum + value, 0) / since.length
    expect(notFound(given, `Hosts without it are at ${mean.toFixed(4)} s.`)).toEqual([])
    expect(notFound(given, 'Hosts without it are at 3.2137 s.')).toEqual(['3.2137 s'])
  })

  test('of many hosts, those that moved most', () => {
    expect(notFound(many(41.5), 'Latency reached 42 s on h59.')).toEqual([])
    expect(notFound(many(), 'Latency reached 42 s on h59.')).toEqual(['42 s'])
  })

  test('of many series of an answer, those that moved most', () => {
    const series = hosts(0, 60).map((host, n) => ({
      labels: `{host="${host}"}`,
      points: [
        [T.onset - 10, 1],
        [T.onset, n === 59 ? 733.25 : 1],
      ] as [number, number][],
    }))
    expect(notFound(survey(), 'It is at 733.25 s.', [{ query: 'wait_seconds', series }])).toEqual([])
    expect(notFound(survey(), 'It is at 733.25 s.')).toEqual(['733.25 s'])
  })

  test('a factor between the group and another holds with many hosts', () => {
    expect(notFound(many(), 'That is 4.6 times as slow.')).toEqual([])
    expect(notFound(many(), 'That is 71 times as slow.')).toEqual(['71 times'])
  })

  test('any count of hosts up to as many as there are', () => {
    expect(notFound(many(), '17 of 60 hosts, 43 are fine, 0 are down')).toEqual([])
    expect(notFound(many(), '61 hosts')).toEqual(['61'])
    const four = survey({ signals: [signal({ level: () => 0 })] })
    expect(notFound(four, '3 of 4 hosts')).toEqual([])
    expect(notFound(four, '7 hosts')).toEqual(['7'])
    // Counts are no measurements.
    expect(notFound(four, 'Error Rate is 3 %.')).toEqual(['3 %'])
  })

  test('the report by the rules on 60 hosts holds none that is not found', () => {
    for (const given of [many(), many(41.5)]) {
      for (const language of ['en', 'zh'] as const) {
        const { content } = reportByRules(given, judge(given), incident(), [episode()], language)
        expect(content).toMatch(language === 'en' ? /on (all|\d+ of) 60 hosts/ : /60 台主机/)
        expect(notFound(given, content)).toEqual([])
      }
    }
  })
})
