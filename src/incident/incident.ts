import { z } from 'zod'
import { Fault } from '../lib/fault.ts'
import type { Json, Store } from '../ports/store.ts'
import { groupSchema } from './alert.ts'

const severity = z.enum(['critical', 'warning', 'info'])

/** A thread about one group of alerts, from the first that fired until none does. */
export const incidentSchema = z.object({
  /** `A-17`. */
  id: z.string(),
  group: groupSchema,
  channel: z.string(),
  /** ISO; the earliest start of its alerts, and when its thread was opened. */
  since: z.string(),
  openedAt: z.string(),
  /** The alert's name; `3 alerts` where they differ. */
  title: z.string(),
  /** The worst of those that fire; of all when none does. */
  severity,
  firing: z.number(),
  resolved: z.number(),
  /** Left out by the source, as it last said. */
  truncated: z.number(),
  service: z.string().optional(),
  /** Where its alerts are of several services: those that fire, the most frequent first. */
  services: z.array(z.string()).optional(),
  /** Ids of configured hosts that its alerts name. */
  hosts: z.array(z.string()),
  state: z.discriminatedUnion('at', [
    z.object({ at: z.literal('firing') }),
    z.object({ at: z.literal('resolved'), when: z.string() }),
  ]),
  /** `severity` is what was acknowledged; when it gets worse than that, the acknowledgement lapses. */
  acknowledged: z.object({ by: z.string(), when: z.string(), severity: severity.optional() }).optional(),
  /** The acknowledgement that lapsed last. */
  lapsed: z.object({ by: z.string(), when: z.string(), severity }).optional(),
  silences: z.array(
    z.object({
      /** That of the first of its parts. */
      id: z.string(),
      by: z.string(),
      /** ISO; when it ends, or was ended. */
      until: z.string(),
      reason: z.string(),
      endedBy: z.string().optional(),
      /** Silences at the source that make it up, by their labels: it covers what one of them matches. */
      parts: z
        .array(z.object({ id: z.string(), matchers: z.array(z.object({ name: z.string(), value: z.string() })) }))
        .optional(),
    }),
  ),
  /** The release that it is joined to, as it stood when it was joined. */
  release: z
    .object({
      id: z.string(),
      service: z.string(),
      candidate: z.string(),
      current: z.string().nullable(),
      planHash: z.string(),
      batch: z.number().optional(),
      approvedBy: z.array(z.string()),
      /** Hosts that have it, and hosts of the plan that do not. */
      upgraded: z.array(z.string()),
      others: z.array(z.string()),
      /** This incident held the rollout. */
      held: z.boolean(),
      /** The release's turn when it was asked to hold last; as long as it has that turn, the hold has not taken effect. */
      heldTurn: z.number().optional(),
    })
    .optional(),
  /** Id of that release: what incidents are looked up by. */
  joined: z.string().optional(),
  /** How many levels of its severity have been told, and how many at each severity. */
  level: z.number(),
  levels: z
    .object({ critical: z.number().optional(), warning: z.number().optional(), info: z.number().optional() })
    .optional(),
  /** Id of the newest report, `<subject>/<version>`. */
  report: z.string().optional(),
  /** What became of it after the joined release was rolled back. */
  outcome: z
    .object({ at: z.enum(['recovered', 'not recovered', 'unknown']), when: z.string(), why: z.string() })
    .optional(),
  /** Grows when what people may do changes; buttons are bound to it. */
  turn: z.number(),
})
export type Incident = z.infer<typeof incidentSchema>

const COLLECTION = 'incidents'
/** Entry n of this stream is A-<n + 1>. */
const NUMBERS = 'incident-numbers'
const PAGE = 100

function unknown(id: string): Fault {
  return new Fault('incident.unknown', {
    say: `There is no incident ${JSON.stringify(id.slice(0, 40))}.`,
    next: 'type /alerts to see the incidents',
  })
}

/** The incidents as typed documents. `change` may run several times (compare-and-set): it must be pure. */
export function incidents(store: Store) {
  const parse = (document: Json): Incident => incidentSchema.parse(document)
  return {
    async get(id: string): Promise<Incident | undefined> {
      const row = await store.get(COLLECTION, id)
      return row === undefined ? undefined : parse(row.document)
    },
    /** The incident, or Fault `incident.unknown`. */
    async need(id: string): Promise<Incident> {
      const incident = await this.get(id)
      if (incident === undefined) throw unknown(id)
      return incident
    },
    insert(incident: Incident): Promise<boolean> {
      return store.insert(COLLECTION, incident.id, incident as unknown as Json)
    },
    /** Compare-and-set until it holds. Returning undefined from `change` leaves the document as it is. */
    async update(id: string, change: (incident: Incident) => Incident | undefined): Promise<Incident> {
      for (;;) {
        const row = await store.get(COLLECTION, id)
        if (row === undefined) throw unknown(id)
        const before = parse(row.document)
        const after = change(before)
        if (after === undefined || after === before) return before
        if ((await store.put(COLLECTION, id, after as unknown as Json, row.version)) !== undefined) return after
      }
    },
    /** The next number, as an id; a crash right after it leaves a gap. */
    async newId(group: string): Promise<string> {
      return `A-${((await store.append(NUMBERS, { group })) ?? 0) + 1}`
    },
    async count(): Promise<number> {
      const [last] = await store.last(NUMBERS, 1)
      return last === undefined ? 0 : last.seq + 1
    },
    /** Those that are joined to this release. */
    async ofRelease(release: string): Promise<Incident[]> {
      const rows = await store.find(COLLECTION, { where: { joined: release } })
      return rows.map((row) => parse(row.document))
    },
    /** From the newest back; `below` leaves out that number and all above. */
    async *newest(below?: number): AsyncGenerator<Incident> {
      const count = await this.count()
      for (let end = Math.min(count, (below ?? count + 1) - 1); end > 0; end -= PAGE) {
        for (let n = end; n > Math.max(0, end - PAGE); n--) {
          const incident = await this.get(`A-${n}`)
          if (incident !== undefined) yield incident
        }
      }
    },
  }
}
export type Incidents = ReturnType<typeof incidents>
