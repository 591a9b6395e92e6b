import type { SlackConfig } from '../adapters/slack/config.ts'
import type { WecomConfig } from '../adapters/wecom/config.ts'
import { suggestion } from '../lib/did-you-mean.ts'
import type { Parts } from './parts.ts'
import type { Problem } from './problems.ts'

/** The channel that release cards go to. */
export const RELEASES = '#releases'

/**
 * The variables that Slack and WeCom need as they are configured, keyed as in the file: a name that stands only in the defaults
 * is wanted all the same, and what another mode needs is not.
 */
export function surfaceVariables(surfaces: Pick<Parts, 'slack' | 'wecom'>): Record<'slack' | 'wecom', object> {
  return { slack: slackVariables(surfaces.slack), wecom: wecomVariables(surfaces.wecom) }
}

function slackVariables(slack: SlackConfig | undefined): object {
  if (slack === undefined) return {}
  const { botTokenEnv, appTokenEnv, signingSecretEnv } = slack
  return slack.mode === 'socket' ? { botTokenEnv, appTokenEnv } : { botTokenEnv, signingSecretEnv }
}

function wecomVariables(wecom: WecomConfig | undefined): object {
  if (wecom === undefined) return {}
  const { botIdEnv, secretEnv, webhooksEnv } = wecom
  const webhooks = Object.entries(webhooksEnv).map(([channel, variable]) => ({ channel, webhookEnv: variable }))
  return { botIdEnv, secretEnv, webhooksEnv: webhooks }
}

/** Channels that nothing is posted to, and services where nobody is known. */
export function silentSurfaces({ slack, wecom, alerts, people }: Parts): Problem[] {
  const levels =
    alerts === undefined ? [] : [alerts.critical, alerts.warning, alerts.info].flatMap((each) => each.levels)
  const channels = [RELEASES, alerts?.channel, ...levels.map((level) => level.channel)].filter(
    (name) => name !== undefined,
  )
  const used = [...new Set(channels)]
  const named = [
    ...Object.keys(slack?.channels ?? {}).map((name) => ({ at: 'slack.channels', name })),
    ...Object.keys(wecom?.channels ?? {}).map((name) => ({ at: 'wecom.channels', name })),
    ...Object.keys(wecom?.webhooksEnv ?? {}).map((name) => ({ at: 'wecom.webhooksEnv', name })),
  ]
  const strangers = named
    .filter(({ name }) => !used.includes(name))
    .map(({ at, name }) => ({
      path: `${at}.${name}`,
      say: `nothing is posted to ${JSON.stringify(name)}.${suggestion(name, used)}`,
      remedy: `use one of: ${used.join(', ')}`,
    }))
  const empty = (['slack', 'wecom'] as const).flatMap((surface) => {
    const configured = surface === 'slack' ? slack : wecom
    if (configured === undefined || people.some(({ value }) => value.surfaces[surface] !== undefined)) return []
    return [
      {
        path: surface,
        say: 'nobody has an id there, so no press and no command can be theirs',
        remedy: `add surfaces: { ${surface}: … } to people; whoever types something there is shown their id`,
      },
    ]
  })
  return [...strangers, ...empty]
}
