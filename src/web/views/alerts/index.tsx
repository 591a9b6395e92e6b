import { useEffect, useMemo } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { IncidentView, Tone } from '../../../ports/console.ts'
import type { IncidentFilter } from '../../api.ts'
import { Duration, Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { type Translate, useT } from '../../i18n/index.tsx'
import { useIncidents, useServices } from '../../queries.ts'
import { Nothing, optionsOf, PagedList } from '../shared/list.tsx'
import { Choice, PageHead } from '../shared/ui.tsx'
import { Connect } from './Connect.tsx'
import { readFilter, writeFilter } from './filter.ts'
import { Severity } from './Severity.tsx'
import './alerts.css'

const HOSTS_NAMED = 3

/** All incidents, newest first, as far as one has asked; the filters stand in the address. */
export default function Alerts() {
  const t = useT()
  const [params, setParams] = useSearchParams()
  const filter = useMemo(() => readFilter(params), [params])
  const query = useIncidents(filter)
  const incidents = query.data?.pages.flatMap((page) => page.incidents) ?? []
  const filtered = Object.keys(filter).length > 0
  const services = useServices()
  const names = [
    ...(services.data?.map(({ name }) => name) ?? []),
    ...incidents.flatMap(({ service }) => service ?? []),
  ]
  const narrow = (change: IncidentFilter) =>
    setParams((old) => writeFilter({ ...readFilter(old), ...change }), { replace: true })
  useEffect(() => {
    document.title = `${t('alerts.title')} · Rollcall`
  }, [t])

  return (
    <div className="v-view alerts">
      <PageHead title={t('alerts.title')} facts={t('alerts.lead')} />
      <div className="v-filters">
        <Choice
          label={t('alerts.state')}
          value={filter.state}
          options={(['open', 'over'] as const).map((value) => ({ value, label: t(`alerts.${value}`) }))}
          onChange={(state) => narrow({ state })}
        />
        <Choice
          label={t('alerts.service')}
          value={filter.service}
          options={optionsOf(names, filter.service)}
          onChange={(service) => narrow({ service })}
        />
      </div>
      <PagedList
        query={query}
        label={t('alerts.list')}
        empty={
          incidents.length > 0 ? undefined : (
            <>
              <Nothing
                title={t(filtered ? 'alerts.nothing' : 'alerts.empty')}
                hint={t(filtered ? 'alerts.nothing-hint' : 'alerts.empty-hint')}
                clear={filtered ? t('alerts.clear') : undefined}
                onClear={() => setParams({}, { replace: true })}
              />
              {filtered ? null : <Connect />}
            </>
          )
        }
      >
        <div className="alerts-row alerts-head" aria-hidden="true">
          <span>{t('alerts.state')}</span>
          <span>{t('alerts.incident')}</span>
          <span>{t('alerts.hosts')}</span>
          <span>{t('alerts.release')}</span>
          <span>{t('alerts.lasted')}</span>
          <span>{t('alerts.since')}</span>
        </div>
        <ul>
          {incidents.map((incident) => (
            <li key={incident.id}>
              <Row incident={incident} />
            </li>
          ))}
        </ul>
      </PagedList>
    </div>
  )
}

/** The whole row leads to the incident; its release is a link of its own above it. */
function Row({ incident }: { incident: IncidentView }) {
  const t = useT()
  const { id, title, severity, state, service, hosts, since, resolvedAt } = incident
  const named = hosts.slice(0, HOSTS_NAMED).join(', ')
  return (
    <div className="alerts-row" data-over={resolvedAt !== undefined}>
      <span className="alerts-state">
        <StateTag state={state} tone={toneOfIncident(incident)} />
      </span>
      <span className="alerts-what">
        <Link className="alerts-link" to={`/alerts/${encodeURIComponent(id)}`}>
          {title}
        </Link>
        <span className="alerts-facts">
          <Severity severity={severity} />
          {service === undefined ? null : <b>{service}</b>}
          <span className="muted">{id}</span>
          <span className="muted">{countsOf(incident, t)}</span>
          {incident.acknowledgedBy === undefined ? null : (
            <span className="muted">{t('alerts.acknowledged-by', { name: incident.acknowledgedBy })}</span>
          )}
        </span>
      </span>
      <span className="alerts-hosts" title={hosts.join(', ')}>
        {hosts.length === 0 ? '–' : hosts.length <= HOSTS_NAMED ? named : t('hosts.count', { count: hosts.length })}
      </span>
      <span className="alerts-release">
        {incident.release === undefined ? (
          '–'
        ) : (
          <Link className="v-link" to={`/releases/${encodeURIComponent(incident.release)}`}>
            {incident.release}
          </Link>
        )}
      </span>
      <span className="alerts-lasted">
        <Lasted since={since} resolvedAt={resolvedAt} />
      </span>
      <span className="alerts-since">
        <Moment at={since} />
      </span>
    </div>
  )
}

/** Such as `2 firing, 1 resolved`; what there is none of is left out. */
function countsOf({ firing, resolved }: IncidentView, t: Translate): string {
  if (resolved === 0) return t('alerts.firing', { firing })
  return firing === 0 ? t('alerts.resolved', { resolved }) : t('alerts.counts', { firing, resolved })
}

/** Somebody is on it: it asks for less attention than one that nobody has seen. */
export function toneOfIncident({ state, tone }: IncidentView): Tone {
  return state === 'acknowledged' ? 'warn' : tone
}

/** From its beginning to its end, or running. */
export function Lasted({ since, resolvedAt }: Pick<IncidentView, 'since' | 'resolvedAt'>) {
  if (resolvedAt === undefined) return <Duration since={since} />
  return <Duration seconds={(Date.parse(resolvedAt) - Date.parse(since)) / 1000} />
}
