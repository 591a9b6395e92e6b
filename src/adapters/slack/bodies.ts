import { z } from 'zod'
import { stateSchema } from './forms.ts'

const channelField = z.object({ id: z.string() }).nullish()
export const commandBody = z.object({
  command: z.string(),
  text: z.string().default(''),
  user_id: z.string(),
  channel_id: z.string(),
  trigger_id: z.string(),
  response_url: z.string().optional(),
})
export const eventBody = z.object({
  event_id: z.string(),
  event: z.object({
    type: z.string(),
    subtype: z.string().optional(),
    user: z.string().optional(),
    bot_id: z.string().optional(),
    text: z.string().default(''),
    channel: z.string(),
    channel_type: z.string().optional(),
    thread_ts: z.string().optional(),
  }),
})
export const actionBody = z.object({
  trigger_id: z.string(),
  user: z.object({ id: z.string() }),
  channel: channelField,
  container: z.object({ channel_id: z.string().optional(), thread_ts: z.string().optional() }).nullish(),
  response_url: z.string().optional(),
  actions: z.array(z.object({ action_id: z.string(), value: z.string().optional() })).min(1),
})
export const viewBody = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({
    id: z.string(),
    hash: z.string(),
    private_metadata: z.string(),
    callback_id: z.string(),
    state: stateSchema,
  }),
})

/** Whatever comes with somebody who did it. */
export const anyBody = z.object({
  user: z.object({ id: z.string() }),
  channel: channelField.catch(undefined),
  trigger_id: z.string().optional().catch(undefined),
  response_url: z.string().optional().catch(undefined),
})
/** Interactions that have a listener here. */
export const HEARD = [
  'block_actions',
  'view_submission',
  'view_closed',
  'shortcut',
  'message_action',
  'block_suggestion',
]
