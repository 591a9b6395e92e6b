/** Every method of the Web API that this server knows, with the token and the scope that it wants. */
import { postEphemeral, postMessage, removeMessage, updateMessage } from './chat.ts'
import type { MethodContext } from './context.ts'
import { channelOf, history, information, replies } from './conversations.ts'
import { completeUpload, fileInformation, startUpload } from './files.ts'
import { type Json, Refusal, text } from './types.ts'
import { openView, updateView } from './views.ts'
import { APP, BOT, BOT_USER, TEAM } from './workspace.ts'

export interface Method {
  token: 'bot' | 'app'
  scope?: (context: MethodContext, args: Json) => string | undefined
  run: (context: MethodContext, args: Json) => Json
}

/** `<kind>:<what>` where the kind is that of the conversation. */
const conversationScope =
  (what: 'history' | 'read') =>
  ({ workspace }: MethodContext, args: Json) => {
    const id = text(args.channel)
    const channel = workspace.channels.get(id)
    const kind = id.startsWith('D') ? 'im' : channel?.private === true || id.startsWith('G') ? 'groups' : 'channels'
    return `${kind}:${what}`
  }
const only = (scope: string) => () => scope

export const METHODS: Record<string, Method> = {
  'api.test': { token: 'bot', run: (_, args) => ({ args }) },
  'auth.test': {
    token: 'bot',
    run: () => ({
      url: 'https://rollcall.slack.com/',
      team: 'Rollcall',
      user: 'rollcall',
      team_id: TEAM,
      user_id: BOT_USER,
      bot_id: BOT,
      app_id: APP,
      is_enterprise_install: false,
    }),
  },
  'apps.connections.open': { token: 'app', scope: only('connections:write'), run: ({ ticket }) => ({ url: ticket() }) },
  'chat.postMessage': { token: 'bot', scope: only('chat:write'), run: postMessage },
  'chat.update': { token: 'bot', scope: only('chat:write'), run: updateMessage },
  'chat.delete': { token: 'bot', scope: only('chat:write'), run: removeMessage },
  'chat.postEphemeral': { token: 'bot', scope: only('chat:write'), run: postEphemeral },
  'conversations.history': { token: 'bot', scope: conversationScope('history'), run: history },
  'conversations.replies': { token: 'bot', scope: conversationScope('history'), run: replies },
  'conversations.info': { token: 'bot', scope: conversationScope('read'), run: information },
  'conversations.list': {
    token: 'bot',
    scope: only('channels:read'),
    run: ({ workspace }) => ({
      channels: [...workspace.channels.values()]
        .filter((channel) => channel.im === undefined && (channel.member || !channel.private))
        .map((channel) => channelOf(channel)),
      response_metadata: { next_cursor: '' },
    }),
  },
  'users.info': {
    token: 'bot',
    scope: only('users:read'),
    run({ workspace, scopes }, args) {
      const user = workspace.users.get(text(args.user))
      if (user === undefined) throw new Refusal('user_not_found')
      return { user: userDocument(user, scopes) }
    },
  },
  'users.list': {
    token: 'bot',
    scope: only('users:read'),
    run: ({ workspace, scopes }) => ({
      members: [...workspace.users.values()].map((user) => userDocument(user, scopes)),
      response_metadata: { next_cursor: '' },
    }),
  },
  'views.open': { token: 'bot', run: openView },
  'views.update': { token: 'bot', run: updateView },
  'files.getUploadURLExternal': { token: 'bot', scope: only('files:write'), run: startUpload },
  'files.completeUploadExternal': { token: 'bot', scope: only('files:write'), run: completeUpload },
  'files.delete': {
    token: 'bot',
    scope: only('files:write'),
    run({ workspace }, args) {
      if (!workspace.files.delete(text(args.file))) throw new Refusal('file_not_found')
      return {}
    },
  },
  'files.info': { token: 'bot', scope: only('files:read'), run: fileInformation },
}

function userDocument(
  user: { id: string; name: string; bot: boolean; deleted: boolean },
  scopes: readonly string[],
): Json {
  return {
    id: user.id,
    team_id: TEAM,
    name: user.name,
    real_name: user.name,
    deleted: user.deleted,
    is_bot: user.bot,
    is_app_user: false,
    profile: {
      real_name: user.name,
      display_name: user.name,
      ...(scopes.includes('users:read.email') && !user.bot ? { email: `${user.name}@example.com` } : {}),
    },
  }
}
