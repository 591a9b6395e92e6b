import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createChannel } from '../../src/adapters/channel/index.ts'
import { encodeKey } from '../../src/adapters/ssh/protocol.ts'
import { EPISODES, episodeSchema } from '../../src/incident/alert.ts'
import type { Incident } from '../../src/incident/incident.ts'
import { incidents } from '../../src/incident/incident.ts'
import type { Store } from '../../src/ports/store.ts'
import type { JobKey } from '../../src/ports/target.ts'
import { releases } from '../../src/release/release.ts'
import { CANDIDATE, readLines } from './kill-world.ts'
import { type Note, SERVICES, type TwoBots } from './two-bots-world.ts'

/** What may not be, whatever happened; one line each. `ids`: the releases, each of which was done and taken back once. */
export async function wrongReleases(world: TwoBots, ids: string[]): Promise<string[]> {
  const store = world.store()
  const wrong: string[] = []
  const all = (await store.find('releases')).map(
    ({ document }) => document as unknown as { id: string; service: string; state: { at: string } },
  )
  for (const { id, state } of all) if (state.at !== 'rolled back') wrong.push(`${id} is ${state.at}`)
  if (all.length !== ids.length) wrong.push(`there are ${all.length} releases, ${ids.length} were asked for`)
  for (const { id, document } of await store.find('flows')) {
    const { state } = document as { state: string }
    const incident = id.startsWith('A-')
    if (state !== 'done' && !incident) wrong.push(`the flow ${id} is ${state}`)
  }
  for (const service of SERVICES) {
    const times = all.filter((release) => release.service === service).length
    const cycle = ['stop v1.0.0', `start ${CANDIDATE}`, `stop ${CANDIDATE}`, 'start v1.0.0']
    for (const host of world.slots[service].hosts()) {
      const effects = host.effects()
      const wanted = Array.from({ length: times }, () => cycle).flat()
      if (JSON.stringify(effects) !== JSON.stringify(wanted)) wrong.push(`${host.id} has seen ${effects.join(', ')}`)
      if (host.daemons().length !== 1) wrong.push(`${host.daemons().length} services run on ${host.id}`)
      const keys = readLines(join(host.service, '.rollcall', 'audit.log')).map(
        (line) => (JSON.parse(line) as { key: string }).key,
      )
      if (new Set(keys).size !== keys.length) wrong.push(`${host.id} has run a job twice: ${keys.join(', ')}`)
      if (keys.length !== 2 * times) wrong.push(`${host.id} has run ${keys.length} jobs, not ${2 * times}`)
    }
  }
  wrong.push(...(await wrongOutputs(world)))
  return [...wrong, ...(await wrongMessages(store, ids))]
}

/** Each stream holds the job's log from the first byte to the last, without a gap and without a byte twice. */
async function wrongOutputs(world: TwoBots): Promise<string[]> {
  const hosts = SERVICES.flatMap((service) => world.slots[service].hosts())
  const wrong: string[] = []
  for (const { id, document } of await world.store().find('jobs')) {
    const job = document as unknown as JobKey & { state: { at: string; rc?: number } }
    if (job.state.at !== 'done' || job.state.rc !== 0) wrong.push(`the job ${id} is ${JSON.stringify(job.state)}`)
    const host = hosts.find((each) => each.id === job.host)
    const log = readFileSync(join(host?.service ?? '', '.rollcall', 'jobs', encodeKey(job), 'log'), 'utf8')
    let at = 0
    let text = ''
    for (const { seq, entry } of await world.store().read(`output/${id}`)) {
      const chunk = entry as { text: string; bytes: number }
      if (seq !== at) wrong.push(`the output of ${id} goes on at ${seq}, not at ${at}`)
      at = seq + chunk.bytes
      text += chunk.text
    }
    if (text !== log) wrong.push(`the output of ${id} is not its log`)
  }
  return wrong
}

/** Every release says the same, each message stands there once, and in its place. */
async function wrongMessages(store: Store, ids: string[]): Promise<string[]> {
  const channel = createChannel({ store, clock: () => new Date(), surfaces: [] })
  const rows = (await store.find('messages')).map(({ id }) => id)
  const wrong: string[] = []
  const plain = (key: string, id: string) => key.replace(id, 'R-n').replace(/\.rollback\.\d+/, '.rollback.n')
  const wanted = new Set<string>()
  for (const id of ids) {
    const mine = rows.filter((key) => key.split(/[/.]/)[0] === id).map((key) => plain(key, id))
    // A press that came just too late is told to whoever pressed: not every release has one.
    for (const key of mine) if (!key.includes('/dropped ')) wanted.add(key)
  }
  for (const id of ids) {
    const mine = rows.filter((key) => key.split(/[/.]/)[0] === id).map((key) => plain(key, id))
    const missing = [...wanted].filter((key) => !mine.includes(key))
    if (missing.length > 0) wrong.push(`${id} lacks the messages ${missing.join(', ')}`)
    const thread = (await channel.page({ channel: '#releases', thread: `${id}/card`, limit: 500 })).posts.map(
      ({ key }) => key,
    )
    if (thread.length !== new Set(thread).size) wrong.push(`under ${id} a message stands twice: ${thread.join(', ')}`)
    if (thread.length !== mine.length - 1)
      wrong.push(`${mine.length - 1} messages of ${id} are kept, ${thread.length} stand there`)
    const card = await channel.one(`${id}/card`)
    const { state } = await releases(store).need(id)
    if (card === undefined || !JSON.stringify(card.message).toLowerCase().includes(state.at))
      wrong.push(`the card of ${id} says ${card?.message.title}`)
  }
  return wrong
}

/** Every alert that was acknowledged is in exactly one incident, each incident has one card, no message stands twice in a thread. */
export async function wrongAlerts(world: TwoBots, sent: Map<string, string[]>): Promise<string[]> {
  const store = world.store()
  const wrong: string[] = []
  const all: Incident[] = []
  for await (const incident of incidents(store).newest()) all.push(incident)
  const episodes = (await store.find(EPISODES)).map(({ document }) => episodeSchema.parse(document))
  for (const [group, alerts] of sent) {
    const mine = all.filter((incident) => incident.group.key === group)
    if (mine.length !== 1) wrong.push(`${group} has the incidents ${mine.map(({ id }) => id).join(', ')}`)
    const inside = episodes.filter(({ incident }) => incident === mine[0]?.id).map(({ alert }) => alert.fingerprint)
    if (JSON.stringify(inside.sort()) !== JSON.stringify([...alerts].sort()))
      wrong.push(`${group} has ${inside.join(', ')}`)
  }
  if (all.length !== sent.size) wrong.push(`there are ${all.length} incidents for ${sent.size} groups`)
  const channel = createChannel({ store, clock: () => new Date(), surfaces: [] })
  for (const { id, channel: name, state, firing } of all) {
    const cards = (await channel.page({ channel: name, limit: 500 })).posts.filter(({ key }) => key === `${id}/card`)
    if (cards.length !== 1) wrong.push(`${id} has ${cards.length} cards`)
    const thread = (await channel.page({ channel: name, thread: `${id}/card`, limit: 500 })).posts.map(({ key }) => key)
    if (thread.length !== new Set(thread).size) wrong.push(`under ${id} a message stands twice`)
    if (state.at !== 'resolved' || firing > 0) wrong.push(`${id} is ${state.at}, ${firing} of its alerts fire`)
    if (
      !JSON.stringify(cards[0]?.message ?? '')
        .toLowerCase()
        .includes('resolved')
    )
      wrong.push(`the card of ${id} says ${cards[0]?.message.title}`)
  }
  for (const { id, document } of await store.find('incident-posts', { where: { waiting: true } })) {
    wrong.push(`the post ${id} waits since ${(document as { since: string }).since}`)
  }
  if ((await store.find('alert-deliveries-aside')).length > 0) wrong.push('a delivery was set aside')
  return wrong
}

/** Where two bots held one lead at the same time, or one change of hands had no number of its own. `deaths`: when a process ended. */
export function wrongLeads(notes: Note[], deaths: Map<number, number>): string[] {
  const wrong: string[] = []
  const names = new Set(notes.flatMap(({ lead }) => lead ?? []))
  for (const name of ['alerts', 'posts']) if (!names.has(name)) wrong.push(`nobody ever held ${name}`)
  for (const lead of names) {
    const mine = notes.filter((note) => note.lead === lead)
    const gained = mine.filter((note) => note.gained)
    for (const [place, one] of gained.entries()) {
      const next = gained[place + 1]
      if (next === undefined) continue
      if ((next.fence ?? 0) <= (one.fence ?? 0)) wrong.push(`${lead} went from fence ${one.fence} to ${next.fence}`)
      const lost = mine.find((note) => !note.gained && note.pid === one.pid && note.fence === one.fence)
      const end = Math.min(...[lost?.at, deaths.get(one.pid)].map((at) => at ?? Number.POSITIVE_INFINITY))
      if (end > next.at) wrong.push(`${lead} was gained by ${next.pid} while ${one.pid} held it`)
    }
  }
  return wrong
}

/** Ticks that were run twice although the first to run them lived, and whether there were any. */
export function wrongTicks(notes: Note[], deaths: Map<number, number>): string[] {
  const ticks = Map.groupBy(
    notes.filter(({ tick }) => tick !== undefined),
    ({ tick }) => tick,
  )
  const twice = [...ticks.values()].filter((all) => all.slice(0, -1).some(({ pid }) => !deaths.has(pid)))
  return [
    ...(ticks.size === 0 ? ['no tick was run'] : []),
    ...twice.map((all) => `${all[0]?.tick} was run by ${all.map(({ pid }) => pid).join(' and ')}`),
  ]
}
