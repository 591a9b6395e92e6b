/**
 * What each method of the Web API that is called here asks the bot token for; methods that ask for nothing have an empty list.
 * Where Slack wants another scope for another kind of channel, all of them stand here: whoever runs the bot chooses the channels.
 */
export const SCOPES = {
  'auth.test': [],
  // Asked with the app token, which has connections:write.
  'apps.connections.open': [],
  'chat.postMessage': ['chat:write'],
  'chat.postEphemeral': ['chat:write'],
  'chat.update': ['chat:write'],
  'chat.delete': ['chat:write'],
  'conversations.history': ['channels:history', 'groups:history'],
  'conversations.replies': ['channels:history', 'groups:history'],
  'conversations.info': ['channels:read', 'groups:read'],
  'files.delete': ['files:write'],
  'files.getUploadURLExternal': ['files:write'],
  'files.completeUploadExternal': ['files:write'],
  'users.info': ['users:read'],
  'views.open': [],
} as const satisfies Record<string, readonly string[]>

/** What it needs in order to hear: mentions, direct messages, slash commands. */
export const EVENT_SCOPES = ['app_mentions:read', 'im:history', 'commands'] as const

export type Method = keyof typeof SCOPES

export const NEEDED: readonly string[] = [...new Set<string>([...Object.values(SCOPES).flat(), ...EVENT_SCOPES])]
