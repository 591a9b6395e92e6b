import type { Button, Message } from './chat.ts'
import type { Json } from './store.ts'
import type { Health, SurfaceName } from './surface.ts'

/*
 * What the console's server and its client say to each other under /api/v1: types only, so that both sides are checked against
 * the same shapes. Times are ISO 8601 in UTC, durations are seconds unless the name says otherwise. Every error is a `Refusal`.
 */

/** The body of every answer from 400 on. */
export interface Refusal {
  /** The fault's code; the client branches on nothing else. */
  code: string
  say: string
  next: string
}

export interface PersonView {
  id: string
  name: string
  roles: string[]
}

/** GET /session. What may be known without having signed in, and who one is. */
export interface SessionView {
  person: PersonView | null
  /** Which ways in there are; `demo` lists the people whom one may be in the sandbox. */
  signIn: { demo: PersonView[]; token: boolean; oidc: { label: string } | null }
  /** Actions of the policy table that this person may do. */
  may: string[]
  language: 'en' | 'zh'
  /** Rollcall's own version. */
  version: string
  channels: string[]
}

/** POST /session. A personal token, or in the demo one of its people. */
export type SignIn = { token: string } | { person: string }

/** GET /messages?channel=&thread=&before=&limit=, GET /messages/one?key=. */
export interface MessageView {
  /** The key under which the same message is edited in place; unique. */
  key: string
  channel: string
  /** Key of the message under which this one stands. */
  thread?: string
  /** Ascending in the order of first posting, within its channel or thread. */
  number: number
  message: Message
  /** Grows by one with every edit. */
  revision: number
  postedAt: string
  editedAt?: string
  /** How many messages stand under it. */
  replies: number
}
export interface MessagePage {
  /** Ascending by number. */
  messages: MessageView[]
  /** There are older ones: ask with `before` = the first number. */
  more: boolean
}

/** POST /messages: what a person types. Only the one who typed reads the answer; what it causes stands in the channel. */
export interface Typed {
  channel: string
  text: string
}
export interface TypedAnswer {
  ok: boolean
  text: string
  message?: Message
}

/** GET /commands: what the command box completes. */
export interface CommandsView {
  commands: { name: string; summary: string; usage: string[]; flags: Record<string, string>; allowed: boolean }[]
  /** First words of /release that steer one, such as `pause`. */
  verbs: string[]
  services: string[]
  hosts: string[]
  /** Ids of releases that are not over, newest first. */
  releases: string[]
  /** Versions that the service has been asked for or runs, newest first. */
  versions: Record<string, string[]>
}

/**
 * POST /actions: a press on a button, by its opaque id. Always 200 with words, whether it counted or not. GET /actions?button= says
 * what it would be answered now, so that nobody is asked to confirm what will be refused.
 */
export interface Press {
  button: string
  /** What the button's fields were filled in with, by their names. */
  fields?: Record<string, string>
}
export interface PressAnswer {
  ok: boolean
  text: string
  next?: string
}

export type Tone = Message['tone']

/** GET /releases?service=&state=&person=&version=&from=&to=&before=&limit=; newest first. */
export interface ReleaseView {
  id: string
  service: string
  candidate: string
  current: string | null
  requester: string
  approvals: { by: string; at: string }[]
  approvalsNeeded: number
  /** One of the states, such as `rolling out`. */
  state: string
  /** The state in one sentence, as on the card. */
  headline: string
  tone: Tone
  over: boolean
  createdAt: string
  startedAt?: string
  endedAt?: string
  /** From the first host to the end, or to now; undefined when no host was touched. */
  seconds?: number
  batches: number
  /** Hosts by their progress, such as `healthy`: 3. */
  hosts: Record<string, number>
}
export interface ReleasePage {
  releases: ReleaseView[]
  more: boolean
}

/** GET /releases/{id}. */
export interface ReleaseDetail extends ReleaseView {
  /** As in the channel, with the buttons that fit now. */
  card: Message
  buttons: Button[]
  channel: string
  planHash: string
  steps: { step_name: string; status: string; summary: string; details: Record<string, unknown>; timestamp: string }[]
  risks: { type: string; mitigation: string; source: string; why: string }[]
  metrics: { key: string; name: string; query: string; limits: string[]; source: string }[]
  notes: string[]
  /** Where the rollout is: batch number, what it does, and until when. */
  now?: { batch: number; doing: string; since: string; until?: string }
  plan?: {
    artifact: { url: string; algorithm: string; digest: string }
    batches: { id: number; hosts: string[]; windowSeconds: number; atOnce: number }[]
    gate: string
    rollback: { atOnce: number; versions: Record<string, string | null> }
  }
  progress: HostProgressView[]
  verdicts: VerdictView[]
}
export interface HostProgressView {
  host: string
  region: string
  /** 0 when the plan does not name it. */
  batch: number
  state: string
  version?: string | null
  before: string | null
  why?: string
  deployedAt?: string
  /** The jobs that this release ran there, oldest first. */
  jobs: JobView[]
}
export interface JobView {
  id: string
  step: string
  attempt: number
  state: string
  startedAt: string
  endedAt?: string
}
export interface VerdictView {
  batch: number
  at: string
  verdict: string
  why: string
  metrics: {
    key: string
    name: string
    verdict: string
    why: string
    value?: number
    limit?: number
    samples?: number
  }[]
}

/** GET /releases/{id}/series: what the gate saw, one entry per observation window, oldest first. */
export interface SeriesView {
  windows: WindowView[]
}
export interface WindowView {
  name: string
  batch: number
  /** Seconds since 1970. */
  before: { from: number; to: number }
  after: { from: number; to: number }
  at: number
  verdict: string
  why: string
  metrics: {
    key: string
    name: string
    unit: 'cores' | 'bytes' | 'ratio' | 'seconds' | 'per_second'
    query: string
    verdict: string
    why: string
    limits: { warn?: number; fail?: number }
    hosts: {
      host: string
      group: 'upgraded' | 'waiting'
      /** When the new version took over, seconds since 1970. */
      deployedAt?: number
      /** [seconds since 1970, value], ascending, over both periods. */
      points: [number, number][]
    }[]
  }[]
}

/** GET /jobs/output?job=&from=: a job's output from a byte offset on; asked again from `next` while it is not over. */
export interface OutputView {
  job: string
  text: string
  next: number
  over: boolean
  state: string
}

/** GET /services. */
export interface ServiceView {
  name: string
  repo?: string
  hosts: string[]
  upstream: string[]
  downstream: string[]
  approvalsNeeded: number
  /** Hosts by the version that they were last seen with; `unknown` for those never asked. */
  versions: Record<string, number>
  /** The release that is not over. */
  running?: string
  last?: { id: string; candidate: string; state: string; endedAt?: string }
}

/** GET /surfaces: how the chat services are, as this server sees them. */
export interface SurfacesView {
  /** False when nobody could tell in time; nothing stands in the list then. */
  known: boolean
  surfaces: {
    surface: SurfaceName
    /** `standby`: another process holds it, and it works as far as this one knows. */
    at: Health['at']
    since: string
    why?: string
    /** Messages that wait, and since when the oldest does. */
    waiting: number
    oldest?: string
    /** Messages that it refuses as they are, and the last reason. */
    refused: { count: number; why?: string }
  }[]
}

/** GET /hosts?service=: the fleet as last seen. POST /hosts/probe {service?} asks the hosts now, and answers when all have. */
export interface HostView {
  id: string
  ip: string
  region: string
  labels: Record<string, string>
  services: {
    service: string
    /** Null when the service is not there, undefined when nobody has asked yet. */
    version?: string | null
    /** running, stopped, unreachable, … */
    state: string
    why?: string
    seenAt?: string
    /** The release that is changing it now. */
    release?: string
  }[]
}

/** GET /incidents?state=open|over&service=&before=&limit=; newest first. GET /incidents/{id}. */
export interface IncidentView {
  /** Such as `A-17`. */
  id: string
  title: string
  severity: 'critical' | 'warning' | 'info'
  /** firing, acknowledged, resolved. */
  state: string
  tone: Tone
  service?: string
  hosts: string[]
  firing: number
  resolved: number
  /** When the first of its alerts began, as its source says; and when its thread was opened. */
  since: string
  openedAt: string
  resolvedAt?: string
  acknowledgedBy?: string
  release?: string
  channel: string
  /** Key of its card, under which its thread stands. */
  card: string
}
export interface IncidentPage {
  incidents: IncidentView[]
  more: boolean
}

/** GET /alerts?incident=&after=&limit=: every alert of an incident as last heard, in the order of first hearing. */
export interface AlertView {
  fingerprint: string
  startsAt: string
  endsAt?: string
  status: 'firing' | 'resolved'
  labels: Record<string, string>
  annotations: Record<string, string>
  url?: string
}
export interface AlertPage {
  alerts: AlertView[]
  total: number
  /** Ask for `after` = this for the next page. */
  next?: string
}

/** GET /audit?person=&action=&result=&before=&limit=; newest first. */
export interface AuditEntryView {
  seq: number
  at: string
  /** Person id, or `unknown`. */
  who: string
  /** What it was tried from: console, terminal, slack, … and the address where there is one. */
  from: string
  action: string
  target: string
  result: 'done' | 'refused' | 'failed'
  why?: string
  before?: Json
  after?: Json
}
export interface AuditPage {
  entries: AuditEntryView[]
  more: boolean
  /** The chain's newest hash. */
  head: string
  /** Everybody and every action in the whole log, in alphabetical order: what one may ask for. */
  people?: string[]
  actions?: string[]
}

/**
 * GET /events: server-sent events. `id` is `<boot>-<n>`. Event `change` says that what stands under (kind, key) is new: the client
 * asks for it again. Several changes of one key that a reader has not taken yet become one. Event `reset` says that the server
 * cannot tell what was missed (it was restarted, or too much was): the client asks for everything that it shows. Event `beat`
 * comes every 15 s, with empty data and no id: a client that has heard none for longer is on a dead line.
 */
export type ChangeKind = 'message' | 'release' | 'output' | 'host' | 'session' | 'incident'
export interface Change {
  kind: ChangeKind
  /** Message key, release id, job id, host id, incident id. */
  key: string
  /** Of a message: where it stands. */
  channel?: string
  thread?: string
}
