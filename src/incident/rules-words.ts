import type { Cause } from './rules-causes.ts'

/** One change as it is stated: texts are clean, values carry their units. */
export interface ChangeText {
  metric: string
  service: string
  before: string
  after: string
  /** `after` is the extreme of a brief peak. */
  brief: boolean
  /** The metric says whether the target is up; all that were not answer again. */
  up: boolean
  back: boolean
  /** The alert's own expression. */
  alert: boolean
  /** The host whose values these are, empty where all show the same; the changed ones, and how many were measured. */
  host: string
  hosts: string
  count: number
  all: boolean
  measured: number
  sides?: { upgraded: string; waiting: string; version: string }
}

export interface ReleaseText {
  id: string
  version: string
  previous: string | undefined
  service: string
  /** Host names; empty text when there are none. */
  upgraded: string
  others: string
}

/** A cause's names, joined for reading. */
export interface CauseText {
  at: Cause['at']
  /** Certificates, hosts, or the host. */
  names: string
  /** The dependency, or the other release's service. */
  service: string
  /** The other release. */
  release: string
  version: string
  state: 'rolling out' | 'held' | 'over' | undefined
  /** How busy the machine is. */
  busy: string
  change: ChangeText | undefined
  /** The alerting service, and whether it is known to call the dependency. */
  own: string
  called: boolean
  /** Services that call it, where known. */
  callers: string
}

/** Every sentence of a report, in one language. */
export interface Words {
  headings: { summary: string; cause: string; impact: string; next: string }
  /** Between names; behind the last where there are more. */
  join: string
  others: string
  /** In brackets behind names that are not all. */
  total(count: number): string
  amount(text: string): string
  /** The last touch on the whole text. */
  polish(text: string): string
  fires(facts: { title: string; service: string | undefined; hosts: string; since: string; resolved: boolean }): string
  change(change: ChangeText): string
  short(change: ChangeText): string
  nothingChanged: string
  noMetrics: string
  /** Without a full stop. */
  verdict: {
    release(release: ReleaseText): string
    notRelease(release: ReleaseText): string
    noRelease: string
    unknown(release: ReleaseText | undefined): string
  }
  /** A verdict as it stands, and with its reason. */
  sentence(text: string): string
  because(verdict: string, why: string): string
  missing(verdict: string, why: string): string
  causeSeen(cause: CauseText): string
  onlyCorrelation: string
  evidence: string
  /** The same for a verdict that is not certain. */
  known: string
  changes: string
  services(list: { name: string; change: string; from: string }[]): string
  hosts(service: string, list: { name: string; change: string }[]): string
  unchanged(names: string): string
  began(facts: { at: string; lasting: string; fromSeries: boolean }): string
  affected(facts: { hosts: string; count: number; all: boolean; measured: number }): string
  unknownExtent: string
  has(release: ReleaseText): string
  hasNot(release: ReleaseText): string
  callersSee(change: string): string
  callersFine(names: string): string
  callersUnknown: string
  steps: {
    rollback(release: ReleaseText): string
    keepOthers(release: ReleaseText): string
    recheck(metric: string, before: string): string
    noRollback(release: ReleaseText): string
    /** Empty where nothing can be done about it. */
    cause(cause: CauseText): string
    compare(release: ReleaseText): string
    lookAt(at: string): string
    configure: string
    topology: string
    again: string
  }
  gaps: string
  shortened: string
}
