import { Input } from 'antd'
import { useId, useMemo } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { ReleaseView } from '../../../ports/console.ts'
import { Duration, Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { duration } from '../../format.ts'
import { type Key, useLanguage, useT } from '../../i18n/index.tsx'
import { useReleases, useServices } from '../../queries.ts'
import { Nothing, optionsOf, PagedList } from '../shared/list.tsx'
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
      <PagedList
        query={query}
        label={t('history.list')}
        above={<SummaryOf releases={releases} />}
        empty={
          releases.length > 0 ? undefined : (
            <Nothing
              title={t(filtered ? 'history.nothing' : 'history.empty')}
              hint={t(filtered ? 'history.nothing-hint' : 'history.empty-hint')}
              clear={filtered ? t('history.clear') : undefined}
              onClear={() => setParams({}, { replace: true })}
            />
          )
        }
      >
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
      </PagedList>
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
      <span className="history-hosts">
        {total === 0
          ? '–'
          : touched === total
            ? t('hosts.count', { count: total })
            : t('history.hosts-touched', { touched, count: total })}
      </span>
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
  const names = services.data?.map((service) => service.name) ?? []
  const people = releases.flatMap((release) => [release.requester, ...release.approvals.map(({ by }) => by)])
  return (
    <div className="v-filters">
      <Choice
        label={t('history.service')}
        value={filter.service}
        options={optionsOf(names, filter.service)}
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
        options={optionsOf(people, filter.person)}
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
