import { describe, expect, test } from 'vitest'
import { judge } from '../../src/incident/judge.ts'
import { reportByRules } from '../../src/incident/rules.ts'
import { findingsOf } from '../../src/incident/rules-findings.ts'
import type { Survey } from '../../src/incident/survey.ts'
import { episode, errors, incident } from './rules-cases.ts'
import { signal, survey, T } from './survey-kit.ts'

const QUERY = 'up{job="shop"}'
/** Whether the service answers on its hosts; the deploys of h1 and h2 were done at 400, after a job of 30 s. */
function answering(level: (at: number, host: string) => 0 | 1, part: Partial<Survey> = {}): Survey {
  const up = signal({ key: 'up', name: 'Up', unit: 'count', bad: 'down', query: QUERY, level })
  const release = { ...survey().release, jobSeconds: 30, startedAt: T.deploy - 30 } as Survey['release']
  return survey({ onset: T.deploy - 20, release, signals: [errors, up], ...part })
}
const changed = (given: Survey) =>
  findingsOf(given, 'HighErrorRate').findings.flatMap(({ signal: { key }, hosts }) =>
    key === 'up' ? hosts.map(({ host }) => host) : [],
  )
const report = (given: Survey, language: 'en' | 'zh' = 'en') =>
  reportByRules(given, judge(given), incident(), [episode()], language)
const canary = (host: string) => host === 'h1' || host === 'h2'

describe('a target that did not answer', () => {
  const restart = answering((at, host) => (canary(host) && at >= T.deploy - 20 && at <= T.deploy + 10 ? 0 : 1))

  test('only around its own deploy, and does now, is no finding', () => {
    expect(changed(restart)).toEqual([])
    for (const language of ['en', 'zh'] as const) {
      const { content, promQL } = report(restart, language)
      expect(content).not.toMatch(/answer|响应/)
      expect(promQL).not.toContain(QUERY)
      expect(content).toMatch(language === 'en' ? /Unchanged: Up\./ : /无明显变化：存活状态。/)
    }
  })

  test.each<[string, Survey, string[]]>([
    ['and does not answer now', answering((at, host) => (host === 'h1' && at >= T.deploy - 20 ? 0 : 1)), ['h1']],
    [
      'although its last point says that it answers, but is known to be down',
      { ...restart, down: [{ service: 'shop', host: 'h2', since: T.to }] },
      ['h2'],
    ],
    ['at another time', answering((at, host) => (host === 'h1' && at >= T.deploy + 60 && at < 500 ? 0 : 1)), ['h1']],
    [
      'around its deploy and again later',
      answering((at, host) => (host === 'h1' && ((at >= 380 && at <= 410) || (at >= 500 && at <= 540)) ? 0 : 1)),
      ['h1'],
    ],
    ['without a deploy of its own', answering((at, host) => (host === 'h3' && at >= 390 && at <= 430 ? 0 : 1)), ['h3']],
  ])('%s is a finding', (_, given, hosts) => {
    expect(changed(given)).toEqual(hosts)
  })

  test('for a time, and does again, is told so', () => {
    const gap = answering((at, host) => (host === 'h3' && at >= 390 && at <= 430 ? 0 : 1))
    expect(report(gap).content).toContain('- shop did not answer for a time on 1 of 4 hosts (h3); it answers again.')
    expect(report(gap, 'zh').content).toContain('- shop 曾在 4 台主机中的 1 台（h3）上无响应，现已恢复响应。')
    const gone = answering((at, host) => (host === 'h3' && at >= 500 ? 0 : 1))
    expect(report(gone).content).toContain('- shop stopped answering on 1 of 4 hosts (h3).')
  })
})
