import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { z } from 'zod'
import { asFault } from '../lib/fault.ts'
import type { Lead, Leads } from '../ports/lead.ts'
import type { Entry } from '../ports/store.ts'
import { type Delivery, deliverySchema, episodeId } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import { groupId, noteTruncated } from './open.ts'
import { DELIVERIES, onDelivery } from './receive.ts'
import { type Heard, settle, type Told } from './settle.ts'

/** Turns what sources have sent into episodes and incidents, and tells the incidents' flows. */
export interface Intake {
  /** Goes on where it was, and with every delivery from now on; it does not wait for them. */
  start(): Promise<void>
  /** Lets what is being written end. */
  stop(): Promise<void>
  /** Resolves when nothing is left to take in; not while the store cannot be reached. */
  idle(): Promise<void>
}

const CURSORS = 'alert-cursors'
const CURSOR = 'intake'
/** Deliveries that could not be taken in, each with the reason: nothing that is wrong with one holds up the others. */
const ASIDE = 'alert-deliveries-aside'
const cursorSchema = z.object({ next: z.number() })

/** Deliveries that are read at once. */
const READ = 100
/** Alerts that are settled within one turn of the event loop, about: 20 ms of its time. */
const AT_ONCE = 500
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** So often a delivery fails for a reason that does not pass by itself before it is set aside. */
const TRIES = 3
/** The lead that is held by whoever takes alerts in. */
const LEAD = 'alerts'

export interface IntakeOptions {
  /** Where several processes share the store: only the one that holds `alerts` takes in. Those of the desk unless told. */
  leads?: Leads
  /** Milliseconds within which a delivery that another process has kept is seen; 500 unless told. */
  pollMs?: number
}

/**
 * The consumer of the deliveries. It may be killed at any point: the deliveries that were under way are taken in again, which
 * opens nothing twice and tells nobody twice. The same holds when the lead goes over in the middle of a delivery and two take it
 * in at once: rows are written by compare-and-set, what was heard already says nothing new, and the cursor never goes back.
 */
export function createIntake(desk: IncidentDesk, { leads = desk.leads, pollMs = 500 }: IntakeOptions = {}): Intake {
  const halted = new AbortController()
  let lead: Lead | undefined
  let polling: NodeJS.Timeout | undefined
  const stopped = (): boolean => halted.signal.aborted || (leads !== undefined && lead?.held() !== true)
  let wanted = false
  let working: Promise<void> | undefined
  let forget = (): void => {}

  const wake = (): void => {
    wanted = true
    if (stopped() || working !== undefined) return
    working = work().finally(() => {
      working = undefined
      if (wanted) wake()
    })
  }

  const work = async (): Promise<void> => {
    let pause = FIRST_PAUSE_MS
    let failures = 0
    let failedAt: number | undefined
    // After a failure the deliveries are taken one by one for a while: that finds the one that is to blame.
    let careful = 0
    while (wanted && !stopped()) {
      wanted = false
      let from: number | undefined
      try {
        const begin = (next: number): void => {
          from = next
        }
        while (!stopped() && (await takeSome(desk, { stopped, begin, one: careful > 0 }))) {
          pause = FIRST_PAUSE_MS
          failures = 0
          careful = Math.max(0, careful - 1)
        }
      } catch (error) {
        desk.log.warn({ err: error }, 'alerts not taken in, trying again')
        wanted = true
        careful = READ
        // Another process may have got past the one that failed before.
        failures = asFault(error).retry ? 0 : (from === failedAt ? failures : 0) + 1
        failedAt = from
        if (failures >= TRIES && !stopped() && (await setAside(desk, error, from))) {
          failures = 0
          continue
        }
        await delay(pause, undefined, { signal: halted.signal }).catch(() => {})
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
      }
    }
  }

  return {
    async start() {
      forget = onDelivery(desk.store, wake)
      if (leads === undefined) return wake()
      lead = leads.campaign(LEAD, {
        gained() {
          polling = setInterval(wake, pollMs).unref()
          wake()
        },
        lost: () => clearInterval(polling),
      })
    },
    async stop() {
      forget()
      halted.abort()
      clearInterval(polling)
      await working
      await lead?.release()
    },
    async idle() {
      while (working !== undefined) await working
    },
  }
}

interface Numbered {
  seq: number
  delivery: Delivery
}

interface Taking {
  /** Asked before each set of deliveries. */
  stopped(): boolean
  /** Told the number of the first delivery. */
  begin(from: number): void
  /** One delivery only. */
  one: boolean
}

/** Takes in what is there; false when there was nothing. */
async function takeSome(desk: IncidentDesk, { stopped, begin, one }: Taking): Promise<boolean> {
  const from = await cursorOf(desk)
  begin(from)
  const entries = await desk.store.read(DELIVERIES, from, one ? 1 : READ)
  for (const set of setsOf(readable(entries))) {
    if (stopped()) break
    await takeSet(desk, set)
    await advance(desk, (set.at(-1)?.seq ?? 0) + 1)
  }
  return entries.length > 0
}

/** The deliveries before the first that cannot be read; throws when that is the first of all. */
function readable(entries: Entry[]): Numbered[] {
  const all: Numbered[] = []
  for (const { seq, entry } of entries) {
    const { data, error } = deliverySchema.safeParse(entry)
    if (data === undefined && all.length === 0) throw error
    if (data === undefined) break
    all.push({ seq, delivery: data })
  }
  return all
}

/** Whole deliveries, as many together as have about as many alerts as are settled at once. */
function setsOf(all: Numbered[]): Numbered[][] {
  const sets: Numbered[][] = []
  let alerts = 0
  for (const each of all) {
    if (sets.length === 0 || alerts + each.delivery.alerts.length > AT_ONCE) {
      sets.push([])
      alerts = 0
    }
    sets.at(-1)?.push(each)
    alerts += each.delivery.alerts.length
  }
  return sets
}

async function takeSet(desk: IncidentDesk, set: Numbered[]): Promise<void> {
  const from = set[0]?.seq ?? 0
  const told: Told = new Map()
  const heard = set.flatMap(heardIn)
  for (let start = 0; start < heard.length; start += AT_ONCE) {
    await settle(desk, heard.slice(start, start + AT_ONCE), from, told)
    await turn()
  }
  for (const { group, truncated, seq } of lastOfGroups(set)) {
    const said = await noteTruncated(desk, { group, truncated, seq })
    if (said !== undefined && said.delivery >= from) {
      told.set(said.incident, Math.max(told.get(said.incident) ?? 0, said.delivery))
    }
  }
  await Promise.all(
    [...told].map(async ([incident, seq]) => {
      await desk.flows.start('incident', incident, { incident })
      await desk.flows.send(incident, `alerts/${seq}`, { kind: 'alerts' })
    }),
  )
}

/** Each episode once: a body that names one twice means the last. */
function heardIn({ seq, delivery: { group, truncated, alerts } }: Numbered): Heard[] {
  const last = new Map(alerts.map((alert) => [episodeId(alert), alert]))
  return [...last.values()].map((alert) => ({ seq, group, truncated, alert }))
}

function lastOfGroups(set: Numbered[]) {
  const last = new Map(
    set.map(({ seq, delivery: { group, truncated } }) => [groupId(group), { group, truncated, seq }]),
  )
  return last.values()
}

async function cursorOf({ store }: IncidentDesk): Promise<number> {
  const row = await store.get(CURSORS, CURSOR)
  return row === undefined ? 0 : cursorSchema.parse(row.document).next
}

/** Never back: who comes late has taken in what others have taken in as well. */
async function advance({ store }: IncidentDesk, next: number): Promise<void> {
  for (;;) {
    const row = await store.get(CURSORS, CURSOR)
    if (row === undefined) {
      if (await store.insert(CURSORS, CURSOR, { next })) return
      continue
    }
    if (cursorSchema.parse(row.document).next >= next) return
    if ((await store.put(CURSORS, CURSOR, { next }, row.version)) !== undefined) return
  }
}

/** Leaves out the delivery that stands in the way; false when the store does not let it, or somebody else is past it already. */
async function setAside(desk: IncidentDesk, error: unknown, seq: number | undefined): Promise<boolean> {
  try {
    if (seq === undefined || (await cursorOf(desk)) !== seq) return false
    const { code } = asFault(error)
    desk.log.error({ err: error, delivery: seq }, 'delivery of alerts set aside')
    await desk.store.append(ASIDE, { delivery: seq, code })
    await advance(desk, seq + 1)
    return true
  } catch (failed) {
    desk.log.warn({ err: failed }, 'delivery of alerts not set aside')
    return false
  }
}
