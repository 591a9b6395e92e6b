import { until } from '../../demo/until.ts'
import type { SlackMessage, SlackServer } from '../../servers/slack/index.ts'
import { type Hand, SLACK_CHANNEL, slackId } from './hand.ts'

const PATIENCE_MS = 15_000
/** What the sandbox's cards have on their buttons, and the last part of the action that it is for. */
const OFFERS: Record<string, string> = {
  Approve: 'approve',
  Reject: 'reject',
  Pause: 'pause',
  Resume: 'resume',
  Promote: 'promote',
  Abort: 'abort',
  'Retry failed hosts': 'retry',
  'Skip failed hosts': 'skip',
  'Roll back': 'rollback',
  Acknowledge: 'acknowledge',
  'Diagnose again': 'diagnose-again',
  Silence: 'silence',
  'End silence': 'end-silence',
}

/** People in Slack: slash commands, presses with their dialogs and forms, and what the channel shows. */
export function slackHand(slack: SlackServer): Hand {
  const cardOf = (code: string): SlackMessage | undefined =>
    slack
      .messages(SLACK_CHANNEL)
      .find((message) => message.metadata?.event_payload.key === `${code}/card` && message.thread_ts === undefined)
  const threadOf = (code: string): SlackMessage[] => {
    const ts = cardOf(code)?.ts
    return ts === undefined ? [] : slack.messages(SLACK_CHANNEL, { thread: ts }).filter((message) => message.ts !== ts)
  }
  /** Does it, and waits for what only this person reads. */
  const read = async (person: string, deed: () => Promise<void>): Promise<string> => {
    const user = slackId(person)
    const before = slack.ephemerals(user).length
    await deed()
    await until(`${person} is answered`, () => slack.ephemerals(user).length > before, PATIENCE_MS)
    return slack
      .ephemerals(user)
      .slice(before)
      .map((each) => `${each.text}\n${textOf(each.blocks)}`)
      .join('\n')
  }

  return {
    name: 'Slack',
    type: (person, text) =>
      read(person, async () => {
        const known = ['/release', '/rollback', '/hosts', '/alerts']
        // Slack itself refuses a command that no app has, and keeps /help for itself: people mention the bot then.
        if (known.includes(text.split(' ', 1)[0] ?? '')) await slack.slash(slackId(person), SLACK_CHANNEL, text)
        else await slack.mention(slackId(person), SLACK_CHANNEL, text)
      }),
    async card(code) {
      const message = cardOf(code)
      return (
        message && {
          text: `${message.text}\n${textOf(message.blocks)}`,
          offers: labelsOf(message.blocks).map((label) => OFFERS[label] ?? label),
        }
      )
    },
    press: (person, code, action, fields) =>
      read(person, async () => {
        const message = cardOf(code)
        const label = labelsOf(message?.blocks ?? []).find((each) => OFFERS[each] === action)
        if (message === undefined || label === undefined) throw new Error(`${code} offers no ${action}`)
        await slack.click(slackId(person), SLACK_CHANNEL, message.ts, label)
        if (fields === undefined) return
        await until('a form opens', () => slack.modals(slackId(person)).length > 0, PATIENCE_MS)
        // In the order in which the form asks for them.
        const asked =
          slack
            .modals(slackId(person))
            .at(-1)
            ?.view.blocks.filter(({ type }) => type === 'input') ?? []
        const given = Object.values(fields).map((value, n): [string, string] => [asked[n]?.block_id ?? '', value])
        const { errors } = await slack.submit(slackId(person), Object.fromEntries(given))
        if (errors !== undefined) throw new Error(`the form was refused: ${JSON.stringify(errors)}`)
      }),
    thread: async (code) => threadOf(code).map((message) => `${message.text}\n${textOf(message.blocks)}`),
    async pictures(code) {
      const ids = [cardOf(code), ...threadOf(code)].flatMap((message) => [
        ...(message?.files ?? []).map(({ id }) => id),
        ...[...JSON.stringify(message?.blocks ?? []).matchAll(/"slack_file":\{"id":"(F[A-Z0-9]+)"/g)].map(
          ([, id = '']) => id,
        ),
      ])
      return [...new Set(ids)].flatMap((id) => slack.file(id) ?? [])
    },
    async called(code) {
      const message = cardOf(code)
      const marked = [message?.text ?? '', ...strings(message?.blocks, 'text')]
      const tags = marked.flatMap((text) => text.match(/<(?:[!@#]|https?:|mailto:)[^>]*>/g) ?? [])
      const elements = JSON.stringify(message?.blocks ?? []).match(
        /"type":"(?:link|user|channel|usergroup|broadcast)"/g,
      )
      return [...tags, ...(elements ?? [])]
    },
    close: () => slack.stop(),
  }
}

function textOf(blocks: unknown): string {
  return strings(blocks, 'text', 'value', 'title', 'alt_text', 'task_id').join('\n')
}

/** Every text under one of these keys, in order. */
function strings(value: unknown, ...keys: string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => strings(each, ...keys))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) =>
    typeof each === 'string' ? (keys.includes(key) ? [each] : []) : strings(each, ...keys),
  )
}

function labelsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(labelsOf)
  if (typeof value !== 'object' || value === null) return []
  if ('type' in value && value.type === 'button' && 'text' in value) return strings([value.text], 'text')
  return Object.values(value).flatMap(labelsOf)
}
