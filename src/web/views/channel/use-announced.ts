import { useEffect, useRef, useState } from 'react'
import type { MessageView } from '../../../ports/console.ts'
import { useT } from '../../i18n/index.tsx'
import { newsBetween } from './news.ts'

/** What to say aloud about the newest change, for a live region. Says nothing about what stood there at first. */
export function useAnnounced(messages: MessageView[]): string {
  const t = useT()
  const before = useRef<MessageView[]>(undefined)
  const [said, setSaid] = useState('')
  useEffect(() => {
    const old = before.current
    if (messages.length > 0 || old !== undefined) before.current = messages
    if (old === undefined) return
    const news = newsBetween(old, messages)
    if (news.length === 0) return
    setSaid(
      news
        .map(({ kind, title, headline }) =>
          kind === 'new' ? t('channel.said-new', { title }) : t('channel.said-edit', { title, headline }),
        )
        .join(' '),
    )
  }, [messages, t])
  return said
}
