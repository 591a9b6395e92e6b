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

interface Expected {
  verdict: Verdict['at']
  promQL: string[]
  /** By section: summary, root cause, impact, next steps. */
  en: [string[], string[], string[], string[]]
  zh: [string[], string[], string[], string[]]
}

const table: Record<Case, Expected> = {
  'a bad canary': {
    verdict: 'release',
    promQL: ['errors'],
    en: [
      [
        '“HighErrorRate” fires for shop on h1, h2, since 1970-01-01 00:07:10 UTC.',
        'Error Rate of shop went from 0.1 % to 8 % on 2 of 4 hosts (h1, h2).',
      ],
      [
        'which is on h1, h2: Error Rate is 8 % on hosts that have it and 0.1 % on the others.',
        'Hosts with v2.0.0 are at 8 %, those without it at 0.1 %.',
        '- It began 10 s after v2.0.0 reached the hosts that alert.',
        'Unchanged: Traffic.',
      ],
      [
        'It began at 1970-01-01 00:06:50 UTC (seen in the metrics) and had lasted 3 min 10 s',
        'Affected: 2 of the 4 hosts that were measured (h1, h2).',
        'Hosts without v2.0.0: h3, h4.',
      ],
      [
        '1. Press Roll back below: it takes shop from v2.0.0 back to v1.0.0 on h1, h2.',
        '2. Leave h3, h4 as they are',
        '3. Afterwards check that Error Rate is back at about 0.1 %.',
      ],
    ],
    zh: [
      [
        '告警“HighErrorRate”自 1970-01-01 00:07:10 UTC 起触发，涉及服务 shop，主机 h1、h2，目前仍在触发。',
        'shop 的错误率在 4 台主机中的 2 台（h1、h2）上从 0.1 % 变为 8 %。',
      ],
      [
        '证据指向发布 R-1（shop v2.0.0），该版本已在 h1、h2 上。',
        '已升级到 v2.0.0 的主机为 8 %，未升级的主机为 0.1 %。',
        '无明显变化：流量。',
      ],
      [
        '故障始于 1970-01-01 00:06:50 UTC（由指标得出），截至本报告已持续 3 分钟 10 秒。',
        '受影响：有指标的 4 台主机中的 2 台（h1、h2）。',
      ],
      [
        '1. 点击下方“回滚”：把 h1、h2 上的 shop 从 v2.0.0 退回到 v1.0.0。',
        '2. h3、h4 没有 v2.0.0，无需处理。',
        '3. 回滚后确认错误率恢复到约 0.1 %。',
      ],
    ],
  },
  'a bad version everywhere': {
    verdict: 'release',
    promQL: ['errors'],
    en: [
      ['Error Rate of shop went from 0.1 % to 8 % on all 4 hosts (h1, h2, h3, h4).'],
      ['The evidence points to release R-1', 'Error Rate is 8 % and was 0.1 % before it came.'],
      ['Affected: all 4 hosts that were measured (h1, h2, h3, h4).', 'Hosts without v2.0.0: none.'],
      ['1. Press Roll back below', 'on h1, h2, h3, h4.', '2. Afterwards check'],
    ],
    zh: [
      ['shop 的错误率在全部 4 台主机（h1、h2、h3、h4）上从 0.1 % 变为 8 %。'],
      ['证据指向发布 R-1'],
      ['受影响：有指标的全部 4 台主机', '未升级到 v2.0.0 的主机：无。'],
      ['1. 点击下方“回滚”', '2. 回滚后确认错误率'],
    ],
  },
  'a dependency that is down': {
    verdict: 'not the release',
    promQL: ['errors', 'up{job="store"}', 'store errors', 'web errors'],
    en: [
      ['The evidence speaks against release R-1 (shop v2.0.0) being the cause.'],
      [
        'store, which shop calls, is down on s1.',
        '- store stopped answering on s1.',
        '- Error Rate of store went from 0.1 % to 90 % on s1.',
        'Services by suspicion: store (does not answer), shop (Error Rate 0.1 % → 8 %; it may come from store)',
      ],
      ['Error Rate of web went from 0.1 % to 8 % on w1.'],
      [
        '1. Look at store: its hosts, its log, its last changes; shop can hardly recover before it does.',
        '2. Do not roll v2.0.0 back on this evidence',
      ],
    ],
    zh: [
      ['现有证据不支持发布 R-1（shop v2.0.0）是原因。'],
      [
        'shop 依赖的 store 在 s1 上已中断。',
        '- store 在 s1 上无响应。',
        '可疑服务排序：store（无响应）、shop（错误率 0.1 % → 8 %，可能由 store 引起）',
      ],
      ['web 的错误率在 w1 上从 0.1 % 变为 8 %。'],
      ['1. 排查 store 的主机、日志和最近变更；它恢复之前 shop 很难恢复。', '2. 现有证据下不建议回滚 v2.0.0'],
    ],
  },
  'a surge of traffic': {
    verdict: 'not the release',
    promQL: ['latency', 'traffic'],
    en: [
      ['Latency of shop went from 250 ms to 1.25 s on all 4 hosts'],
      ['Traffic surged: Traffic of shop went from 40 /s to 125 /s on all 4 hosts'],
      ['Affected: all 4 hosts'],
      [
        '1. Find out where the traffic comes from; add capacity, or limit it at the edge.',
        '2. Do not roll v2.0.0 back',
      ],
    ],
    zh: [
      ['shop 的延迟在全部 4 台主机'],
      ['流量突增：shop 的流量', '从 40 次/秒变为 125 次/秒'],
      ['受影响'],
      ['1. 确认流量来源；扩容，或在入口限流。', '2. 现有证据下不建议回滚'],
    ],
  },
  'a saturated host': {
    verdict: 'not the release',
    promQL: ['errors', 'busy'],
    en: [
      ['Error Rate of shop went from 0.1 % to 8 % on 1 of 4 hosts (h1).'],
      ['The CPU of h1 is 97.5 % busy: that machine is saturated.'],
      ['Affected: 1 of the 4 hosts that were measured (h1).'],
      ['1. See what else runs on h1; move load away from it'],
    ],
    zh: [
      ['shop 的错误率在 4 台主机中的 1 台（h1）上从 0.1 % 变为 8 %。'],
      ['h1 的 CPU 使用率为 97.5 %，该机器已饱和。'],
      ['4 台主机中的 1 台（h1）'],
      ['1. 查看 h1 上还有什么在占用资源'],
    ],
  },
  'a machine that is down': {
    verdict: 'not the release',
    promQL: ['errors'],
    en: [
      ['on h1'],
      ['More than one service on h1 went down'],
      ['Affected'],
      ['1. Check the machine h1 (power, disk, network, console)'],
    ],
    zh: [['主机 h1'], ['h1 上不止一个服务同时中断'], ['受影响'], ['1. 检查机器 h1（电源、磁盘、网络、控制台）']],
  },
  'a certificate that has expired': {
    verdict: 'not the release',
    promQL: ['errors'],
    en: [
      ['on all 4 hosts'],
      ['The certificate of shop.example.com has expired.'],
      ['Affected'],
      ['1. Renew the certificate of shop.example.com'],
    ],
    zh: [
      ['全部 4 台主机'],
      ['shop.example.com 的证书已过期。'],
      ['受影响'],
      ['1. 更换 shop.example.com 的证书并重新加载服务'],
    ],
  },
  'no release at all': {
    verdict: 'not the release',
    promQL: ['errors'],
    en: [
      ['It is not a release of this service.'],
      ['It is not a release of this service: no release of shop has changed these hosts recently.'],
      ['Affected'],
      ['1. Look for what else changed at about 1970-01-01 00:06:50 UTC'],
    ],
    zh: [
      ['不是该服务的发布引起的。'],
      ['- shop 的错误率'],
      ['受影响'],
      ['1. 排查 1970-01-01 00:06:50 UTC 前后的其他变化'],
    ],
  },
  'no metrics': {
    verdict: 'unknown',
    promQL: [],
    en: [
      [
        'There are no metrics to judge it by.',
        'Whether release R-1 (shop v2.0.0) is the cause cannot be told from what was measured.',
      ],
      ['cannot be told from what was measured: no metric of the service tells its hosts apart.'],
      ['Which hosts are affected cannot be told from the metrics.', 'Hosts with v2.0.0: h1, h2.'],
      [
        '1. Compare the logs of h1, h2 (with v2.0.0) and h3, h4 (without it)',
        '2. Look for what else changed',
        '3. Give Rollcall metrics: set prometheus.url',
        '4. After that press Diagnose again.',
        'What could not be looked at:\n- No Prometheus is configured.',
      ],
    ],
    zh: [
      ['没有可用于判断的指标。', '仅凭现有指标无法判断发布 R-1（shop v2.0.0）是否为原因。'],
      ['仅凭现有指标无法判断发布 R-1（shop v2.0.0）是否为原因：该服务没有能区分各主机的指标。'],
      ['仅凭指标无法确定哪些主机受影响。'],
      [
        '1. 对比 h1、h2（已升级到 v2.0.0）与 h3、h4（未升级）的日志',
        '3. 为 Rollcall 接入指标：在配置中设置 prometheus.url',
        '未能排查的部分：\n- 未配置 Prometheus。',
      ],
    ],
  },
  'nothing at all': {
    verdict: 'not the release',
    promQL: [],
    en: [
      ['There are no metrics to judge it by.'],
      ['It is not a release of this service: no release'],
      ['(as the alert says; the metrics do not show when)'],
      ['1. Look for what else changed', '2. Give Rollcall metrics'],
    ],
    zh: [['没有可用于判断的指标。'], ['不是该服务的发布引起的。'], ['以告警时间为准'], ['2. 为 Rollcall 接入指标']],
  },
}

for (const [name, expected] of Object.entries(table) as [Case, Expected][]) {
  describe(name, () => {
    for (const language of ['en', 'zh'] as const) {
      test(`says in ${language} what is wrong, why, where, and what to do`, () => {
        const report = reported(name, language)
        expect(report.verdict.at).toBe(expected.verdict)
        expect(report.promQL).toEqual(expected.promQL)
        for (const [place, sentences] of expected[language].entries()) {
          for (const sentence of sentences) expect(section(report, place as 0 | 1 | 2 | 3)).toContain(sentence)
        }
      })
    }
  })
}

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
