import type { Finding, Health } from '../../ports/surface.ts'
import type { WecomConfig } from './config.ts'

/** What can be said about the configuration without asking anybody: WeCom has nothing that could be looked up. */
export function examineConfig(parts: {
  config: WecomConfig
  webhooks: ReadonlyMap<string, string>
  people: readonly { id: string; user: string }[]
}): Finding[] {
  const { config, webhooks, people } = parts
  const findings: Finding[] = [
    { subject: 'wecom name', status: 'ok', say: `In groups, people mention the bot as @${config.name}.` },
    people.length === 0
      ? {
          subject: 'wecom people',
          status: 'warn',
          say: 'Nobody has a WeCom user id, so nobody can do anything there.',
          remedy: 'give people surfaces.wecom, their userid in WeCom',
        }
      : { subject: 'wecom people', status: 'ok', say: `${people.length} of the people have a WeCom user id.` },
  ]
  for (const [channel, { id, type }] of Object.entries(config.channels)) {
    findings.push({
      subject: `wecom channel ${channel}`,
      status: 'ok',
      say: `It is the ${type} conversation ${id}; WeCom cannot be asked whether the bot is in it, a test card shows it.`,
    })
    const url = webhooks.get(channel)
    if (url !== undefined) findings.push(webhookFinding(channel, url))
  }
  for (const channel of webhooks.keys()) {
    if (Object.hasOwn(config.channels, channel)) continue
    findings.push({
      subject: `wecom webhook ${channel}`,
      status: 'warn',
      say: 'It is for a channel that WeCom does not show.',
      remedy: 'name one of wecom.channels under wecom.webhooksEnv',
    })
  }
  return findings
}

function webhookFinding(channel: string, url: string): Finding {
  const subject = `wecom webhook ${channel}`
  const read = URL.canParse(url) ? new URL(url) : undefined
  if (read === undefined || !/^https?:$/.test(read.protocol) || !read.searchParams.get('key')) {
    return {
      subject,
      status: 'fail',
      say: 'It is no address of a group webhook.',
      remedy: 'it looks like https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=...',
    }
  }
  return read.hostname === 'qyapi.weixin.qq.com'
    ? { subject, status: 'ok', say: 'Pushes go there while the connection of the bot is away.' }
    : { subject, status: 'warn', say: `It is not an address of WeCom but of ${read.hostname}.` }
}

/** What a subscription came to. `elsewhere`: another process holds the bot. */
export function connectionFinding(found: Health | 'elsewhere'): Finding {
  const subject = 'wecom connection'
  if (found === 'elsewhere') {
    return {
      subject,
      status: 'warn',
      say: 'Another process of this store holds the bot, and a second subscription would throw it out; nothing was tried.',
      remedy: 'look at /status or /metrics of the running one',
    }
  }
  if (found.at === 'up') return { subject, status: 'ok', say: 'The bot is subscribed.' }
  return {
    subject,
    status: 'fail',
    say: found.why ?? 'WeCom did not answer in time.',
    remedy: 'check the id, the secret and the way to WeCom',
  }
}
