import { App, Button, Segmented } from 'antd'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import type { AuditEntryView } from '../../../ports/console.ts'
import { ApiError, type AuditFilter } from '../../api.ts'
import { Moment } from '../../components/Moment.tsx'
import { StateTag, ToneIcon } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'
import { useAudit } from '../../queries.ts'
import { useMe } from '../../session.tsx'
import { Nothing, optionsOf, PagedList } from '../shared/list.tsx'
import { Choice, PageHead, Table } from '../shared/ui.tsx'
import './audit.css'
import { changesOf } from './changes.ts'
import { RESULTS, readFilter, writeFilter } from './filter.ts'

const TONES = { done: 'good', refused: 'warn', failed: 'bad' } as const

/** Who did what, from where, and what came of it; what was refused too. Nothing is asked for whom it would be refused. */
export default function Audit() {
  const { may } = useMe()
  return may.includes('audit.read') ? <Log /> : <Forbidden />
}

function Log() {
  const t = useT()
  const [params, setParams] = useSearchParams()
  const filter = useMemo(() => readFilter(params), [params])
  const query = useAudit(filter)
  const entries = query.data?.pages.flatMap((page) => page.entries) ?? []
  const first = query.data?.pages[0]
  const filtered = Object.keys(filter).length > 0
  const narrow = (change: AuditFilter) =>
    setParams((old) => writeFilter({ ...readFilter(old), ...change }), { replace: true })

  if (query.error instanceof ApiError && query.error.status === 403) return <Forbidden error={query.error} />
  return (
    <div className="v-view audit">
      <PageHead title={t('audit.title')} facts={t('audit.lead')} />
      <Head head={first?.head} />
      <div className="v-filters">
        <Choice
          label={t('audit.person')}
          value={filter.person}
          options={optionsOf(first?.people ?? entries.map((entry) => entry.who), filter.person)}
          onChange={(person) => narrow({ person })}
        />
        <Choice
          label={t('audit.action')}
          value={filter.action}
          options={optionsOf(first?.actions ?? entries.map((entry) => entry.action), filter.action)}
          onChange={(action) => narrow({ action })}
        />
        <Segmented
          aria-label={t('audit.result')}
          value={filter.result ?? 'all'}
          options={[
            { value: 'all', label: t('common.all') },
            ...RESULTS.map((value) => ({ value: value as string, label: t(`audit.result.${value}`) })),
          ]}
          onChange={(value) => narrow({ result: value === 'all' ? undefined : value })}
        />
      </div>
      <PagedList
        query={query}
        label={t('audit.entries')}
        empty={
          entries.length > 0 ? undefined : (
            <Nothing
              title={t(filtered ? 'audit.nothing' : 'audit.empty')}
              hint={filtered ? t('audit.nothing-hint') : undefined}
              clear={filtered ? t('audit.clear') : undefined}
              onClear={() => setParams({}, { replace: true })}
            />
          )
        }
      >
        <ol>
          {entries.map((entry) => (
            <li key={entry.seq}>
              <Entry entry={entry} />
            </li>
          ))}
        </ol>
      </PagedList>
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

/** In the server's words when it refused. */
function Forbidden({ error }: { error?: ApiError }) {
  const t = useT()
  const next = error === undefined ? t('audit.forbidden-next') : error.next
  return (
    <div className="v-view audit">
      <PageHead title={t('audit.title')} />
      <section className="v-panel feedback" role="alert">
        <StateTag state={t('audit.forbidden')} tone="warn" />
        <p className="feedback-title">{error?.say ?? t('audit.forbidden-why')}</p>
        {next === '' ? null : <p className="muted">{t('common.next', { next })}</p>}
      </section>
    </div>
  )
}
