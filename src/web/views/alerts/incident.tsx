import { Tabs } from 'antd'
import { type ReactNode, useEffect } from 'react'
import { Link, useParams, useSearchParams } from 'react-router'
import type { IncidentView } from '../../../ports/console.ts'
import { ErrorState, Loading } from '../../components/Feedback.tsx'
import { MessageCard } from '../../components/MessageCard.tsx'
import { Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'
import { useIncident, useMessage } from '../../queries.ts'
import { Thread } from '../release/thread.tsx'
import { PageHead } from '../shared/ui.tsx'
import { AlertList } from './AlertList.tsx'
import { Lasted, toneOfIncident } from './index.tsx'
import { Severity } from './Severity.tsx'
import './alerts.css'

const TABS = ['thread', 'alerts'] as const

/** One incident: where it stands, its card with what may be done now, what was said about it, and all of its alerts. */
export default function Incident() {
  const t = useT()
  const { id = '' } = useParams()
  const incident = useIncident(id)
  useEffect(() => {
    document.title = `${id} · Rollcall`
  }, [id])
  if (incident.data === undefined) {
    if (incident.error === null) return <Loading />
    return (
      <div className="v-view">
        <PageHead title={id} />
        <ErrorState error={incident.error} retry={() => void incident.refetch()} />
        <Link className="v-link" to="/alerts">
          {t('alerts.to-list')}
        </Link>
      </div>
    )
  }
  return <Shown key={id} incident={incident.data} />
}

function Shown({ incident }: { incident: IncidentView }) {
  const t = useT()
  const [params, setParams] = useSearchParams()
  const tab = TABS.find((each) => each === params.get('tab')) ?? 'thread'
  const { id, channel, card, firing, resolved } = incident
  return (
    <div className="v-view alerts">
      <Head incident={incident} />
      <Card card={card} />
      <Tabs
        activeKey={tab}
        onChange={(key) => setParams({ tab: key }, { replace: true })}
        destroyOnHidden
        items={[
          { key: 'thread', label: t('alerts.tab.thread'), children: <Thread channel={channel} card={card} /> },
          {
            key: 'alerts',
            label: `${t('alerts.tab.alerts')} (${firing + resolved})`,
            children: <AlertList incident={id} />,
          },
        ]}
      />
    </div>
  )
}

function Head({ incident }: { incident: IncidentView }) {
  const t = useT()
  const { id, title, severity, state, service, hosts, release, acknowledgedBy, since, resolvedAt } = incident
  return (
    <section className="alerts-top">
      <PageHead
        title={title}
        facts={
          <span className="alerts-facts">
            <StateTag state={state} tone={toneOfIncident(incident)} />
            <Severity severity={severity} />
            <span>{id}</span>
            <Link className="v-link" to="/alerts">
              {t('alerts.to-list')}
            </Link>
          </span>
        }
      />
      <dl className="alerts-dl">
        {service === undefined ? null : <Fact label={t('alerts.service')}>{service}</Fact>}
        <Fact label={t('alerts.since')}>
          <Moment at={since} />
        </Fact>
        <Fact label={t(resolvedAt === undefined ? 'alerts.lasts' : 'alerts.lasted')}>
          <Lasted since={since} resolvedAt={resolvedAt} />
        </Fact>
        <Fact label={t('alerts.acknowledged')}>{acknowledgedBy ?? t('alerts.nobody')}</Fact>
        {release === undefined ? null : (
          <Fact label={t('alerts.release')}>
            <Link className="v-link" to={`/releases/${encodeURIComponent(release)}`}>
              {release}
            </Link>
          </Fact>
        )}
        {hosts.length === 0 ? null : <Fact label={t('alerts.hosts')}>{hosts.join(', ')}</Fact>}
      </dl>
    </section>
  )
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Card({ card }: { card: string }) {
  const message = useMessage(card)
  if (message.data === undefined) {
    if (message.error === null) return <Loading />
    return <ErrorState error={message.error} retry={() => void message.refetch()} />
  }
  const { postedAt } = message.data
  return <MessageCard message={message.data.message} aside={<Moment at={postedAt} />} titleLevel={2} folded />
}
