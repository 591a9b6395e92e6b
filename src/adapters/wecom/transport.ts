import type { TemplateCard } from '@wecom/aibot-node-sdk'
import type { Log } from '../../lib/log.ts'
import type { Connection } from './connection.ts'
import type { Outcome } from './outcome.ts'
import { cutBytes } from './text.ts'
import { MARKDOWN_BYTES, wrongInCard, wrongInMarkdown } from './validate.ts'

/** Where something is sent: a group, or a person. */
export interface Chat {
  id: string
  type: 1 | 2
}

export interface Transport {
  markdown(chat: Chat, content: string): Promise<Outcome>
  /** `instead` is the same in markdown, for a card that breaks a rule; it goes out in several messages when it is long. */
  card(chat: Chat, card: TemplateCard, instead: () => string[]): Promise<Outcome>
  image(chat: Chat, media: string): Promise<Outcome>
  stream(reqId: string, stream: { id: string; content: string; finish: boolean }): Promise<Outcome>
  update(reqId: string, card: TemplateCard): Promise<Outcome>
  welcome(reqId: string, content: string): Promise<Outcome>
}

/** Every frame that people see passes here, and is checked before it goes out: WeCom acknowledges some that it never shows. */
export function createTransport({ connection, log }: { connection: Connection; log: Log }): Transport {
  // The SDK leaves the type out; without it, a message to a person may vanish.
  const push = (chat: Chat, body: object): Promise<Outcome> =>
    connection.request('aibot_send_msg', { chatid: chat.id, chat_type: chat.type, ...body })

  function checked(content: string): string {
    const wrong = wrongInMarkdown(content)
    if (wrong.length === 0) return content
    log.error({ wrong }, 'wecom message breaks a rule')
    return cutBytes(content, MARKDOWN_BYTES)[0].trim() === '' ? '·' : cutBytes(content, MARKDOWN_BYTES)[0]
  }
  const markdown = (chat: Chat, content: string): Promise<Outcome> =>
    push(chat, { msgtype: 'markdown', markdown: { content: checked(content) } })

  return {
    markdown,
    async card(chat, card, instead) {
      const wrong = wrongInCard(card)
      if (wrong.length === 0) return push(chat, { msgtype: 'template_card', template_card: card })
      log.error({ wrong, task: card.task_id }, 'wecom card breaks a rule; sent as markdown')
      let last: Outcome = { at: 'acked', body: undefined }
      for (const content of instead()) {
        last = await markdown(chat, content)
        if (last.at !== 'acked') return last
      }
      return last
    },
    image: (chat, media) => push(chat, { msgtype: 'image', image: { media_id: media } }),
    stream: (reqId, { id, content, finish }) =>
      connection.request(
        'aibot_respond_msg',
        { msgtype: 'stream', stream: { id, finish, content: checked(content) } },
        reqId,
      ),
    async update(reqId, card) {
      const wrong = wrongInCard(card)
      if (wrong.length > 0) {
        log.error({ wrong, task: card.task_id }, 'wecom card breaks a rule; not updated')
        return { at: 'rejected', code: 0, text: 'breaks a rule' }
      }
      return connection.request(
        'aibot_respond_update_msg',
        { response_type: 'update_template_card', template_card: card },
        reqId,
      )
    },
    welcome: (reqId, content) =>
      connection.request('aibot_respond_welcome_msg', { msgtype: 'text', text: { content: checked(content) } }, reqId),
  }
}
