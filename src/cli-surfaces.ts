import { createLeads } from './adapters/leads/index.ts'
import { type FolderLock, lockFolder } from './adapters/sqlite/index.ts'
import { openStore } from './app.ts'
import type { Config } from './config/load.ts'
import { deaf, type SurfacePatient } from './entry/doctor-surfaces.ts'
import { suggestion } from './lib/did-you-mean.ts'
import { asFault } from './lib/fault.ts'
import type { Log } from './lib/log.ts'
import type { Leads } from './ports/lead.ts'
import type { Store } from './ports/store.ts'
import type { ChatSurface, Sent } from './ports/surface.ts'

/** The lock of a data folder, for looks of one process that go on at the same time: it is let go with the last of them. */
export interface SharedLock {
  /** Throws what `lockFolder` throws, such as Fault `store.in-use` while the bot runs. */
  take(): FolderLock
}

export function shareLock(folder: string): SharedLock {
  let lock: FolderLock | undefined
  let users = 0
  return {
    take() {
      lock ??= lockFolder(folder)
      users++
      let mine = true
      return {
        release() {
          if (!mine) return
          mine = false
          if (--users > 0) return
          lock?.release()
          lock = undefined
        },
      }
    },
  }
}

/**
 * The chat services that are configured, as `rollcall doctor` looks at them: without taking anything in, and beside a running bot,
 * whose connection is left alone.
 */
export function surfacePatients(
  config: Config,
  parts: { log: Log; lock: SharedLock },
): { patients: SurfacePatient[]; close: () => Promise<void> } {
  const { log } = parts
  let store: Promise<Store> | undefined
  const opened: { surface?: Promise<Surface>; leads?: Leads }[] = []
  const open = (): Promise<Store> => {
    store ??= openStore(config)
    return store
  }
  const patients = (['slack', 'wecom'] as const).flatMap((surface): SurfacePatient[] => {
    if (config[surface] === undefined) return []
    const mine: (typeof opened)[number] = {}
    opened.push(mine)
    const made = (): Promise<Surface> => {
      mine.surface ??= open().then((ready) => {
        if (surface === 'slack') return slackOf(config, ready, log)
        mine.leads = leadsOf(config, ready, parts)
        return wecomOf(config, ready, { leads: mine.leads, log, hopeless: locked(config, parts.lock) })
      })
      return mine.surface
    }
    return [
      {
        surface,
        examine: async (people) => (await made()).examine(people),
        sendTestCard: async (channel) => (await made()).sendTestCard(channel),
      },
    ]
  })
  return {
    patients,
    async close() {
      for (const { surface, leads } of opened) {
        await surface?.then((each) => each.stop(1000)).catch(() => undefined)
        await leads?.close()
      }
      await store?.then((each) => each.close()).catch(() => undefined)
    },
  }
}

interface Surface extends Pick<ChatSurface, 'examine' | 'stop'> {
  sendTestCard(channel: string): Promise<Sent>
}

async function slackOf(config: Config, store: Store, log: Log): Promise<Surface> {
  const { createSlack } = await import('./adapters/slack/index.ts')
  const { slack, language } = config
  if (slack === undefined) throw new Error('slack is not configured')
  const { botTokenEnv, appTokenEnv, signingSecretEnv, channels } = slack
  const { env } = process
  const socket = slack.mode === 'socket'
  const surface = createSlack({
    config: slack,
    botToken: env[botTokenEnv] ?? '',
    ...(socket ? { appToken: env[appTokenEnv] ?? '' } : { signingSecret: env[signingSecretEnv] ?? '' }),
    ...common(config, 'slack', store, log),
    language: slack.language ?? language,
  })
  return {
    examine: surface.examine,
    stop: surface.stop,
    async sendTestCard(channel) {
      const place = surface.place(channel)
      if (place !== undefined) return surface.sendTestCard(place)
      const names = Object.keys(channels)
      return {
        at: 'refused',
        why: `Slack does not show the channel ${channel}.${suggestion(channel, names)}`,
        next: `name one of slack.channels: ${names.join(', ')}`,
      }
    },
  }
}

/** `hopeless`: the lead is somebody else's, and waiting for it is of no use. */
async function wecomOf(
  config: Config,
  store: Store,
  parts: { leads: Leads; log: Log; hopeless: boolean },
): Promise<Surface> {
  const { createWecom } = await import('./adapters/wecom/index.ts')
  const { leads, log, hopeless } = parts
  const { wecom } = config
  if (wecom === undefined) throw new Error('wecom is not configured')
  const { env } = process
  const webhooks = Object.entries(wecom.webhooksEnv).map(([channel, name]) => [channel, env[name] ?? ''] as const)
  return createWecom({
    config: wecom,
    botId: env[wecom.botIdEnv] ?? '',
    secret: env[wecom.secretEnv] ?? '',
    webhooks: new Map(webhooks),
    ...common(config, 'wecom', store, log),
    leads,
    language: wecom.language,
    ...(hopeless ? { timings: { examineMs: 0 } } : {}),
  })
}

function common(config: Config, surface: 'slack' | 'wecom', store: Store, log: Log) {
  return {
    reception: () => deaf,
    pictures: async () => undefined,
    mention: (person: string) => config.people.find(({ id }) => id === person)?.surfaces[surface],
    store,
    log,
    clock: () => new Date(),
  }
}

/** Who may hold a connection: nobody here while the bot runs. With SQLite that is told by the lock of its folder. */
function leadsOf(config: Config, store: Store, { log, lock }: { log: Log; lock: SharedLock }): Leads {
  return config.store.kind === 'mongo' ? createLeads({ store, exclusive: false, log }) : folderLeads(lock, log)
}

function locked(config: Config, lock: SharedLock): boolean {
  if (config.store.kind === 'mongo') return false
  try {
    lock.take().release()
    return false
  } catch {
    return true
  }
}

function folderLeads(shared: SharedLock, log: Log): Leads {
  const held = new Set<() => Promise<void>>()
  return {
    campaign(name, on) {
      let lock: FolderLock | undefined
      try {
        lock = shared.take()
      } catch (error) {
        log.info({ name, code: asFault(error).code }, 'lead not taken')
      }
      const gained = lock === undefined ? Promise.resolve() : Promise.resolve().then(() => on.gained?.())
      const release = async (): Promise<void> => {
        held.delete(release)
        await gained
        const mine = lock
        lock = undefined
        if (mine === undefined) return
        await on.lost?.()
        mine.release()
      }
      held.add(release)
      return { held: () => lock !== undefined, fence: () => (lock === undefined ? 0 : 1), release }
    },
    async close() {
      await Promise.all([...held].map((release) => release()))
    },
  }
}
