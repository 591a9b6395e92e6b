import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAudit } from '../../src/access/audit.ts'
import { createLedger } from '../../src/adapters/ledger/index.ts'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { type Alert, EPISODES, episodeId, toJson } from '../../src/incident/alert.ts'
import { alertsSchema } from '../../src/incident/config.ts'
import { createIncidentDesk, type IncidentDesk, type IncidentParts } from '../../src/incident/desk.ts'
import { diagnosisStory } from '../../src/incident/diagnose.ts'
import { judge } from '../../src/incident/judge.ts'
import { openPosts, stopPosts } from '../../src/incident/pace.ts'
import type { Report } from '../../src/incident/report.ts'
import type { Survey } from '../../src/incident/survey.ts'
import type { DiagnosisParts } from '../../src/incident/write-report.ts'
import { createLog } from '../../src/lib/log.ts'
import { createRedactor } from '../../src/lib/redact.ts'
import type { Message, Post } from '../../src/ports/chat.ts'
import type { Metrics } from '../../src/ports/metrics.ts'
import { createDesk } from '../../src/release/desk.ts'
import type { Release } from '../../src/release/release.ts'
import { createFakeChat, type FakeChat } from '../fakes/chat.ts'
import { aRelease } from '../fakes/release.ts'
import { aService } from '../fakes/service.ts'
import { createFakeTarget, type FakeTarget } from '../fakes/target.ts'
import { anIncident } from './an-incident.ts'
import { metricsOf } from './metrics-by-query.ts'
import { signal, survey, T } from './survey-kit.ts'

export interface DiagnosisWorld {
  desk: IncidentDesk
  chat: FakeChat
  target: FakeTarget
  /** JSON lines of the log. */
  logged: string[]
  /** Opens an incident that is joined to the release R-7, with one firing alert. */
  incident(id?: string, alert?: Partial<Alert>): Promise<void>
  /** Runs the n-th diagnosis to its end and gives the report. */
  diagnose(n?: number, order?: { incident?: string; by?: string }): Promise<Report | undefined>
  /** The message of the n-th diagnosis, once everything that was owed has been posted. */
  message(n?: number, incident?: string): Promise<Message>
  close(): Promise<void>
}

/** Errors on the two hosts that have the release, from ten seconds after it came. */
export const guilty = survey({
  service: 'user-service',
  alerting: ['h1', 'h2'],
  release: {
    id: 'R-7',
    candidate: 'v1.1.0',
    current: 'v1.0.0',
    startedAt: T.deploy - 5,
    jobSeconds: 5,
    upgraded: ['h1', 'h2'].map((host) => ({ host, at: T.deploy })),
    others: ['h3', 'h4'],
  },
  signals: [
    signal({
      service: 'user-service',
      query: 'sum by (host) (errors)',
      level: (at, host) => (at >= T.onset && ['h1', 'h2'].includes(host) ? 0.183 : 0.002),
    }),
    signal({
      service: 'user-service',
      key: 'traffic',
      name: 'Traffic',
      unit: 'per_second',
      query: 'rate(requests[1m])',
      level: () => 25,
    }),
  ],
})

/** The same errors everywhere: it was not the release. */
export const innocent: Survey = {
  ...guilty,
  signals: [
    signal({
      service: 'user-service',
      query: 'sum by (host) (errors)',
      level: (at) => (at >= T.onset ? 0.183 : 0.002),
    }),
  ],
}

/** A held release that two hosts have and two do not. */
export function heldRelease(more: Partial<Release> = {}): Release {
  const host = { before: 'v1.0.0', attempt: 0 }
  const has = { at: 'healthy' as const, version: 'v1.1.0', deployedAt: '2026-01-01T00:10:00.000Z', ...host }
  const waits = { at: 'pending' as const, version: 'v1.0.0', ...host }
  return aRelease({
    state: {
      at: 'held',
      why: 'an alert fires',
      offers: ['resume', 'rollback', 'abort'],
      batch: 1,
      since: '2026-01-01T00:12:00.000Z',
    },
    hosts: { h1: has, h2: has, h3: waits, h4: waits },
    ...more,
  })
}

/** The diagnosis on a real store and ledger; hosts, channel, metrics and (unless given) the survey are in memory. */
export async function diagnosisWorld(
  options: {
    folder?: string
    parts?: Partial<IncidentParts>
    story?: Partial<DiagnosisParts>
    metrics?: Metrics
    secrets?: string[]
    release?: Release
    repo?: string
    probe?: (point: string) => void
    /** Everything that reaches the channel, in order. */
    onPost?: (post: Post) => void
  } = {},
): Promise<DiagnosisWorld> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'rollcall-diagnosis-')))
  const logged: string[] = []
  const redactor = createRedactor(options.secrets ?? [])
  const log = createLog({
    redact: redactor,
    level: 'debug',
    env: {},
    stream: { write: (line) => void logged.push(line) },
  })
  const store = await createSqliteStore({ folder })
  const flows = createLedger({ store, exclusive: true, log, probe: options.probe })
  const chat = createFakeChat()
  const { put } = chat
  chat.put = async (post) => {
    options.onPost?.(post)
    await put(post)
  }
  const hosts = ['h1', 'h2', 'h3', 'h4'].map((id, n) => ({ id, ip: `10.0.0.${n + 1}`, region: 'bj', labels: {} }))
  const target = createFakeTarget(hosts.map(({ id }) => id))
  const base = createDesk({
    store,
    flows,
    chat,
    target,
    metrics:
      options.metrics ?? metricsOf({ 'sum by (host) (errors)': [{ labels: { host: 'h1' }, points: [[500, 0.183]] }] }),
    artifacts: { find: () => Promise.reject(new Error('not asked for')) },
    services: [aService({}, options.repo === undefined ? {} : { repo: options.repo })],
    hosts,
    people: [{ id: 'bob', roles: ['approver'], surfaces: {} }],
    knowledge: [],
    audit: createAudit({ store, key: Buffer.alloc(32, 7), clock: () => new Date(), log }),
    channel: '#releases',
    redact: redactor.text,
    clock: () => new Date(),
    log,
  })
  const desk = createIncidentDesk(base, {
    config: alertsSchema.parse({}),
    model: undefined,
    tools: undefined,
    pictures: { draw: async () => ({ png: new Uint8Array([137, 80, 78, 71]), width: 2, height: 1 }) },
    silences: {
      create: () => Promise.reject(new Error('a silence was made')),
      expire: () => Promise.reject(new Error('a silence was ended')),
      firing: () => Promise.resolve(undefined),
    },
    budget: { steps: 20, tokens: 500_000, seconds: 60 },
    prices: undefined,
    language: 'en',
    postEveryMs: 1,
    ...options.parts,
  })
  const story = { readSurvey: async () => guilty, judge, ...options.story }
  flows.define('diagnosis', (flow, input) => diagnosisStory(flow, desk, input, story))
  // Stands for the incident's own story: what it is told is kept in its mailbox.
  flows.define('incident', async (flow) => void (await flow.wait('for ever')))
  await openPosts(desk)
  await flows.open()
  await desk.releases.insert(options.release ?? heldRelease())
  return {
    desk,
    chat,
    target,
    logged,
    async incident(id = 'A-1', alert = {}) {
      const release = {
        id: 'R-7',
        service: 'user-service',
        candidate: 'v1.1.0',
        current: 'v1.0.0',
        planHash: 'c'.repeat(64),
        batch: 1,
        approvedBy: ['bob'],
        upgraded: ['h1', 'h2'],
        others: ['h3', 'h4'],
        held: true,
      }
      const incident = anIncident({ id, hosts: ['h1', 'h2'], release })
      await desk.incidents.insert(incident)
      const whole: Alert = {
        source: 'main',
        fingerprint: `f-${id}`,
        status: 'firing',
        startsAt: incident.since,
        receivedAt: incident.openedAt,
        labels: { alertname: 'HighErrorRate' },
        annotations: { description: 'errors are at 18.3 %' },
        ...alert,
      }
      await desk.store.insert(
        EPISODES,
        episodeId(whole),
        toJson({ alert: whole, incident: id, firstHeardAt: incident.openedAt, heard: 1 }),
      )
    },
    async diagnose(n = 1, { incident = 'A-1', by } = {}) {
      const flow = `${incident}/diagnosis-${n}`
      await flows.start('diagnosis', flow, { incident, n, ...(by === undefined ? {} : { by }) })
      await flows.finished(flow)
      const rows = await store.find('reports')
      const found = rows.map(({ id }) => desk.reports.get(id))
      return (await Promise.all(found)).find((report) => report?.flow === flow)
    },
    async message(n = 1, incident = 'A-1') {
      const key = `${incident}/report/${n}`
      for (
        const until = performance.now() + 5000;
        performance.now() < until;
        await new Promise((r) => setTimeout(r, 5))
      ) {
        const posted = chat.posts.get(key)?.message
        if (posted !== undefined && !posted.title.startsWith('Diagnosing')) return posted
      }
      throw new Error(`nothing stands at ${key}`)
    },
    async close() {
      await flows.close(1000)
      stopPosts(desk)
      await store.close()
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}
