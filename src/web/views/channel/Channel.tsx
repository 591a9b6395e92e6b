import { useCallback, useEffect, useRef, useState } from 'react'
import { useSearchParams } from 'react-router'
import { useT } from '../../i18n/index.tsx'
import { flatten } from '../../pages.ts'
import { useMessages } from '../../queries.ts'
import { useMe } from '../../session.tsx'
import { CommandBox, type CommandBoxHandle } from './CommandBox.tsx'
import { Glance } from './Glance.tsx'
import { Guide } from './Guide.tsx'
import { MessageList } from './MessageList.tsx'
import { Thread } from './Thread.tsx'

/** The channel: cards that are edited in place, their threads beside them, and the command box. */
export function Channel() {
  const t = useT()
  const { channels, signIn } = useMe()
  const [params, setParams] = useSearchParams()
  const channel = params.get('channel') ?? channels[0] ?? 'releases'
  const name = channel.replace(/^#/, '')
  const thread = params.get('thread')
  const messages = useMessages(channel)
  const list = flatten(messages.data)
  const box = useRef<CommandBoxHandle>(null)
  const opener = useRef<HTMLElement | null>(null)
  const inDemo = signIn.demo.length > 0
  const [sent, setSent] = useState(0)
  const [guideAsked, setGuideAsked] = useState(false)

  const openThread = useCallback(
    (key: string) => {
      opener.current = document.activeElement instanceof HTMLElement ? document.activeElement : null
      setParams((now) => withThread(now, key))
    },
    [setParams],
  )
  const closeThread = useCallback(() => {
    setParams((now) => withThread(now, undefined))
    opener.current?.focus()
  }, [setParams])
  useEffect(() => {
    document.title = `#${name} · Rollcall`
  }, [name])

  return (
    <div className="channel-layout" data-thread={thread !== null}>
      <section className="channel" aria-labelledby="channel-title">
        <header className="channel-head">
          <h1 id="channel-title">{t('channel.title', { name })}</h1>
          <p className="muted">{t('channel.lead')}</p>
          {inDemo ? (
            <button type="button" className="link-button guide-again" onClick={() => setGuideAsked(true)}>
              {t('guide.show')}
            </button>
          ) : null}
        </header>
        <MessageList
          channel={channel}
          name={name}
          sent={sent}
          query={messages}
          messages={list}
          openThread={openThread}
          shownThread={thread}
          top={
            inDemo ? (
              <Guide
                channel={channel}
                asked={guideAsked}
                onClose={() => setGuideAsked(false)}
                put={(text) => box.current?.put(text)}
              />
            ) : null
          }
        />
        <CommandBox ref={box} channel={channel} onSent={() => setSent((count) => count + 1)} />
      </section>
      {thread === null ? <Glance /> : <Thread key={thread} channel={channel} thread={thread} close={closeThread} />}
    </div>
  )
}

function withThread(params: URLSearchParams, thread: string | undefined): URLSearchParams {
  const next = new URLSearchParams(params)
  if (thread === undefined) next.delete('thread')
  else next.set('thread', thread)
  return next
}
