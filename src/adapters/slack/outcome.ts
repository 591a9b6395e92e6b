import type { Sent } from '../../ports/surface.ts'
import type { Failure } from './calls.ts'
import { wordsOf } from './state.ts'

const PASSING_MS = 2000
const TOKEN_MS = 15_000
/** Until somebody has done what a refusal asks for. */
const REFUSED_MS = 5000

/**
 * What a failed call means for the message. `made`: something new stands there, or may, that nobody has noted; whatever the
 * failure is, it is then looked for before anything is sent again.
 */
export function sentOf(failure: Failure, made: boolean): Extract<Sent, { at: 'later' | 'refused' }> {
  const problem = wordsOf(failure, 'bot')
  const arrived = made ? 'unknown' : 'no'
  switch (failure.kind) {
    case 'rate':
      return {
        at: 'later',
        ms: failure.ms,
        scope: 'place',
        why: 'Slack limits how often this channel is written to.',
        arrived,
      }
    case 'network':
      return {
        at: 'later',
        ms: PASSING_MS,
        scope: 'surface',
        why: problem,
        arrived,
      }
    case 'token':
      return { at: 'later', ms: TOKEN_MS, scope: 'surface', why: problem, arrived }
    case 'refused': {
      const refusal = refusalOf(failure)
      return made
        ? { at: 'later', ms: REFUSED_MS, scope: 'place', why: [refusal.why, refusal.next].join(' Next: '), arrived }
        : refusal
    }
  }
}

function refusalOf({
  error,
  messages,
  needed,
}: Extract<Failure, { kind: 'refused' }>): Extract<Sent, { at: 'refused' }> {
  switch (error) {
    case 'not_in_channel':
      return { at: 'refused', why: 'Rollcall is not in this channel.', next: 'invite the bot there: /invite @Rollcall' }
    case 'channel_not_found':
      return {
        at: 'refused',
        why: 'Slack does not know this channel, or does not show it to Rollcall.',
        next: 'check its id under slack.channels; a private channel is seen after /invite @Rollcall',
      }
    case 'is_archived':
      return {
        at: 'refused',
        why: 'This channel is archived.',
        next: 'take it out of the archive, or name another under slack.channels',
      }
    case 'missing_scope':
      return {
        at: 'refused',
        why: needed === undefined ? 'The bot token lacks a scope.' : `The bot token lacks the scope ${needed}.`,
        next: 'add it under OAuth & Permissions and install the app again',
      }
    case 'restricted_action':
    case 'restricted_action_read_only_channel':
    case 'restricted_action_thread_only_channel':
      return {
        at: 'refused',
        why: 'The rules of this channel do not let Rollcall write there.',
        next: 'let the bot post there in the settings of the channel',
      }
    default:
      return {
        at: 'refused',
        why: `Slack refuses this message (${[error, ...messages].join('; ').slice(0, 300)}).`,
        next: 'report it: this is a defect of Rollcall',
      }
  }
}
