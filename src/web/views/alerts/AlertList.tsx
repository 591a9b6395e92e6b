import { Button } from 'antd'
import type { AlertView } from '../../../ports/console.ts'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { WayOut } from '../../components/Links.tsx'
import { safeUrl } from '../../components/links.ts'
import { Duration, Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'
import { useAlerts } from '../../queries.ts'
import { ownLabels, sharedLabels } from './filter.ts'

/** Every alert of the incident as it was last heard, in the order of first hearing. */
export function AlertList({ incident }: { incident: string }) {
  const t = useT()
  const query = useAlerts(incident)
  if (query.data === undefined) {
    if (query.error === null) return <Loading />
    return <ErrorState error={query.error} retry={() => void query.refetch()} />
  }
  const alerts = query.data.pages.flatMap((page) => page.alerts)
  const total = query.data.pages.at(-1)?.total ?? alerts.length
  if (alerts.length === 0) return <Empty title={t('alerts.nothing')} />
  const shared = sharedLabels(alerts)
  return (
    <section className="v-panel v-list" aria-label={t('alerts.all', { id: incident })}>
      <p className="alerts-total muted">{t('alerts.of-total', { shown: alerts.length, total })}</p>
      <ul>
        {alerts.map((alert) => (
          <li className="alerts-alert" key={`${alert.fingerprint} ${alert.startsAt}`}>
            <One alert={alert} shared={shared} />
          </li>
        ))}
      </ul>
      {query.hasNextPage ? (
        <div className="v-more">
          <Button loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            {t('alerts.more')}
          </Button>
        </div>
      ) : null}
    </section>
  )
}

function One({ alert, shared }: { alert: AlertView; shared: Record<string, string> }) {
  const t = useT()
  const { status, labels, annotations, startsAt, endsAt } = alert
  const said = annotations.summary ?? annotations.message ?? annotations.description
  const url = safeUrl(alert.url)
  return (
    <>
      <span className="alerts-state">
        <StateTag state={status} />
      </span>
      <div className="alerts-what">
        <span>
          <b>{labels.alertname ?? t('alerts.unnamed')}</b>
        </span>
        <ul className="alerts-labels" aria-label={t('alerts.labels')}>
          {ownLabels(labels, shared).map(([name, value]) => (
            <li key={name}>
              <span className="muted">{name}</span> {value}
            </li>
          ))}
        </ul>
        {said === undefined ? null : <p className="alerts-said">{said}</p>}
        {url === undefined ? null : <WayOut url={url.href} label={t('alerts.graph')} host={url.host} />}
      </div>
      <span className="alerts-times">
        <Moment at={startsAt} />
        <span className="muted">
          {endsAt === undefined ? (
            <Duration since={startsAt} />
          ) : (
            <Duration seconds={(Date.parse(endsAt) - Date.parse(startsAt)) / 1000} />
          )}
        </span>
      </span>
    </>
  )
}
