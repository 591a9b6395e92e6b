import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { commands } from '../../commands/index.ts'
import { createAudit } from '../../src/access/audit.ts'
import type { Person } from '../../src/access/config.ts'
import { createLedger } from '../../src/adapters/ledger/index.ts'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { press } from '../../src/entry/actions.ts'
import { type CommandAnswer, runCommand } from '../../src/entry/command.ts'
import { alertsSchema } from '../../src/incident/config.ts'
import { createIncidentDesk, type IncidentDesk, type IncidentParts } from '../../src/incident/desk.ts'
import { stopPosts } from '../../src/incident/pace.ts'
import { incidentStory } from '../../src/incident/story.ts'
import { Fault } from '../../src/lib/fault.ts'
import { createLog } from '../../src/lib/log.ts'
import type { FoundArtifact } from '../../src/ports/artifacts.ts'
import type { Flow } from '../../src/ports/flow.ts'
import type { Metrics } from '../../src/ports/metrics.ts'
import type { Json } from '../../src/ports/store.ts'
import type { Answer } from '../../src/release/answer.ts'
import { findButton } from '../../src/release/button.ts'
import { createDesk } from '../../src/release/desk.ts'
import type { Release } from '../../src/release/release.ts'
import { rollbackStory } from '../../src/release/rollback.ts'
import { releaseStory } from '../../src/release/rollout.ts'
import { createFakeChat, type FakeChat } from './chat.ts'
import { aService } from './service.ts'
import { createFakeTarget, type FakeTarget } from './target.ts'

export interface TestDesk {
  desk: IncidentDesk
  target: FakeTarget
  chat: FakeChat
  /** Packages that exist; change the digest to publish another under the same name. */
  packages: Map<string, FoundArtifact>
  /** Added to the real clock. */
  clock: { aheadMs: number }
  type(person: string, text: string): Promise<CommandAnswer>
  press(person: string, release: string, action: string): Promise<Answer>
  /** Waits until the release stands there; fails after ten seconds with where it stands. */
  reach(release: string, state: Release['state']['at']): Promise<Release>
  /** Without `keep` its folder is gone as well. */
  close(keep?: 'keep'): Promise<void>
  folder: string
}

const people: Person[] = [
  { id: 'alice', roles: ['operator'], surfaces: {} },
  { id: 'bob', roles: ['approver'], surfaces: {} },
  { id: 'carol', roles: ['approver', 'operator'], surfaces: {} },
  { id: 'vera', roles: ['viewer'], surfaces: {} },
]

/** The release feature on a real store and ledger, with hosts and a channel in memory. */
export async function testDesk(
  options: {
    hosts?: number
    policy?: Record<string, unknown>
    /** Built once the hosts are known. */
    metrics?: (target: FakeTarget) => Metrics
    probe?: (point: string) => void
    /** The desk's clock runs this many times faster than the flow's: a window of 300 ms holds 30 s of metrics at 100. */
    speed?: number
    /** What the incident feature gets in place of its own defaults. */
    incident?: Partial<IncidentParts>
    /** What runs as the flow of a diagnosis; nothing happens in it unless told. */
    diagnosis?: (flow: Flow, desk: IncidentDesk, input: Json) => Promise<void>
    /** Goes on in the folder of a desk that was closed, or whose process is taken for dead. */
    folder?: string
  } = {},
): Promise<TestDesk> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'rollcall-desk-')))
  const log = createLog({ level: 'silent' })
  const store = await createSqliteStore({ folder })
  const flows = createLedger({ store, exclusive: true, log, probe: options.probe })
  const hosts = Array.from({ length: options.hosts ?? 3 }, (_, i) => {
    const region = i % 2 === 0 ? 'bj' : 'sh'
    return { id: `${region}-${i + 1}`, ip: `10.0.0.${i + 1}`, region, labels: {} }
  })
  const target = createFakeTarget(hosts.map((host) => host.id))
  const chat = createFakeChat()
  const clock = { aheadMs: 0 }
  const born = Date.now()
  const policy = {
    batches: ['1', '100%'],
    windows: ['40ms', '40ms'],
    interval: '20ms',
    warmup: '0s',
    ...options.policy,
  }
  const services = [aService(policy)]
  const packages = new Map(
    ['v1.1.0', 'v1.2.0', 'v0.9.0'].map((version): [string, FoundArtifact] => [
      version,
      {
        url: `http://a/${version}.tar.gz`,
        algorithm: 'sha256',
        digest: 'a'.repeat(64),
        delivery: 'host',
        sizeBytes: 1000,
      },
    ]),
  )
  const releaseDesk = createDesk({
    store,
    flows,
    chat,
    target,
    metrics: options.metrics?.(target),
    artifacts: {
      async find(_source, version) {
        const found = packages.get(version)
        if (found !== undefined) return found
        throw new Fault('artifact.missing', { say: `There is no package ${version}.`, next: 'check the version' })
      },
    },
    services,
    hosts,
    people: structuredClone(people),
    knowledge: [],
    audit: createAudit({ store, key: Buffer.alloc(32, 7), clock: () => new Date(), log }),
    channel: '#releases',
    redact: (text) => text,
    clock: () => new Date(born + (Date.now() - born) * (options.speed ?? 1) + clock.aheadMs),
    log,
  })
  const desk = createIncidentDesk(releaseDesk, { ...incidentParts(), ...options.incident })
  flows.define('release', (flow, input) => releaseStory(flow, desk, input))
  flows.define('rollback', (flow, input) => rollbackStory(flow, desk, input))
  flows.define('incident', (flow, input) => incidentStory(flow, desk, input))
  flows.define('diagnosis', async (flow, input) => options.diagnosis?.(flow, desk, input))
  await flows.open()
  const person = (id: string): Person => desk.people.find((each) => each.id === id) ?? fail(`no person ${id}`)
  return {
    desk,
    target,
    chat,
    packages,
    clock,
    type: (who, text) => runCommand({ desk, person: person(who), channel: '#releases', commands }, text),
    async press(who, release, action) {
      const until = Date.now() + 5000
      for (;;) {
        // The card follows the document; a person presses what the card shows once it has caught up.
        const button = chat.card(release).buttons.find((each) => each.action === action)
        const bound = button === undefined ? undefined : await findButton(desk.store, button.id)
        const { turn } = await desk.releases.need(release)
        if (button !== undefined && bound?.turn === turn) return press(desk, button.id, person(who))
        if (Date.now() > until) fail(`the card of ${release} has no ${action}`)
        await delay(5)
      }
    },
    async reach(release, state) {
      const until = Date.now() + 10_000
      for (;;) {
        const found = await desk.releases.get(release)
        if (found?.state.at === state) return found
        if (Date.now() > until) fail(`${release} is ${JSON.stringify(found?.state)}, not ${state}`)
        await delay(5)
      }
    },
    folder,
    async close(keep) {
      await flows.close(1000)
      stopPosts(desk)
      await store.close()
      if (keep === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Alerts as they are without any configuration: no model, no tools, and nothing that draws or silences. */
export function incidentParts(): IncidentParts {
  return {
    config: alertsSchema.parse({}),
    model: undefined,
    tools: undefined,
    pictures: {
      async draw() {
        throw new Fault('picture.not-drawn', { say: 'Nothing draws here.', next: 'give the test pictures' })
      },
    },
    silences: {
      async create() {
        throw new Fault('silence.unreachable', { say: 'Nobody silences here.', next: 'give the test silences' })
      },
      async expire() {},
      async firing() {
        return undefined
      },
    },
    budget: { steps: 20, tokens: 200_000, seconds: 120 },
    prices: undefined,
    language: 'en',
  }
}

function fail(why: string): never {
  throw new Error(why)
}
