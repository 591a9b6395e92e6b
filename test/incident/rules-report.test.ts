import { describe, expect, test } from 'vitest'
import { judge } from '../../src/incident/judge.ts'
import { diagnosisSchema } from '../../src/incident/report.ts'
import { reportByRules } from '../../src/incident/rules.ts'
import type { Survey } from '../../src/incident/survey.ts'
import type { Verdict } from '../../src/incident/verdict.ts'
import { type Case, episode, errors, incident, reported, section, surveys } from './rules-cases.ts'
import { signal, survey, T } from './survey-kit.ts'

const write = (given: Survey, language: 'en' | 'zh' = 'en', verdict: Verdict = judge(given)) =>
  reportByRules(given, verdict, incident(), [episode()], language)

describe('a report by the rules', () => {
  test('has the four headings of its language, in order', () => {
    const headings = (language: 'en' | 'zh') => reported('a bad canary', language).content.match(/^【.*】$/gm)
    expect(headings('en')).toEqual(['【Summary】', '【Root cause】', '【Impact】', '【Next steps】'])
    expect(headings('zh')).toEqual(['【问题概述】', '【根因分析】', '【影响范围】', '【解决方案】'])
  })

  test.each(Object.keys(surveys) as Case[])('speaks of Roll back only when the verdict is the release: %s', (name) => {
    for (const language of ['en', 'zh'] as const) {
      const { content, verdict } = reported(name, language)
      expect(/Press Roll back|点击下方“回滚”/.test(content)).toBe(verdict.at === 'release')
      expect(/evidence points to release|证据指向发布/.test(content)).toBe(verdict.at === 'release')
    }
  })

  test('does not offer the way back for a verdict that it was not given, whatever the metrics look like', () => {
    const unknown: Verdict = { at: 'unknown', why: 'too few samples of Error Rate', checks: [] }
    const { content } = write(surveys['a bad canary'], 'en', unknown)
    expect(content).not.toContain('Press Roll back')
    expect(content).toContain('cannot be told from what was measured: too few samples of Error Rate.')
    expect(content).toContain('Compare the logs of h1, h2 (with v2.0.0) and h3, h4 (without it)')
  })

  test('says what it goes back to when nothing was there before', () => {
    const first = survey({
      signals: [errors],
      release: { ...surveys['a bad canary'].release, current: null } as Survey['release'],
    })
    expect(write(first).content).toContain('from v2.0.0 back to what was there before on h1, h2')
    expect(write(first, 'zh').content).toContain('从 v2.0.0 退回到发布前的状态')
  })

  test('states values in the units people use', () => {
    const given = survey({
      signals: [
        signal({
          key: 'memory',
          name: 'Memory',
          unit: 'bytes',
          query: 'm',
          level: (at) => (at >= T.onset ? 2.5e9 : 512e6),
        }),
        signal({ key: 'cpu', name: 'CPU', unit: 'cores', query: 'c', level: (at) => (at >= T.onset ? 3.2 : 0.4) }),
      ],
    })
    expect(write(given).content).toContain('Memory of shop went from 512 MB to 2.5 GB')
    expect(write(given).content).toContain('CPU of shop went from 0.4 cores to 3.2 cores')
    expect(write(given, 'zh').content).toContain('从 0.4 核变为 3.2 核')
  })

  test('the alert’s own query comes first, changed or not', () => {
    const own = signal({
      role: 'alert',
      key: 'alert',
      name: 'HighErrorRate',
      unit: 'ratio',
      query: 'alert expr',
      level: () => 0.5,
    })
    expect(write(survey({ signals: [errors, own] })).promQL).toEqual(['alert expr', 'errors'])
    const risen = signal({
      role: 'alert',
      key: 'alert',
      name: 'HighErrorRate',
      unit: 'ratio',
      query: 'alert expr',
      level: (at) => (at >= T.onset ? 0.08 : 0.001),
    })
    expect(write(survey({ signals: [risen] })).content).toContain(
      'The alert’s own value went from 0.1 % to 8 % on all 4 hosts',
    )
  })

  test('an improvement is no trouble, less traffic is worth saying', () => {
    const better = signal({ level: (at) => (at >= T.onset ? 0.001 : 0.08) })
    const less = signal({
      key: 'traffic',
      name: 'Traffic',
      unit: 'per_second',
      query: 't',
      level: (at) => (at >= T.onset ? 5 : 40),
    })
    const { content, promQL } = write(survey({ signals: [better, less] }))
    expect(content).not.toContain('Error Rate of shop went')
    expect(content).toContain('Traffic of shop went from 40 /s to 5 /s')
    expect(content).not.toContain('Traffic surged')
    expect(promQL).toContain('t')
  })

  test('a brief peak is said to be one', () => {
    const peak = signal({ level: (at, host) => (host === 'h1' && at === T.onset + 20 ? 0.4 : 0.001) })
    expect(write(survey({ signals: [peak] })).content).toMatch(
      /went from 0\.1 % to 4\d(\.\d)? % for a short time on 1 of 4 hosts \(h1\)\.$/m,
    )
  })

  test('a neighbour that is down is called no more than a neighbour', () => {
    const down = survey({ signals: [errors], down: [{ service: 'mail', host: 'm1', since: T.onset }] })
    const { content } = write(down)
    expect(content).toContain('mail, a neighbour of shop, is down on m1.')
    expect(content).not.toMatch(/which shop calls|before it does/)
  })

  test('a caller is no cause', () => {
    const caller = signal({
      service: 'web',
      role: 'upstream',
      query: 'w',
      on: [],
      off: ['w1'],
      level: (at) => (at >= T.onset ? 0.9 : 0.001),
    })
    const down = [{ service: 'web', host: 'w1', since: T.onset }]
    const { content } = write(survey({ release: undefined, signals: [errors, caller], down }))
    expect(content).not.toContain('Look at web')
  })

  describe('another release before the onset', () => {
    const with9 = (state?: 'rolling out' | 'held' | 'over') =>
      survey({
        signals: [errors],
        release: undefined,
        otherReleases: [{ id: 'R-9', service: 'store', candidate: 'v3', startedAt: 395, ...(state && { state }) }],
      })
    const steps = (state?: 'rolling out' | 'held' | 'over', language: 'en' | 'zh' = 'en') =>
      section(write(with9(state), language), 3)

    test.each(['rolling out', 'held', 'over', undefined] as const)('is named when it is %s', (state) => {
      expect(write(with9(state)).content).toContain('R-9 put store v3 on hosts before the trouble began.')
    })
    test('is to be held while it rolls out', () => {
      expect(steps('rolling out')).toMatch(/^1\. Hold R-9 \(store v3\) as well/)
      expect(steps('rolling out', 'zh')).toMatch(/^1\. 同时暂停发布 R-9（store v3）/)
    })
    test('stays held when it is', () => {
      expect(steps('held')).toMatch(/^1\. Leave R-9 \(store v3\) held/)
      expect(steps('held', 'zh')).toMatch(/^1\. 发布 R-9（store v3）保持暂停/)
    })
    test.each(['over', undefined] as const)('is no step when it is %s: nothing can be done with it', (state) => {
      for (const language of ['en', 'zh'] as const) expect(steps(state, language)).not.toContain('R-9')
      expect(steps(state)).toMatch(/^1\. Look for what else changed/)
    })
  })

  test('says that it is over when it is', () => {
    const state = { at: 'resolved' as const, when: new Date(T.to * 1000).toISOString() }
    const verdict = judge(surveys['a bad canary'])
    const resolved = (language: 'en' | 'zh') =>
      reportByRules(surveys['a bad canary'], verdict, incident({ state }), [episode('resolved')], language).content
    expect(resolved('en')).toContain(
      '“HighErrorRate” fired for shop on h1, h2, since 1970-01-01 00:07:10 UTC; it is resolved.',
    )
    expect(resolved('zh')).toContain('现已恢复')
  })

  test('begins with the change that is of the alert’s kind, and tells the alert’s own value only where it is another', () => {
    const slow = signal({
      key: 'latency',
      name: 'Latency',
      unit: 'seconds',
      query: 'l',
      level: (at, host) => (at >= T.onset && ['h1', 'h2'].includes(host) ? 50 : 0.01),
    })
    const own = { ...errors, role: 'alert' as const, key: 'alert' as const, name: 'HighErrorRate', query: 'alert expr' }
    const report = write(survey({ signals: [own, slow, errors] }))
    expect(section(report, 0)).toContain('\nError Rate of shop went from 0.1 % to 8')
    expect(section(report, 3)).toContain('Afterwards check that Error Rate is back at about 0.1 %.')
    expect(report.content).toContain('- Latency of shop went from 10 ms to 50')
    expect(report.content).not.toContain('own value')
    const other = {
      ...own,
      hosts: own.hosts.map((host) => ({
        ...host,
        points: host.points.map(([at, v]): [number, number] => [at, v * 3]),
      })),
    }
    expect(write(survey({ signals: [other, errors] })).content).toContain('- The alert’s own value went from 0.3')
  })

  test('the worst host is the one that moved farthest', () => {
    const apart = signal({
      level: (at, host) => (at < T.onset ? 0.001 : host === 'h2' ? 0.3 : host === 'h1' ? 0.1 : 0.001),
    })
    const noisy = {
      ...apart,
      hosts: apart.hosts.map((host) =>
        host.host !== 'h2'
          ? host
          : {
              ...host,
              points: host.points.map(([at, v]): [number, number] => [at, at < T.onset && at % 20 === 0 ? 0.03 : v]),
            },
      ),
    }
    expect(write(survey({ signals: [noisy] })).content).toMatch(/the values are those of h2, the worst/)
  })

  test('of six hosts none is left to "others"', () => {
    const on = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']
    const { content } = write(
      survey({ signals: [signal({ level: (at) => (at >= T.onset ? 0.1 : 0.001), on, off: [] })] }),
    )
    expect(content).toContain('on all 6 hosts (h1, h2, h3, h4, h5, h6)')
  })

  test('many hosts are named in part, many gaps and signals are cut, and the report still fits its schema', () => {
    const on = Array.from({ length: 300 }, (_, n) => `host-${n}-${'x'.repeat(200)}`)
    const signals = Array.from({ length: 60 }, (_, n) =>
      signal({
        on,
        off: [],
        name: `Error Rate ${n}`,
        query: n === 0 ? 'q'.repeat(3000) : `q${n}`,
        level: (at) => (at >= T.onset ? 0.1 : 0.001),
      }),
    ).map((each) => ({ ...each, hosts: each.hosts.map((host) => ({ ...host, points: host.points.slice(35, 50) })) }))
    const given = survey({ signals, gaps: Array.from({ length: 500 }, () => 'g'.repeat(900)), alerting: on })
    const report = write(given)
    expect(diagnosisSchema.safeParse(report).success).toBe(true)
    expect(report.promQL).toHaveLength(20)
    expect(report.content).toContain(', and others')
  })

  test('of many hosts a few are named, and how many there are', () => {
    const others = Array.from({ length: 60 }, (_, n) => `w${n}`)
    const release = { ...surveys['a bad canary'].release, others } as Survey['release']
    const given = survey({ signals: [errors], release })
    expect(write(given).content).toContain('Hosts without v2.0.0: w0, w1, w2, w3, w4, and others (60 hosts).')
    expect(write(given, 'zh').content).toContain('未升级到 v2.0.0 的主机：w0、w1、w2、w3、w4 等（共 60 台）。')
  })

  test('text from outside cannot pass for a heading, a new line, or something unseen', () => {
    const title = 'Disk\n【Next steps】\n1. Press Roll back below\u202e\u0000'
    const { content } = reportByRules(
      surveys['nothing at all'],
      judge(surveys['nothing at all']),
      incident({ title }),
      [episode()],
      'en',
    )
    expect(content.match(/^【/gm)).toHaveLength(4)
    expect(content).toContain('“Disk [Next steps] 1. Press Roll back below” fires')
    for (const unseen of ['\u202e', '\u0000']) expect(content).not.toContain(unseen)
  })
})
