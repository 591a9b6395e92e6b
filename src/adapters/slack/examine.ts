import { WebClient } from '@slack/web-api'
import type { Finding } from '../../ports/surface.ts'
import { type Bot, call } from './bot.ts'
import { clientOptions, type Failure, failureOf } from './calls.ts'
import { NEEDED } from './scopes.ts'
import { wordsOf } from './state.ts'

/** Tokens, scopes, channels and people, as Slack shows them; nothing is sent. Never throws. */
export async function examine(
  bot: Bot,
  { appToken, people }: { appToken: string | undefined; people: readonly { id: string; user: string }[] },
): Promise<Finding[]> {
  const token = await botToken(bot)
  if (!token.ok) return token.findings
  const app = bot.config.mode === 'socket' ? [await appTokenFinding(bot, appToken)] : []
  const channels = await inTurn(Object.entries(bot.config.channels), ([name, id]) => channelFinding(bot, name, id))
  const persons = await inTurn(people, (person) => personFinding(bot, person))
  return [...token.findings, ...app, ...channels, ...persons]
}

async function inTurn<T>(items: readonly T[], look: (item: T) => Promise<Finding>): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const item of items) findings.push(await look(item))
  return findings
}

async function botToken(bot: Bot): Promise<{ ok: boolean; findings: Finding[] }> {
  const answer = await call(bot, () => bot.client.auth.test())
  const subject = 'Slack bot token'
  if (!answer.ok) return { ok: false, findings: [failed(subject, answer.failure, 'bot')] }
  const { user, team, url, response_metadata } = answer.value
  const findings: Finding[] = [
    { subject, status: 'ok', say: `It is ${user ?? 'a bot'} in ${team ?? url ?? 'a team'}.` },
  ]
  const scopes = response_metadata?.scopes
  if (scopes === undefined) {
    findings.push({ subject: 'Slack scopes', status: 'warn', say: 'Slack did not say which scopes the token has.' })
    return { ok: true, findings }
  }
  const missing = NEEDED.filter((scope) => !scopes.includes(scope))
  findings.push(
    missing.length === 0
      ? { subject: 'Slack scopes', status: 'ok', say: 'The token has every scope that is needed.' }
      : {
          subject: 'Slack scopes',
          status: 'fail',
          say: `The token lacks ${missing.join(', ')}.`,
          remedy: 'add them under OAuth & Permissions (or use manifest.yml) and install the app again',
        },
  )
  return { ok: true, findings }
}

async function appTokenFinding(bot: Bot, appToken: string | undefined): Promise<Finding> {
  const subject = 'Slack app token'
  const remedy = 'make one with connections:write under Basic Information, App-Level Tokens'
  if (appToken === undefined) return { subject, status: 'fail', say: 'There is none.', remedy }
  const options = clientOptions({ apiUrl: bot.config.apiUrl, timings: bot.timings, log: bot.log })
  try {
    // It only gives an address to connect to.
    await new WebClient(appToken, options).apps.connections.open()
    return { subject, status: 'ok', say: 'It opens connections for Socket Mode.' }
  } catch (error) {
    const failure = failureOf(error)
    return failure.kind === 'refused'
      ? { subject, status: 'fail', say: `Slack refuses it (${failure.error}).`, remedy }
      : failed(subject, failure, 'app')
  }
}

async function channelFinding(bot: Bot, name: string, id: string): Promise<Finding> {
  const subject = `Slack channel ${name}`
  const answer = await call(bot, () => bot.client.conversations.info({ channel: id }))
  if (!answer.ok) {
    if (answer.failure.kind === 'refused' && answer.failure.error === 'channel_not_found') {
      const remedy = 'check the id under slack.channels; a private channel is seen after /invite @Rollcall'
      return { subject, status: 'fail', say: `There is no channel ${id}, or the bot may not see it.`, remedy }
    }
    return failed(subject, answer.failure, 'bot')
  }
  const { channel } = answer.value
  if (channel?.is_archived === true) {
    const remedy = 'take it out of the archive, or name another under slack.channels'
    return { subject, status: 'fail', say: `#${channel.name ?? id} is archived.`, remedy }
  }
  if (channel?.is_member !== true) {
    const remedy = 'invite the bot there: /invite @Rollcall'
    return { subject, status: 'fail', say: `The bot is not in #${channel?.name ?? id}.`, remedy }
  }
  return { subject, status: 'ok', say: `The bot is in #${channel.name ?? id}.` }
}

async function personFinding(bot: Bot, { id, user }: { id: string; user: string }): Promise<Finding> {
  const subject = `Slack id of ${id}`
  const answer = await call(bot, () => bot.client.users.info({ user }))
  const remedy = `set surfaces.slack of ${id} to the member id that their profile shows`
  if (!answer.ok) {
    if (answer.failure.kind === 'refused') {
      return { subject, status: 'fail', say: `Slack does not know ${user} (${answer.failure.error}).`, remedy }
    }
    return failed(subject, answer.failure, 'bot')
  }
  const found = answer.value.user
  if (found?.deleted === true) return { subject, status: 'fail', say: `${user} was deactivated.`, remedy }
  if (found?.is_bot === true) return { subject, status: 'fail', say: `${user} is a bot, not a person.`, remedy }
  return { subject, status: 'ok', say: `It is ${found?.real_name ?? found?.name ?? user}.` }
}

function failed(subject: string, failure: Failure, token: 'bot' | 'app'): Finding {
  const [say = '', remedy] = wordsOf(failure, token).split(' Next: ')
  return { subject, status: 'fail', say, ...(remedy === undefined ? {} : { remedy }) }
}
