import { Button, Input } from 'antd'
import { useId, useMemo } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { ReleaseView } from '../../../ports/console.ts'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { Duration, Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { duration } from '../../format.ts'
import { type Key, useLanguage, useT } from '../../i18n/index.tsx'
import { useReleases, useServices } from '../../queries.ts'
import { Choice, Figure, PageHead } from '../shared/ui.tsx'
import { forServer, type HistoryFilter, readFilter, STATES, summarize, touchedOf, writeFilter } from './filter.ts'
import './history.css'

/** All releases, newest first, as far as one has asked; the filters stand in the address, so that a list can be sent on. */
export default function History() {
  const t = useT()
  const [params, setParams] = useSearchParams()
  const filter = useMemo(() => readFilter(params), [params])
  const query = useReleases(useMemo(() => forServer(filter), [filter]))
  const releases = query.data?.pages.flatMap((page) => page.releases) ?? []
  const filtered = Object.keys(filter).length > 0
  const narrow = (change: Partial<HistoryFilter>) =>
    setParams((old) => writeFilter({ ...readFilter(old), ...change }), { replace: true })

  return (
    <div className="v-view history">
      <PageHead title={t('history.title')} facts={t('history.lead')} />
      <Filters filter={filter} narrow={narrow} releases={releases} />
      {query.data === undefined ? (
        query.error === null ? (
          <Loading />
        ) : (
          <ErrorState error={query.error} retry={() => void query.refetch()} />
        )
      ) : releases.length === 0 ? (
        <Empty
          title={t(filtered ? 'history.nothing' : 'history.empty')}
          hint={t(filtered ? 'history.nothing-hint' : 'history.empty-hint')}
        >
          {filtered ? <Button onClick={() => setParams({}, { replace: true })}>{t('history.clear')}</Button> : null}
        </Empty>
      ) : (
        <div className={query.isPlaceholderData ? 'v-stale' : undefined} aria-busy={query.isPlaceholderData}>
          <SummaryOf releases={releases} />
          <section className="v-panel history-list" aria-label={t('history.list')}>
            <div className="history-row history-head" aria-hidden="true">
              <span>{t('history.state')}</span>
              <span>{t('history.release')}</span>
              <span>{t('history.who')}</span>
              <span>{t('history.hosts')}</span>
              <span>{t('history.took')}</span>
              <span>{t('history.when')}</span>
            </div>
            <ul>
              {releases.map((release) => (
                <li key={release.id}>
                  <Row release={release} />
                </li>
              ))}
            </ul>
            {query.hasNextPage ? (
              <div className="v-more">
                <Button loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  {t('common.older')}
                </Button>
              </div>
            ) : null}
          </section>
        </div>
      )}
    </div>
  )
}

function Row({ release }: { release: ReleaseView }) {
  const t = useT()
  const { touched, total } = touchedOf(release)
  const approvers = release.approvals.map((approval) => approval.by).join(', ')
  return (
    <Link className="history-row" to={`/releases/${encodeURIComponent(release.id)}`}>
      <span className="history-state">
        <StateTag state={release.state} tone={release.tone} />
      </span>
      <span className="history-what">
        <span className="history-title">
          <b>{release.service}</b>
          <span className="history-versions">
            {release.current === null ? '' : `${release.current} → `}
            {release.candidate}
          </span>
          <span className="muted">{release.id}</span>
        </span>
        <span className="history-headline">{release.headline}</span>
      </span>
      <span className="history-who">
        {release.requester}
        {approvers === '' ? null : <span className="muted"> {t('history.approved-by', { names: approvers })}</span>}
      </span>
      <span className="history-hosts">{total === 0
          ? '–'
          : touched === total
            ? t('hosts.count', { count: total })
            : t('history.hosts-touched', { touched, count: total })}</span>
      <span className="history-took">
        {release.seconds === undefined ? (
          '–'
        ) : release.over ? (
          <Duration seconds={release.seconds} />
        ) : (
          <Duration since={release.startedAt ?? release.createdAt} />
        )}
      </span>
      <span className="history-when">
        <Moment at={release.createdAt} />
      </span>
    </Link>
  )
}

function SummaryOf({ releases }: { releases: ReleaseView[] }) {
  const t = useT()
  const { language } = useLanguage()
  const summary = summarize(releases)
  const { success, medianSeconds } = summary
  return (
    <section className="v-figures" aria-label={t('history.summary')}>
      <Figure value={summary.shown} label={t('history.shown')} />
      <Figure value={summary.done} label={t('history.done')} tone="good" />
      <Figure value={summary.rolledBack} label={t('history.rolled-back')} tone={summary.rolledBack > 0 ? 'bad' : ''} />
      <Figure value={summary.aborted} label={t('history.aborted')} tone={summary.aborted > 0 ? 'warn' : ''} />
      <Figure value={success === undefined ? '–' : `${Math.round(success * 100)} %`} label={t('history.success')} />
      <Figure
        value={medianSeconds === undefined ? '–' : duration(medianSeconds, language)}
        label={t('history.median')}
      />
    </section>
  )
}

function Filters({
  filter,
  narrow,
  releases,
}: {
  filter: HistoryFilter
  narrow: (change: Partial<HistoryFilter>) => void
  releases: ReleaseView[]
}) {
  const t = useT()
  const services = useServices()
  const ids = useId()
  const names = new Set(services.data?.map((service) => service.name))
  if (filter.service !== undefined) names.add(filter.service)
  const people = new Set(releases.flatMap((release) => [release.requester, ...release.approvals.map(({ by }) => by)]))
  if (filter.person !== undefined) people.add(filter.person)
  const asOptions = (values: Set<string>) => [...values].sort().map((value) => ({ value, label: value }))
  return (
    <div className="v-filters">
      <Choice
        label={t('history.service')}
        value={filter.service}
        options={asOptions(names)}
        onChange={(service) => narrow({ service })}
      />
      <Choice
        label={t('history.state')}
        value={filter.state}
        options={STATES.map((value) => ({ value: value as string, label: t(`state.${value}` as Key) }))}
        onChange={(state) => narrow({ state })}
      />
      <Choice
        label={t('history.person')}
        value={filter.person}
        options={asOptions(people)}
        onChange={(person) => narrow({ person })}
      />
      <Input
        key={`version ${filter.version ?? ''}`}
        className="v-choice"
        aria-label={t('history.version')}
        placeholder={t('history.version')}
        defaultValue={filter.version ?? ''}
        allowClear
        onPressEnter={(event) => narrow({ version: event.currentTarget.value })}
        onBlur={(event) => narrow({ version: event.currentTarget.value })}
        onClear={() => narrow({ version: undefined })}
      />
      <label className="history-day" htmlFor={`${ids}-from`}>
        <span>{t('history.from')}</span>
        <Input
          id={`${ids}-from`}
          type="date"
          value={filter.from ?? ''}
          max={filter.to}
          onChange={(event) => narrow({ from: event.target.value })}
        />
      </label>
      <label className="history-day" htmlFor={`${ids}-to`}>
        <span>{t('history.to')}</span>
        <Input
          id={`${ids}-to`}
          type="date"
          value={filter.to ?? ''}
          min={filter.from}
          onChange={(event) => narrow({ to: event.target.value })}
        />
      </label>
    </div>
  )
}
