/**
 * Names of slash commands that are Slack's own. A manifest with one of them is refused as a whole: "the slash command has an invalid
 * name" (NousResearch/hermes-agent #17054 and #18456, met with /status). About /help the reports differ, so it counts as kept.
 */
export const KEPT: ReadonlySet<string> = new Set(
  [
    [
      'active',
      'apps',
      'archive',
      'away',
      'call',
      'collapse',
      'commands',
      'dm',
      'dnd',
      'expand',
      'feed',
      'feedback',
      'help',
    ],
    [
      'invite',
      'invite_people',
      'join',
      'keys',
      'kick',
      'leave',
      'me',
      'msg',
      'mute',
      'open',
      'part',
      'prefs',
      'pro',
      'remind',
    ],
    ['remove', 'rename', 'search', 'shortcuts', 'shrug', 'star', 'status', 'topic', 'unarchive', 'who'],
  ].flat(),
)
