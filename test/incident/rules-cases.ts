import type { Episode } from '../../src/incident/alert.ts'
import type { Incident } from '../../src/incident/incident.ts'
import { judge } from '../../src/incident/judge.ts'
import type { Diagnosis } from '../../src/incident/report.ts'
import { reportByRules } from '../../src/incident/rules.ts'
import type { Survey } from '../../src/incident/survey.ts'
import type { Verdict } from '../../src/incident/verdict.ts'
import { anIncident } from './an-incident.ts'
import { all, everywhere, signal, survey, T } from './survey-kit.ts'

/** When the incidents of these cases began: the surveys' clocks begin in 1970. */
const SINCE = new Date((T.onset + 20) * 1000).toISOString()

export const incident = (more: Partial<Incident> = {}): Incident =>
  anIncident({ since: SINCE, service: 'shop', hosts: ['h1', 'h2'], ...more })

export const episode = (status: 'firing' | 'resolved' = 'firing'): Episode => ({
  alert: {
    source: 'main',
    fingerprint: 'f1',
    status,
    startsAt: SINCE,
    receivedAt: SINCE,
    labels: { alertname: 'HighErrorRate' },
    annotations: {},
  },
  incident: 'A-1',
  firstHeardAt: SINCE,
  heard: 1,
})

const bad = (at: number) => (at >= T.onset ? 0.08 : 0.001)
const canary = new Set(['h1', 'h2'])
export const errors = signal({ level: (at, host) => (canary.has(host) ? bad(at) : 0.001) })
export const errorsEverywhere = signal({ level: bad })
export const calmTraffic = signal({
  key: 'traffic',
  name: 'Traffic',
  unit: 'per_second',
  query: 'traffic',
  level: () => 40,
})
const surge = signal({
  key: 'traffic',
  name: 'Traffic',
  unit: 'per_second',
  query: 'traffic',
  level: (at) => (at >= T.onset ? 125 : 40),
})
const latency = signal({
  key: 'latency',
  name: 'Latency',
  unit: 'seconds',
  query: 'latency',
  level: (at) => (at >= T.onset ? 1.25 : 0.25),
})
const storeErrors = signal({
  service: 'store',
  role: 'downstream',
  query: 'store errors',
  on: [],
  off: ['s1'],
  level: (at) => (at >= T.onset - 20 ? 0.9 : 0.001),
})
const storeUp = signal({
  service: 'store',
  role: 'downstream',
  key: 'up',
  name: 'Up',
  unit: 'count',
  bad: 'down',
  query: 'up{job="store"}',
  on: [],
  off: ['s1'],
  level: (at) => (at >= T.onset ? 0 : 1),
})
const cpu = signal({
  key: 'cpu',
  name: 'CPU',
  unit: 'ratio',
  query: 'busy',
  level: (at, host) => (host === 'h1' && at >= 200 ? 0.975 : 0.3),
})
const callerErrors = signal({ service: 'web', role: 'upstream', query: 'web errors', on: [], off: ['w1'], level: bad })

/** A survey for each cause that the rules know. */
export const surveys = {
  'a bad canary': survey({ signals: [errors, calmTraffic] }),
  'a bad version everywhere': survey({
    release: everywhere,
    alerting: [],
    signals: [signal({ level: bad, ...all }), calmTraffic],
  }),
  'a dependency that is down': survey({
    signals: [errorsEverywhere, storeUp, storeErrors, callerErrors],
    down: [{ service: 'store', host: 's1', since: T.onset - 10 }],
  }),
  'a surge of traffic': survey({ signals: [latency, surge] }),
  'a saturated host': survey({
    alerting: ['h1'],
    signals: [signal({ level: (at, host) => (host === 'h1' ? bad(at) : 0.001) }), cpu],
  }),
  'a machine that is down': survey({
    alerting: ['h1'],
    signals: [errors],
    down: [
      { service: 'shop', host: 'h1', since: T.onset },
      { service: 'store', host: 'h1', since: T.onset },
    ],
  }),
  'a certificate that has expired': survey({
    signals: [errorsEverywhere],
    expired: [{ name: 'shop.example.com', at: 405 }],
  }),
  'no release at all': survey({ release: undefined, signals: [errorsEverywhere] }),
  'no metrics': survey({ signals: [], gaps: ['no Prometheus is configured'] }),
  'nothing at all': survey({ signals: [], service: undefined, release: undefined, alerting: [], onsetFrom: 'alert' }),
} satisfies Record<string, Survey>
export type Case = keyof typeof surveys

export function reported(name: Case, language: 'en' | 'zh' = 'en'): Diagnosis & { verdict: Verdict; survey: Survey } {
  const verdict = judge(surveys[name])
  return { ...reportByRules(surveys[name], verdict, incident(), [episode()], language), verdict, survey: surveys[name] }
}

/** The lines of one section, by its place. */
export function section({ content }: Diagnosis, place: 0 | 1 | 2 | 3): string {
  return content.split(/^【[^】]+】$/m)[place + 1]?.trim() ?? ''
}
