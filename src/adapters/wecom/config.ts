import { z } from 'zod'

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, not the secret itself')

/** Sends per conversation, as the two editions of WeCom's documentation give them. */
export const wecomProfiles = ['standard', 'legacy'] as const

/** `wecom:` in rollcall.yaml. Left out, WeCom (企业微信) is not used. */
export const wecomSchema = z.strictObject({
  botIdEnv: variable.default('WECOM_BOT_ID'),
  secretEnv: variable.default('WECOM_BOT_SECRET'),
  /** Our channels -> conversations: a chatid of a group, or a userid with type single. */
  channels: z
    .record(
      z.string().min(1).max(100),
      z.strictObject({ id: z.string().min(1).max(200), type: z.enum(['group', 'single']).default('group') }),
    )
    .refine((channels) => Object.keys(channels).length > 0, 'name at least one channel'),
  /** standard: 30 a minute and 1,000 an hour; legacy: 10 pushes a day. Each per conversation. */
  profile: z.enum(wecomProfiles).default('standard'),
  /** What the service at hand really grants per conversation, instead of what the profile has for that time. */
  limits: z
    .strictObject({
      perMinute: z.number().int().min(1).max(1_000_000).optional(),
      perHour: z.number().int().min(1).max(1_000_000).optional(),
    })
    .optional(),
  /** The name that people mention; taken off what they type. */
  name: z.string().min(1).max(64).default('Rollcall'),
  language: z.enum(['en', 'zh']).default('zh'),
  /** Another address of the long connection. */
  url: z.url({ protocol: /^wss?$/ }).optional(),
  /** Our channel -> variable with the address of a group webhook: pushes go there while the bot's own connection is away. */
  webhooksEnv: z.record(z.string().min(1).max(100), variable).default({}),
})
export type WecomConfig = z.output<typeof wecomSchema>
