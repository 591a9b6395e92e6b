import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { MessageView } from '../../../ports/console.ts'
import { MessageCard } from '../../components/MessageCard.tsx'
import { Moment } from '../../components/Moment.tsx'
import { useT } from '../../i18n/index.tsx'
import { incidentOf, releaseOf } from './release-of.ts'

/** A post of the channel: its card, when it was posted, its replies and the page of its release. */
export function PostCard({
  view,
  openThread,
  folded,
  selected = false,
}: {
  view: MessageView
  openThread?: (key: string) => void
  folded: boolean
  selected?: boolean
}) {
  const t = useT()
  const release = releaseOf(view)
  const incident = incidentOf(view)
  const { message } = view
  return (
    <div className="post" data-selected={selected} data-key={view.key}>
      <MessageCard
        message={message}
        folded={folded}
        compact={view.thread !== undefined}
        aside={<Moment at={view.postedAt} />}
        footer={
          openThread === undefined ? undefined : (
            <>
              <button type="button" className="link-button" onClick={() => openThread(view.key)}>
                {view.replies === 0 ? t('thread.title') : t('message.replies', { count: view.replies })}
                <span className="sr-only">{`: ${message.title}`}</span>
              </button>
              {release === undefined ? null : (
                <Link to={`/releases/${release}`}>
                  {t('message.link')}
                  <span className="sr-only">{` ${release}`}</span>
                </Link>
              )}
              {incident === undefined ? null : (
                <Link to={`/alerts/${incident}`}>
                  {t('message.incident-link')}
                  <span className="sr-only">{` ${incident}`}</span>
                </Link>
              )}
              {view.editedAt === undefined ? null : (
                <span className="muted">
                  {splitAround(t('message.edited', { time: '\u0000' }), <Moment at={view.editedAt} />)}
                </span>
              )}
            </>
          )
        }
      />
    </div>
  )
}

/** The sentence with a component where its value stands. */
function splitAround(sentence: string, inside: ReactNode): ReactNode {
  const [before = '', after = ''] = sentence.split('\u0000')
  return (
    <>
      {before}
      {inside}
      {after}
    </>
  )
}
