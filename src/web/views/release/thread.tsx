import { Button } from 'antd'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { MessageCard } from '../../components/MessageCard.tsx'
import { Moment } from '../../components/Moment.tsx'
import { useT } from '../../i18n/index.tsx'
import { flatten } from '../../pages.ts'
import { useThread } from '../../queries.ts'
import './thread.css'

/** What was said under a card, by the card's key. */
export function Thread({ channel, card }: { channel: string; card: string }) {
  const t = useT()
  const thread = useThread(channel, card)
  if (thread.data === undefined) {
    if (thread.error === null) return <Loading />
    return <ErrorState error={thread.error} retry={() => void thread.refetch()} />
  }
  const messages = flatten(thread.data)
  if (messages.length === 0) return <Empty title={t('thread.empty')} hint={t('thread.empty-hint')} />
  return (
    <div className="rel-thread">
      {thread.hasPreviousPage ? (
        <div className="v-more">
          <Button loading={thread.isFetchingPreviousPage} onClick={() => void thread.fetchPreviousPage()}>
            {t('common.older')}
          </Button>
        </div>
      ) : null}
      <ol>
        {messages.map((each) => (
          <li key={each.key}>
            <MessageCard message={each.message} aside={<Moment at={each.postedAt} />} titleLevel={2} compact />
          </li>
        ))}
      </ol>
    </div>
  )
}
