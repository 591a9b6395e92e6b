import ArrowLeftOutlined from '@ant-design/icons/ArrowLeftOutlined'
import CloseOutlined from '@ant-design/icons/CloseOutlined'
import { Button } from 'antd'
import { useEffect, useRef } from 'react'
import type { MessageView } from '../../../ports/console.ts'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { isReport } from '../../components/report-text.ts'
import { useT } from '../../i18n/index.tsx'
import { flatten } from '../../pages.ts'
import { useMessage, useThread } from '../../queries.ts'
import { PostCard } from './PostCard.tsx'
import { useAnnounced } from './use-announced.ts'
import { useScroll } from './use-scroll.ts'

/** Figures or several paragraphs about what went as it should; never a report, which is what one opens the thread for. */
function isLong({ message }: MessageView): boolean {
  const calm = message.tone !== 'warn' && message.tone !== 'bad'
  if (message.blocks.some((block) => block.type === 'picture' || (block.type === 'text' && isReport(block.text))))
    return false
  return calm && (message.blocks.length > 2 || message.blocks.some((block) => block.type === 'table'))
}

/** What was said about one card: beside the channel, or on a phone in its place. Escape closes it. */
export function Thread({ channel, thread, close }: { channel: string; thread: string; close: () => void }) {
  const t = useT()
  const root = useMessage(thread)
  const replies = useThread(channel, thread)
  const list = flatten(replies.data)
  const heading = useRef<HTMLHeadingElement>(null)
  const { scroller, content, keepPlace } = useScroll(replies.isSuccess)
  const said = useAnnounced(list)
  useEffect(() => heading.current?.focus({ preventScroll: true }), [])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented && document.querySelector('dialog[open]') === null) close()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [close])
  return (
    <aside className="thread" aria-labelledby="thread-title">
      <header className="thread-head">
        <Button
          className="thread-back"
          type="text"
          icon={<ArrowLeftOutlined />}
          aria-label={t('thread.back')}
          onClick={close}
        />
        <h2 id="thread-title" ref={heading} tabIndex={-1}>
          {t('thread.title')}
        </h2>
        <Button
          className="thread-close"
          type="text"
          icon={<CloseOutlined />}
          aria-label={t('common.close')}
          onClick={close}
        />
      </header>
      <div className="stream" ref={scroller}>
        <div className="stream-content" ref={content}>
          {root.data === undefined ? null : <PostCard view={root.data} folded />}
          {root.isError ? <ErrorState error={root.error} retry={() => void root.refetch()} /> : null}
          {replies.isPending ? <Loading /> : null}
          {replies.isError && list.length === 0 ? (
            <ErrorState error={replies.error} retry={() => void replies.refetch()} />
          ) : null}
          {replies.isSuccess && list.length === 0 ? (
            <Empty title={t('thread.empty')} hint={t('thread.empty-hint')} />
          ) : null}
          {replies.hasPreviousPage ? (
            <div className="older">
              <Button
                loading={replies.isFetchingPreviousPage}
                onClick={() => {
                  keepPlace()
                  void replies.fetchPreviousPage()
                }}
              >
                {t('common.older')}
              </Button>
            </div>
          ) : null}
          <ol className="posts replies" aria-label={t('thread.messages')}>
            {list.map((view) => (
              <li key={view.key}>
                <PostCard view={view} folded={isLong(view)} />
              </li>
            ))}
          </ol>
        </div>
      </div>
      <p className="sr-only" role="status">
        {said}
      </p>
    </aside>
  )
}
