import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { encodeKey } from '../../src/adapters/ssh/protocol.ts'
import type { Json, Store } from '../../src/ports/store.ts'
import type { JobKey } from '../../src/ports/target.ts'
import { until } from '../adapters/ssh/kit.ts'
import { type KillHost, readLines, type Slot } from './kill-world.ts'

/** Everything that a story has left: in the store, on the hosts and in the channel. Two good runs give equal ones. */
export interface Outcome {
  release: unknown
  flows: unknown
  jobs: unknown
  /** What people have pressed; a press that a crash made void shows as one too many. */
  presses: string[]
  /** By key; what each says in the end. */
  messages: Record<string, unknown>
  hosts: Record<string, { current: string; effects: string[]; audit: unknown[]; jobs: string[]; daemons: number }>
  /** Titles of the messages that stand under a card in the transcript, sorted. */
  threads: string[]
}

/** Times, durations, hashes and the names of one release differ from run to run; nothing else may. */
const VARYING: [RegExp, string][] = [
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>'],
  [/\d{4}-\d\d-\d\d [\d:]+ [+-]\d\d:\d\d/g, '<time>'],
  [/\b\d+ (ms|s|min|h)\b( \d+ (ms|s|min|h)\b)*/g, '<duration>'],
  [/\b[0-9a-f]{12,64}\b/g, '<hash>'],
  [/\b[0-9a-hjkmnp-tv-z]{26}\b/g, '<token>'],
  [/\.rollback\.\d+/g, '.rollback.n'],
  [/\bR-\d+/g, 'R-n'],
]
/** A number that a crash took and nobody used leaves a gap in these. */
const GAPS = new Set(['turn', 'epoch'])

function plain(value: unknown): unknown {
  if (typeof value === 'string') return VARYING.reduce((text, [what, name]) => text.replace(what, name), value)
  if (typeof value === 'number') return value > 1e9 ? '<time>' : value
  if (Array.isArray(value)) return value.filter((item) => !isElapsed(item)).map(plain)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(
    ([key, inner]) => [plain(key), GAPS.has(key) ? '<n>' : plain(inner)] as const,
  )
  return Object.fromEntries(entries.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)))
}

/** A card tells it only from the first second on. */
function isElapsed(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'label' in item && item.label === 'elapsed'
}

/** What is there now. `wrong` are things that no run may leave, whatever it is compared with. */
export async function readOutcome(slot: Slot): Promise<{ outcome: Outcome; wrong: string[] }> {
  const store = await createSqliteStore({ folder: slot.data })
  try {
    const all = async (collection: string) =>
      (await store.find(collection)).map(({ id, document }) => ({ id, document }))
    const releases = await all('releases')
    const jobs = await all('jobs')
    const messages = await all('messages')
    const flows = await all('flows')
    const presses = (await all('presses')).map(({ document }) => document as { kind: string; by: string })
    const outcome: Outcome = {
      release: releases.map(({ document }) => plain(document)),
      flows: flows.map(({ id, document }) => plain([id, pick(document, ['kind', 'state', 'phase', 'fault'])])),
      jobs: jobs.map(({ id, document }) => plain([id, document])),
      presses: presses.map(({ kind, by }) => `${kind} by ${by}`).sort(),
      messages: Object.fromEntries(
        messages.map(({ id, document }) => [plain(id), plain(pick(document, ['channel', 'thread', 'message']))]),
      ),
      hosts: Object.fromEntries(slot.hosts().map((host) => [host.id, onHost(host)])),
      threads: threadTitles(slot),
    }
    const wrong = [
      ...(releases.length === 1 ? [] : [`there are ${releases.length} releases`]),
      ...slot.hosts().flatMap((host) => wrongOnHost(host, releases[0]?.document)),
      ...(await wrongOutputs(store, slot)),
    ]
    return { outcome, wrong }
  } finally {
    await store.close()
  }
}

/**
 * Titles of messages that a kill has caught between their line on the terminal and the note in the store that it stands there:
 * the next process prints them again, and nothing can close that gap for a terminal. `before`: those of earlier kills.
 */
export async function printedUnnoted(slot: Slot, before: string[]): Promise<string[]> {
  const store = await createSqliteStore({ folder: slot.data })
  try {
    const notes = new Set((await store.find('shown')).map(({ id }) => id))
    const messages = (await store.find('messages')).map(({ id, document }) => ({
      title: String(plain((document as { message: { title: string } }).message.title)),
      noted: notes.has(`terminal/${id}`),
    }))
    const noted = messages.filter((message) => message.noted).map(({ title }) => title)
    const unnoted = messages.filter((message) => !message.noted).map(({ title }) => title)
    const printed = threadTitles(slot)
    return unnoted.filter((title) => count(printed, title) > count(noted, title) + count(before, title))
  } finally {
    await store.close()
  }
}

/** Resolves when the store has some output, but not the end, of a job on this host; the bot may run meanwhile. */
export async function outputBegun(slot: Slot, host: string): Promise<void> {
  const store = await createSqliteStore({ folder: slot.data })
  try {
    await until(
      `output from ${host}`,
      async () => {
        const running = (await store.find('jobs', { where: { host } })).filter(
          ({ document }) => (document as { state: { at: string } }).state.at === 'new',
        )
        const streams = await Promise.all(running.map(({ id }) => store.read(`output/${id}`)))
        return streams.some((entries) => entries.length > 0)
      },
      30,
    )
  } finally {
    await store.close()
  }
}

function threadTitles(slot: Slot): string[] {
  const titles = readLines(slot.transcript).flatMap((line) => /^ {4}↳ (.*)$/.exec(line)?.[1] ?? [])
  return titles.map((title) => String(plain(title))).sort()
}

function pick(document: Json, keys: string[]): Record<string, Json | undefined> {
  const fields = document as Record<string, Json | undefined>
  return Object.fromEntries(keys.map((key) => [key, fields[key]]))
}

function onHost(host: KillHost): Outcome['hosts'][string] {
  const mine = join(host.service, '.rollcall')
  const jobs = join(mine, 'jobs')
  return {
    current: readlinkSync(join(host.service, 'current')),
    effects: host.effects(),
    audit: readLines(join(mine, 'audit.log')).map((line) => plain(JSON.parse(line))),
    jobs: existsSync(jobs)
      ? readdirSync(jobs)
          .sort()
          .map((name) => String(plain(name)))
      : [],
    daemons: host.daemons().length,
  }
}

function wrongOnHost(host: KillHost, release: Json | undefined): string[] {
  const { effects, audit, daemons } = onHost(host)
  const keys = audit.map((line) => (line as { key: string }).key)
  // Each epoch that the host has seen is a name there; the highest counts.
  const seen = join(host.service, '.rollcall', 'epochs')
  const epoch = existsSync(seen) ? Math.max(0, ...readdirSync(seen).map(Number)) : 0
  const { epoch: known = 0, hosts } = (release ?? {}) as { epoch?: number; hosts?: Record<string, { at: string }> }
  // The new version did not start there, and somebody went on without the host.
  const serving = hosts?.[host.id]?.at === 'skipped' ? 0 : 1
  return [
    ...(new Set(keys).size === keys.length ? [] : [`${host.id} has more than one audit line of a job: ${keys}`]),
    ...(daemons === serving ? [] : [`on ${host.id} the service runs ${daemons} times`]),
    // A host that nobody has sent a job has seen none.
    ...(epoch === known || (epoch === 0 && audit.length === 0)
      ? []
      : [`${host.id} has the epoch ${epoch}, the release ${known}`]),
    ...(effects.length % 2 === 0 ? [] : [`${host.id}: each change stops once and starts once: ${effects}`]),
  ]
}

/** Each stream holds the job's log from the first byte to the last, without a gap and without a byte twice. */
async function wrongOutputs(store: Store, slot: Slot): Promise<string[]> {
  const wrong: string[] = []
  for (const { id, document } of await store.find('jobs')) {
    const key = document as unknown as JobKey
    const host = slot.hosts().find((each) => each.id === key.host)
    const log = readFileSync(join(host?.service ?? '', '.rollcall', 'jobs', encodeKey(key), 'log'), 'utf8')
    let at = 0
    let text = ''
    for (const { seq, entry } of await store.read(`output/${id}`)) {
      const chunk = entry as { text: string; bytes: number }
      if (seq !== at) wrong.push(`the output of ${id} goes on at ${seq}, not at ${at}`)
      at = seq + chunk.bytes
      text += chunk.text
    }
    if (text !== log) wrong.push(`the output of ${id} is not its log: ${JSON.stringify(text)}, ${JSON.stringify(log)}`)
    if (!/== done: \S+\n$|the port is taken\nstart: exit 3[^\n]*\n$/.test(text)) {
      wrong.push(`the output of ${id} does not end as a job does: ${JSON.stringify(text.slice(-80))}`)
    }
  }
  return wrong
}

/** How an outcome differs from the one that it should be, one line each; where one counts double, that is told apart. */
export function compare(
  wanted: Outcome,
  found: Outcome,
): { differences: string[]; doubleEffects: number; doubled: string[] } {
  const differences: string[] = []
  walk('', wanted, found, differences)
  let doubleEffects = 0
  for (const [id, host] of Object.entries(wanted.hosts)) {
    const there = found.hosts[id]
    for (const line of new Set(there?.effects)) {
      doubleEffects += Math.max(0, count(there?.effects ?? [], line) - count(host.effects, line))
    }
  }
  const doubled = [...new Set(found.threads)].filter(
    (title) => count(found.threads, title) > count(wanted.threads, title),
  )
  return { differences, doubleEffects, doubled }
}

const count = (lines: string[], line: string) => lines.filter((each) => each === line).length

function walk(path: string, wanted: unknown, found: unknown, differences: string[]): void {
  if (differences.length > 8 || JSON.stringify(wanted) === JSON.stringify(found)) return
  const inner = (value: unknown) => typeof value === 'object' && value !== null
  if (!inner(wanted) || !inner(found)) {
    differences.push(`${path}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`)
    return
  }
  const keys = new Set([...Object.keys(wanted as object), ...Object.keys(found as object)])
  for (const key of keys) {
    const [a, b] = [wanted, found].map((value) => (value as Record<string, unknown>)[key])
    walk(path === '' ? key : `${path}.${key}`, a, b, differences)
  }
}
