import { App, Button, Segmented } from 'antd'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import type { AuditEntryView } from '../../../ports/console.ts'
import { ApiError } from '../../api.ts'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { Moment } from '../../components/Moment.tsx'
import { StateTag, ToneIcon } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'
import { useAudit } from '../../queries.ts'
import { Choice, PageHead, Table } from '../shared/ui.tsx'
import './audit.css'
import { changesOf } from './changes.ts'

const RESULTS = ['done', 'refused', 'failed'] as const
const TONES = { done: 'good', refused: 'warn', failed: 'bad' } as const

/** Who did what, from where, and what came of it; what was refused too. */
export default function Audit() {
  const t = useT()
  const [params, setParams] = useSearchParams()
  const person = params.get('person') || undefined
  const action = params.get('action') || undefined
  const result = RESULTS.find((each) => each === params.get('result'))
  const query = useAudit(useMemo(() => ({ person, action }), [person, action]))
  const entries = query.data?.pages.flatMap((page) => page.entries) ?? []
  const shown = result === undefined ? entries : entries.filter((entry) => entry.result === result)
  const narrow = (name: string, value: string | undefined) =>
    setParams(
      (old) => {
        const next = new URLSearchParams(old)
        if (value === undefined || value.trim() === '') next.delete(name)
        else next.set(name, value.trim())
        return next
      },
      { replace: true },
    )

  if (query.error instanceof ApiError && query.error.status === 403) return <Forbidden error={query.error} />
  const actions = [...new Set([...entries.map((entry) => entry.action), ...(action === undefined ? [] : [action])])]
  const people = [...new Set([...entries.map((entry) => entry.who), ...(person === undefined ? [] : [person])])]
  const asOptions = (values: string[]) => values.sort().map((value) => ({ value, label: value }))
  return (
    <div className="v-view audit">
      <PageHead title={t('audit.title')} facts={t('audit.lead')} />
      <Head head={query.data?.pages[0]?.head} />
      <div className="v-filters">
        <Choice
          label={t('audit.person')}
          value={person}
          options={asOptions(people)}
          onChange={(value) => narrow('person', value)}
        />
        <Choice
          label={t('audit.action')}
          value={action}
          options={asOptions(actions)}
          onChange={(value) => narrow('action', value)}
        />
        <Segmented
          aria-label={t('audit.result')}
          value={result ?? 'all'}
          options={[
            { value: 'all', label: t('common.all') },
            ...RESULTS.map((value) => ({ value: value as string, label: t(`audit.result.${value}`) })),
          ]}
          onChange={(value) => narrow('result', value === 'all' ? undefined : value)}
        />
      </div>
      {query.data === undefined ? (
        query.error === null ? (
          <Loading />
        ) : (
          <ErrorState error={query.error} retry={() => void query.refetch()} />
        )
      ) : (
        <section className="v-panel audit-list" aria-label={t('audit.entries')}>
          {shown.length === 0 ? (
            <Empty
              title={t(entries.length === 0 ? 'audit.empty' : 'audit.nothing')}
              hint={entries.length === 0 ? undefined : t('audit.nothing-hint', { count: entries.length })}
            />
          ) : (
            <ol>
              {shown.map((entry) => (
                <li key={entry.seq}>
                  <Entry entry={entry} />
                </li>
              ))}
            </ol>
          )}
          {query.hasNextPage ? (
            <div className="v-more">
              <Button loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                {t('common.older')}
              </Button>
            </div>
          ) : null}
        </section>
      )}
    </div>
  )
}

function Entry({ entry }: { entry: AuditEntryView }) {
  const t = useT()
  const changes = changesOf(entry.before, entry.after)
  return (
    <details className="audit-entry">
      <summary>
        <span className="audit-seq">{entry.seq}</span>
        <span className="audit-result">
          <span className="audit-tag" data-tone={TONES[entry.result]}>
            <ToneIcon tone={TONES[entry.result]} /> {t(`audit.result.${entry.result}`)}
          </span>
        </span>
        <span className="audit-what">
          <b>{entry.who}</b> <span className="v-mono">{entry.action}</span> {entry.target}
          {entry.why === undefined ? null : <span className="audit-why">{entry.why}</span>}
        </span>
        <span className="audit-from muted">{entry.from}</span>
        <span className="audit-at">
          <Moment at={entry.at} />
        </span>
      </summary>
      <div className="audit-more">
        <dl className="audit-facts">
          <dt>{t('audit.at')}</dt>
          <dd>{entry.at}</dd>
          <dt>{t('audit.from')}</dt>
          <dd>{entry.from}</dd>
          <dt>{t('audit.target')}</dt>
          <dd>{entry.target}</dd>
        </dl>
        {changes.length === 0 ? (
          <p className="muted">{t('audit.no-change')}</p>
        ) : (
          <Table
            label={t('audit.changes', { seq: String(entry.seq) })}
            columns={[
              { label: t('audit.field'), kind: 'mono' },
              { label: t('audit.before'), kind: 'mono' },
              { label: t('audit.after'), kind: 'mono' },
            ]}
            rows={changes.map(({ path, before, after }) => ({
              key: `${path} ${before === undefined}`,
              cells: [path === '' ? '–' : path, before ?? '–', after ?? '–'],
            }))}
          />
        )}
      </div>
    </details>
  )
}

/** The newest hash of the chain: who keeps it elsewhere can tell later whether the log was changed. */
function Head({ head }: { head: string | undefined }) {
  const t = useT()
  const { message } = App.useApp()
  if (head === undefined || head === '') return null
  const copy = async () => {
    await navigator.clipboard.writeText(head)
    void message.success(t('common.copied'))
  }
  return (
    <section className="audit-head" aria-label={t('audit.head')}>
      <div>
        <b>{t('audit.head')}</b>
        <span className="v-mono">{head}</span>
        <span className="muted">{t('audit.head-hint')}</span>
      </div>
      <Button onClick={() => void copy().catch((error: unknown) => message.error(String(error)))}>
        {t('common.copy')}
      </Button>
    </section>
  )
}

function Forbidden({ error }: { error: ApiError }) {
  const t = useT()
  return (
    <div className="v-view audit">
      <PageHead title={t('audit.title')} />
      <section className="v-panel feedback" role="alert">
        <StateTag state={t('audit.forbidden')} tone="warn" />
        <p className="feedback-title">{error.say}</p>
        {error.next === '' ? null : <p className="muted">{t('common.next', { next: error.next })}</p>}
      </section>
    </div>
  )
}
