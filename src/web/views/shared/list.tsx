import { Button } from 'antd'
import type { ReactNode } from 'react'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { useT } from '../../i18n/index.tsx'

/** What a list needs to know of the query behind it. */
interface Paging {
  data: unknown
  error: Error | null
  isPlaceholderData: boolean
  hasNextPage: boolean
  isFetchingNextPage: boolean
  refetch: () => unknown
  fetchNextPage: () => unknown
}

/** A list that is asked for page by page: loading, refused, empty, or its rows with the way to older ones below. */
export function PagedList({
  query,
  label,
  empty,
  above,
  children,
}: {
  query: Paging
  label: string
  /** Shown instead of the rows; undefined when there are some. */
  empty: ReactNode
  /** Shown above the rows, not when there are none. */
  above?: ReactNode
  children: ReactNode
}) {
  const t = useT()
  if (query.data === undefined) {
    if (query.error === null) return <Loading />
    return <ErrorState error={query.error} retry={() => void query.refetch()} />
  }
  if (empty !== undefined) return empty
  return (
    <div className="v-pages" data-stale={query.isPlaceholderData} aria-busy={query.isPlaceholderData}>
      {above}
      <section className="v-panel v-list" aria-label={label}>
        {children}
        {query.hasNextPage ? (
          <div className="v-more">
            <Button loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
              {t('common.older')}
            </Button>
          </div>
        ) : null}
      </section>
    </div>
  )
}

/** Nothing to show: because there is nothing, or because the filters leave nothing; those can be taken away. */
export function Nothing({
  title,
  hint,
  clear,
  onClear,
}: {
  title: string
  hint?: string
  /** What the way back to everything is called; undefined when nothing is filtered. */
  clear?: string
  onClear: () => void
}) {
  return (
    <Empty title={title} hint={hint}>
      {clear === undefined ? null : <Button onClick={onClear}>{clear}</Button>}
    </Empty>
  )
}

/** What may be chosen: each value once, in order, and what is chosen even when it is not among them. */
export function optionsOf(values: Iterable<string>, chosen?: string): { value: string; label: string }[] {
  const all = new Set(values)
  if (chosen !== undefined) all.add(chosen)
  return [...all].sort().map((value) => ({ value, label: value }))
}
