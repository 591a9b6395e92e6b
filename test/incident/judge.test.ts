import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judge } from '../../src/incident/judge.ts'
import type { Survey } from '../../src/incident/survey.ts'
import { all, everywhere, signal, survey, T } from './survey-kit.ts'

const canary = new Set(['h1', 'h2'])
const badCanary = signal({ level: (at, host) => (at >= T.onset && canary.has(host) ? 0.08 : 0.001) })
const badAll = signal({ level: (at) => (at >= T.onset ? 0.08 : 0.001), ...all })
const badEverywhere = signal({ level: (at) => (at >= T.onset ? 0.08 : 0.001) })
const traffic = (level: (at: number, host: string) => number, hosts: { on?: string[]; off?: string[] } = {}) =>
  signal({ key: 'traffic', name: 'Traffic', unit: 'per_second', level, ...hosts })
const callee = (part: Parameters<typeof signal>[0]) =>
  signal({ ...part, service: 'store', role: 'downstream', on: [], off: ['s1'] })

const cases: [string, Survey, 'release' | 'not the release' | 'unknown', RegExp][] = [
  [
    'hosts that have it are worse',
    survey({ signals: [badCanary] }),
    'release',
    /^v2\.0\.0: Error Rate is 8\.?\d* % on hosts that have it and 0\.1\d* % on the others$/,
  ],
  [
    'all have it, and it began right after',
    survey({ release: everywhere, alerting: [], signals: [badAll] }),
    'release',
    /was 0\.1\d* % before it came$/,
  ],
  [
    'no release is joined',
    survey({ release: undefined, signals: [badEverywhere] }),
    'not the release',
    /no release of shop/,
  ],
  [
    'no host has it yet',
    survey({ release: { ...everywhere, upgraded: [], others: ['h1'] }, signals: [] }),
    'not the release',
    /no host has v2\.0\.0 yet/,
  ],
  [
    'it began before',
    survey({ onset: 300, signals: [signal({ level: (at) => (at >= 300 ? 0.08 : 0.001) })] }),
    'not the release',
    /^it began 1 min 40 s before v2\.0\.0 reached/,
  ],
  [
    'the hosts that alert do not have it',
    survey({ alerting: ['h3'], signals: [badEverywhere] }),
    'not the release',
    /^none of the hosts that alert has v2\.0\.0: h3$/,
  ],
  [
    'hosts without it are as bad',
    survey({ signals: [badEverywhere] }),
    'not the release',
    /hosts without it are as bad$/,
  ],
  [
    'hosts that have it look worse, in too few samples to be sure',
    survey({
      signals: [
        {
          ...badCanary,
          hosts: badCanary.hosts
            .filter(({ host }) => host === 'h1' || host === 'h3')
            .map((host) => ({ ...host, points: host.points.filter(([at]) => at < T.onset + 30) })),
        },
      ],
    }),
    'unknown',
    /^Error Rate is 8\.?\d* % on hosts that have it and 0\.1\d* % on the others$/,
  ],
  [
    'what it calls is down',
    survey({
      release: everywhere,
      signals: [
        badAll,
        callee({ key: 'up', name: 'Up', unit: 'count', bad: 'down', level: (at) => (at >= T.onset ? 0 : 1) }),
      ],
      down: [{ service: 'store', host: 's1', since: T.onset }],
    }),
    'not the release',
    /^store, which it calls, is down$/,
  ],
  [
    'what it calls went bad before it',
    survey({
      release: everywhere,
      signals: [badAll, callee({ level: (at) => (at >= T.onset - 30 ? 0.5 : 0.001) })],
    }),
    'not the release',
    /^Error Rate of store, which it calls, went from 0\.1\d* % to 50\.?\d* % before it$/,
  ],
  [
    'what it calls went bad with it, and nobody can say which came first',
    survey({
      release: everywhere,
      signals: [badAll, callee({ level: (at) => (at >= T.onset ? 0.5 : 0.001) })],
    }),
    'unknown',
    /^Error Rate of store, which it calls, went from 0\.1\d* % to 50\.?\d* % at the same time$/,
  ],
  [
    'the alert is about something that all hosts share, though hosts with it are slower',
    survey({
      alerting: ['h1', 'h2', 'h3', 'h4'],
      signals: [
        { ...badEverywhere, role: 'alert', key: 'alert', name: 'HighErrorRate', limit: 0.05 },
        signal({
          key: 'latency',
          name: 'Latency',
          unit: 'seconds',
          level: (at, host) => (at >= T.onset && canary.has(host) ? 0.095 : 0.048),
        }),
      ],
    }),
    'not the release',
    /^HighErrorRate is 8\.?\d* % on hosts that have it and 8\.?\d* % on the others: hosts without it are as bad$/,
  ],
  [
    'symptoms that contradict each other, and no series of the alert',
    survey({
      signals: [
        badEverywhere,
        signal({
          key: 'latency',
          name: 'Latency',
          unit: 'seconds',
          level: (at, host) => (at >= T.onset && canary.has(host) ? 0.5 : 0.048),
        }),
      ],
    }),
    'unknown',
    /^Latency is .* on the others, but Error Rate is .*: hosts without it are as bad$/,
  ],
  [
    'the process of the canary dies',
    survey({
      alerting: ['h1'],
      signals: [
        signal({
          role: 'alert',
          key: 'alert',
          name: 'InstanceDown',
          unit: 'count',
          bad: 'down',
          limit: 0.5,
          level: (at, host) => (at >= T.onset && canary.has(host) ? 0 : 1),
        }),
      ],
      down: [{ service: 'shop', host: 'h1', since: T.onset }],
    }),
    'release',
    /^v2\.0\.0: InstanceDown is 0 on hosts that have it and 1\S* on the others$/,
  ],
  [
    'its process dies on every host, and all have it',
    survey({
      release: everywhere,
      alerting: [],
      signals: [
        signal({
          key: 'up',
          name: 'Up',
          unit: 'count',
          bad: 'down',
          limit: 0.5,
          level: (at) => (at >= T.onset ? 0 : 1),
          ...all,
        }),
        traffic(() => 50, all),
      ],
    }),
    'release',
    /^v2\.0\.0: Up is 0 and was 1\S* before it came$/,
  ],
  [
    'the machine of the canary does not answer at all',
    survey({
      alerting: ['h1'],
      signals: [
        signal({
          role: 'alert',
          key: 'alert',
          name: 'InstanceDown',
          unit: 'count',
          bad: 'down',
          limit: 0.5,
          level: (at, host) => (at >= T.onset && host === 'h1' ? 0 : 1),
        }),
      ],
      down: [
        { service: 'shop', host: 'h1', since: T.onset },
        { service: 'SSH', host: 'h1', since: T.onset },
      ],
    }),
    'not the release',
    /^everything on h1 is down, not only shop$/,
  ],
  [
    'a job beside the service saturates the machine of the canary, after the deploy',
    survey({
      alerting: ['h1', 'h2'],
      signals: [
        badCanary,
        signal({
          key: 'cpu',
          name: 'Machine CPU',
          unit: 'ratio',
          level: (at, host) => (canary.has(host) && at > T.deploy ? 0.99 : 0.3),
        }),
        signal({ key: 'cpu', name: 'CPU', unit: 'cores', level: () => 0.2 }),
      ],
    }),
    'not the release',
    /^h1 is saturated: its CPU is 9\d\.?\d* % busy, though the service uses no more of it$/,
  ],
  [
    'the new version itself saturates its machines',
    survey({
      alerting: ['h1', 'h2'],
      signals: [
        badCanary,
        signal({
          key: 'cpu',
          name: 'Machine CPU',
          unit: 'ratio',
          level: (at, host) => (canary.has(host) && at > T.deploy ? 0.99 : 0.3),
        }),
        signal({
          key: 'cpu',
          name: 'CPU',
          unit: 'cores',
          level: (at, host) => (canary.has(host) && at > T.deploy ? 3.5 : 0.2),
        }),
      ],
    }),
    'release',
    /on the others$/,
  ],
  [
    'traffic that doubles with the trouble may be retries',
    survey({ release: everywhere, signals: [badAll, traffic((at) => (at >= T.onset ? 120 : 50), all)] }),
    'unknown',
    /^traffic was 200 \/s and is 480 \/s since it began$/,
  ],
  [
    'a certificate that expired long ago',
    survey({ from: 0, signals: [badCanary], expired: [{ name: 'old.example', at: -86_400 }] }),
    'release',
    /on the others$/,
  ],
  [
    'what it calls is down, but only hosts with the release suffer',
    survey({
      signals: [badCanary, callee({ level: (at) => (at >= T.onset ? 0.5 : 0.001) })],
    }),
    'release',
    /on the others$/,
  ],
  [
    'a surge of traffic',
    survey({ release: everywhere, signals: [badAll, traffic((at) => (at >= T.onset - 20 ? 300 : 50), all)] }),
    'not the release',
    /^traffic was 200 \/s and is 1200 \/s: a surge$/,
  ],
  [
    'one host alone of four that have it',
    survey({
      release: everywhere,
      alerting: ['h1'],
      signals: [signal({ level: (at, host) => (at >= T.onset && host === 'h1' ? 0.5 : 0.001), ...all })],
    }),
    'not the release',
    /^only h1 of 4 hosts that have it is worse$/,
  ],
  [
    'a machine that was saturated before',
    survey({
      release: everywhere,
      alerting: ['h1'],
      signals: [
        badAll,
        signal({
          key: 'cpu',
          name: 'Machine CPU',
          unit: 'ratio',
          level: (at, host) => (host === 'h1' && at > 200 ? 0.99 : 0.3),
          ...all,
        }),
      ],
    }),
    'not the release',
    /^h1 is saturated: its CPU is 9\d\.?\d* % busy, and was before the release$/,
  ],
  [
    'an expired certificate',
    survey({ release: everywhere, signals: [badAll], expired: [{ name: 'shop.example', at: T.onset - 1 }] }),
    'not the release',
    /^the certificate of shop\.example has expired$/,
  ],
  [
    'the whole machine is down',
    survey({
      release: everywhere,
      alerting: ['h1'],
      signals: [badAll],
      down: [
        { service: 'shop', host: 'h1', since: T.onset },
        { service: 'node', host: 'h1', since: T.onset },
      ],
    }),
    'not the release',
    /^everything on h1 is down, not only shop$/,
  ],
  [
    'another release at the same time, and nobody to compare with',
    survey({
      release: everywhere,
      signals: [badAll],
      otherReleases: [{ id: 'R-9', service: 'store', candidate: 'v7', startedAt: T.onset - 60 }],
    }),
    'unknown',
    /^R-9 put store v7 on hosts 1 min before it began; the metrics cannot tell them apart$/,
  ],
  [
    'all have it, and it began long after',
    survey({
      to: 3000,
      onset: 900,
      release: everywhere,
      alerting: [],
      signals: [signal({ level: (at) => (at >= 560 ? 0.08 : 0.001), ...all })],
    }),
    'unknown',
    /too late to say without hosts to compare with/,
  ],
  ['no metrics', survey({ signals: [] }), 'unknown', /no metric of the service tells its hosts apart/],
  [
    'nothing is worse',
    survey({ signals: [signal({ level: () => 0.001 })] }),
    'unknown',
    /Error Rate is 0\.1\d* % on hosts that have it/,
  ],
]

describe('whether the release did it', () => {
  test.each(cases)('%s', (_name, given, at, why) => {
    const verdict = judge(given)
    expect({ at: verdict.at, why: verdict.why }).toEqual({ at, why: expect.stringMatching(why) })
  })

  test('what tells most of the cause stands in the headline', () => {
    const down = callee({ key: 'up', name: 'Up', unit: 'count', bad: 'down', level: (at) => (at >= T.onset ? 0 : 1) })
    const given = survey({ signals: [badEverywhere, down], down: [{ service: 'store', host: 's1', since: T.onset }] })
    expect(judge(given).why).toBe('store, which it calls, is down')
    expect(
      judge(given)
        .checks.filter(({ speaks }) => speaks === 'against')
        .map(({ name }) => name),
    ).toEqual(['comparison', 'dependency'])
  })

  test('the order of hosts and signals does not matter', () => {
    fc.assert(
      fc.property(fc.nat({ max: cases.length - 1 }), fc.integer(), (index, seed) => {
        const given = cases[index]?.[1] ?? survey()
        const turned = <T>(items: T[]): T[] => {
          const n = Math.abs(seed) % Math.max(1, items.length)
          return [...items.slice(n), ...items.slice(0, n)]
        }
        const other = { ...given, signals: turned(given.signals.map((one) => ({ ...one, hosts: turned(one.hosts) }))) }
        expect(judge(other).at).toBe(judge(given).at)
      }),
    )
  })

  test('holes in the data never make it the release', () => {
    const innocent = cases.filter(([, , at]) => at !== 'release').map(([, given]) => given)
    fc.assert(
      fc.property(fc.nat({ max: innocent.length - 1 }), fc.integer({ min: 2, max: 9 }), (index, keep) => {
        const given = innocent[index] ?? survey()
        // A dependency, or a machine, that nobody sees cannot be held against it: the service's own figures are asked here.
        if (given.signals.some(({ role, key }) => role === 'downstream' || key === 'cpu')) return
        const thinned = given.signals.map((one) => ({
          ...one,
          hosts: one.hosts.map((host) => ({ ...host, points: host.points.filter((_, n) => n % keep === 0) })),
        }))
        expect(judge({ ...given, signals: thinned }).at).not.toBe('release')
      }),
    )
  })
})
