import { Button } from 'antd'
import { type ReactNode, useEffect } from 'react'
import type { MessageView } from '../../../ports/console.ts'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { useT } from '../../i18n/index.tsx'
import type { useMessages } from '../../queries.ts'
import { PostCard } from './PostCard.tsx'
import { useAnnounced } from './use-announced.ts'
import { useScroll } from './use-scroll.ts'
import { useUnread } from './use-unread.ts'

interface Props {
  channel: string
  /** The channel's name without its mark. */
  name: string
  /** Grows with everything that the person sends: one goes to the newest then. */
  sent: number
  query: ReturnType<typeof useMessages>
  messages: MessageView[]
  openThread: (key: string) => void
  shownThread: string | null
  top: ReactNode
}

/** The channel's posts, oldest first. Stays at the newest while one is there, and says what is new while one is not. */
export function MessageList({ channel, name, sent, query, messages, openThread, shownThread, top }: Props) {
  const t = useT()
  const { scroller, content, atEnd, toEnd, keepPlace } = useScroll(query.isSuccess)
  const { unread, marker } = useUnread(channel, messages, atEnd)
  const said = useAnnounced(messages)
  useEffect(() => {
    if (sent > 0) toEnd()
  }, [sent, toEnd])
  const older = () => {
    keepPlace()
    void query.fetchPreviousPage()
  }
  return (
    <div className="stream-place">
      <div className="stream" ref={scroller}>
        <div className="stream-content" ref={content}>
          {top}
          {query.isPending ? <Loading /> : null}
          {query.isError && messages.length === 0 ? (
            <ErrorState error={query.error} retry={() => void query.refetch()} />
          ) : null}
          {query.isSuccess && messages.length === 0 ? (
            <Empty title={t('channel.empty')} hint={t('channel.empty-hint')} />
          ) : null}
          {query.hasPreviousPage ? (
            <div className="older">
              <Button onClick={older} loading={query.isFetchingPreviousPage}>
                {t('common.older')}
              </Button>
            </div>
          ) : null}
          {messages.length > 0 && !query.hasPreviousPage ? (
            <p className="beginning muted">{t('channel.beginning', { name })}</p>
          ) : null}
          <ol className="posts" aria-label={t('channel.messages', { name })}>
            {messages.map((view) => (
              <li key={view.key}>
                {marker === view.number ? <NewMarker /> : null}
                <PostCard
                  view={view}
                  openThread={openThread}
                  folded={isQuiet(view)}
                  selected={view.key === shownThread}
                />
              </li>
            ))}
          </ol>
        </div>
      </div>
      {atEnd ? null : (
        <div className="jump">
          <Button shape="round" type={unread > 0 ? 'primary' : 'default'} onClick={toEnd}>
            {unread > 0 ? t('channel.unread', { count: unread }) : t('channel.newest')} ↓
          </Button>
        </div>
      )}
      <p className="sr-only" role="status">
        {said}
      </p>
    </div>
  )
}

function NewMarker() {
  const t = useT()
  return (
    <div className="new-marker">
      <span>{t('channel.new-marker')}</span>
    </div>
  )
}

/** Nothing moves and nobody is asked: its long parts may be folded. */
function isQuiet({ message }: MessageView): boolean {
  return message.tone === 'good' || message.tone === 'plain' || message.buttons.length === 0
}
