import { z } from 'zod'

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, not the token itself')

/** `slack:` in rollcall.yaml. Left out, Slack is not used. */
export const slackSchema = z.strictObject({
  /** Begins with xoxb-. */
  botTokenEnv: variable.default('SLACK_BOT_TOKEN'),
  /** Socket Mode needs no address that Slack could reach; http wants /slack/events to be reached from the internet. */
  mode: z.enum(['socket', 'http']).default('socket'),
  /** Begins with xapp-; for Socket Mode. */
  appTokenEnv: variable.default('SLACK_APP_TOKEN'),
  /** For mode http. */
  signingSecretEnv: variable.default('SLACK_SIGNING_SECRET'),
  /** Our channels -> ids of Slack's, such as `"#releases": C0123ABCD`. Whoever is not named here is not shown in Slack. */
  channels: z
    .record(
      z.string().min(1).max(100),
      z.string().regex(/^[CG][A-Z0-9]{2,30}$/, 'the id of a channel, such as C0123ABCD'),
    )
    .refine((channels) => Object.keys(channels).length > 0, 'name at least one channel'),
  /** What people read there; that of the whole configuration when left out. */
  language: z.enum(['en', 'zh']).optional(),
  /** Another address of the Web API, such as that of GovSlack. */
  apiUrl: z.url({ protocol: /^https?$/ }).default('https://slack.com/api/'),
  /** Table, plan and task blocks where Slack shows them; false sends sections only. */
  nativeBlocks: z.boolean().default(true),
})
export type SlackConfig = z.output<typeof slackSchema>
