import type { Slack } from './adapters/slack/index.ts'
import type { createWecom } from './adapters/wecom/index.ts'
import type { Config } from './config/load.ts'
import type { Log } from './lib/log.ts'
import type { Leads } from './ports/lead.ts'
import type { Store } from './ports/store.ts'
import type { Reception, SurfaceName } from './ports/surface.ts'

/**
 * The chat services that are configured, built but not connected. Secrets are read from the environment, where they were checked.
 * The vendors' packages are large: they are read only by who uses them.
 */
export interface ChatServices {
  slack: Slack | undefined
  wecom: ReturnType<typeof createWecom> | undefined
}

export async function createChatServices(
  { slack, wecom, people, language }: Pick<Config, 'slack' | 'wecom' | 'people' | 'language'>,
  parts: {
    store: Store
    leads: Leads
    /** Asked only once a surface is started: who hears needs the surfaces to answer through. */
    reception: () => Reception
    log: Log
    clock: () => Date
    env?: Readonly<Record<string, string | undefined>>
  },
): Promise<ChatServices> {
  const { store, leads, reception, log, clock, env = process.env } = parts
  const secret = (variable: string): string => env[variable] ?? ''
  const shared = { store, reception, log, clock, pictures: picturesIn(store) }
  const mention = (surface: SurfaceName) => (person: string) =>
    people.find(({ id }) => id === person)?.surfaces[surface]
  return {
    slack:
      slack &&
      (await import('./adapters/slack/index.ts')).createSlack({
        ...shared,
        config: slack,
        botToken: secret(slack.botTokenEnv),
        ...(slack.mode === 'socket'
          ? { appToken: secret(slack.appTokenEnv) }
          : { signingSecret: secret(slack.signingSecretEnv) }),
        mention: mention('slack'),
        language: slack.language ?? language,
      }),
    wecom:
      wecom &&
      (await import('./adapters/wecom/index.ts')).createWecom({
        ...shared,
        config: wecom,
        botId: secret(wecom.botIdEnv),
        secret: secret(wecom.secretEnv),
        webhooks: new Map(Object.entries(wecom.webhooksEnv).map(([channel, variable]) => [channel, secret(variable)])),
        leads,
        mention: mention('wecom'),
        language: wecom.language,
      }),
  }
}

/** The PNG kept under an id in the collection `pictures`. */
function picturesIn(store: Store): (id: string) => Promise<Buffer | undefined> {
  return async (id) => {
    const document = (await store.get('pictures', id))?.document
    const png = typeof document === 'object' && document !== null && !Array.isArray(document) ? document.png : undefined
    return typeof png === 'string' ? Buffer.from(png, 'base64') : undefined
  }
}
