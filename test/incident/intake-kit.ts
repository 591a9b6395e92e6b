import { createAudit } from '../../src/access/audit.ts'
import { type Alert, type Delivery, EPISODES, type Episode, episodeSchema } from '../../src/incident/alert.ts'
import { createIncidentDesk, type IncidentDesk } from '../../src/incident/desk.ts'
import { createIntake, type Intake } from '../../src/incident/intake.ts'
import { receive } from '../../src/incident/receive.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Flows } from '../../src/ports/flow.ts'
import type { Store } from '../../src/ports/store.ts'
import { createDesk } from '../../src/release/desk.ts'
import { createFakeChat } from '../fakes/chat.ts'
import { incidentParts } from '../fakes/desk.ts'
import { aService } from '../fakes/service.ts'
import { createFakeTarget } from '../fakes/target.ts'

export const T0 = Date.parse('2026-01-31T09:00:00Z')
/** So many minutes after the beginning, as ISO. */
export const at = (minutes: number): string => new Date(T0 + minutes * 60_000).toISOString()

/** An incident feature in which only the intake is at work: the incidents' flows are written down, and nobody runs them. */
export interface IntakeWorld {
  desk: IncidentDesk
  intake: Intake
  /** `A-1 alerts/0` for each event that counts, in order. */
  told: string[]
  /** Ids of the flows that were started. */
  started: Set<string>
  hear(...deliveries: Delivery[]): Promise<void>
  episodes(): Promise<Episode[]>
  /** Like kill -9 and another start: a new intake on the same store. */
  restart(): Promise<void>
  close(): Promise<void>
}

export function intakeDesk(store: Store, flows: Flows): IncidentDesk {
  const log = createLog({ level: 'silent' })
  const clock = () => new Date(T0 + 60_000)
  const hosts = ['web-1', 'web-2'].map((id, n) => ({ id, ip: `10.0.0.${n + 1}`, region: 'bj', labels: {} }))
  const desk = createDesk({
    store,
    flows,
    chat: createFakeChat(),
    target: createFakeTarget(hosts.map(({ id }) => id)),
    metrics: undefined,
    artifacts: {
      async find() {
        throw new Error('no artifacts here')
      },
    },
    services: [aService()],
    hosts,
    people: [],
    knowledge: [],
    audit: createAudit({ store, key: Buffer.alloc(32, 7), clock, log }),
    channel: '#releases',
    redact: (text) => text,
    clock,
    log,
  })
  return createIncidentDesk(desk, incidentParts())
}

/** Events and flows as the ledger keeps them, without running anything; kept in the store, as a restart must not lose them. */
export function recordedFlows(store: Store, told: string[], started: Set<string>): Flows {
  return {
    define() {},
    async open() {},
    async start(kind, id, input) {
      const fresh = await store.insert('flows', id, { kind, input })
      if (fresh) started.add(id)
      return fresh
    },
    async send(id, key, data) {
      const fresh = await store.insert('mail', `${id} ${key}`, data)
      if (fresh) told.push(`${id} ${key}`)
      return fresh
    },
    async status() {
      return undefined
    },
    async finished() {},
    async close() {},
  }
}

export async function intakeWorld(store: Store): Promise<IntakeWorld> {
  const told: string[] = []
  const started = new Set<string>()
  const desk = intakeDesk(store, recordedFlows(store, told, started))
  const world: IntakeWorld = {
    desk,
    intake: createIntake(desk),
    told,
    started,
    async hear(...deliveries) {
      for (const delivery of deliveries) await receive(desk, delivery)
      await world.intake.idle()
    },
    async episodes() {
      const rows = await store.find(EPISODES)
      return rows.map(({ document }) => episodeSchema.parse(document))
    },
    async restart() {
      await world.intake.stop()
      world.intake = createIntake(desk)
      await world.intake.start()
      await world.intake.idle()
    },
    async close() {
      await world.intake.stop()
      await store.close()
    },
  }
  await world.intake.start()
  return world
}

export function anAlert(part: Partial<Alert> = {}): Alert {
  const alert: Alert = {
    source: 'am',
    fingerprint: 'f1',
    status: 'firing',
    startsAt: at(0),
    receivedAt: at(1),
    labels: { alertname: 'HighErrorRate', severity: 'critical', instance: 'web-1' },
    annotations: {},
    ...part,
  }
  return alert.status === 'resolved' ? { endsAt: at(5), ...alert } : alert
}

export function aDelivery(alerts: Partial<Alert>[], part: Partial<Delivery> & { key?: string } = {}): Delivery {
  const { key = '{}:{alertname="HighErrorRate"}', ...rest } = part
  return {
    group: { source: 'am', key, labels: { alertname: 'HighErrorRate' }, receiver: 'rollcall' },
    alerts: alerts.map(anAlert),
    truncated: 0,
    receivedAt: at(1),
    ...rest,
  }
}
