import { describe, expect, test } from 'vitest'
import type { Verdict } from '../../src/incident/verdict.ts'
import { type Case, reported, section } from './rules-cases.ts'

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
