import { Link } from 'react-router'
import { Duration, Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'
import { useReleases, useServices } from '../../queries.ts'

const RECENT = 6

/** Beside the channel on a wide screen: which release is under way, what the services run, and what came last. */
export function Glance() {
  const t = useT()
  const releases = useReleases({})
  const services = useServices()
  const list = releases.data?.pages.flatMap((page) => page.releases) ?? []
  const running = list.filter((release) => !release.over)
  const recent = list.filter((release) => release.over).slice(0, RECENT)
  return (
    <aside className="glance" aria-label={t('glance.title')}>
      <section aria-labelledby="glance-running">
        <h2 id="glance-running">{t('channel.in-flight')}</h2>
        {running.length === 0 ? <p className="muted">{t('glance.quiet')}</p> : null}
        <ul>
          {running.map((release) => (
            <li key={release.id}>
              <Link to={`/releases/${release.id}`} className="glance-release" data-tone={release.tone}>
                <span className="glance-line">
                  <strong>{release.id}</strong>
                  <StateTag state={release.state} tone={release.tone} />
                </span>
                <span>
                  {release.service} {release.candidate}
                </span>
                {release.startedAt === undefined ? null : (
                  <span className="muted">
                    <Duration since={release.startedAt} />
                  </span>
                )}
              </Link>
            </li>
          ))}
        </ul>
      </section>
      <section aria-labelledby="glance-services">
        <h2 id="glance-services">{t('glance.services')}</h2>
        <ul>
          {(services.data ?? []).map((service) => (
            <li key={service.name} className="glance-service">
              <Link to={`/fleet?service=${encodeURIComponent(service.name)}`}>{service.name}</Link>
              <span className="versions">
                {Object.entries(service.versions).map(([version, count]) => (
                  <span key={version} className="version">
                    {version} <span className="muted">×{count}</span>
                  </span>
                ))}
              </span>
            </li>
          ))}
        </ul>
      </section>
      {recent.length === 0 ? null : (
        <section aria-labelledby="glance-recent">
          <h2 id="glance-recent">{t('glance.recent')}</h2>
          <ul>
            {recent.map((release) => (
              <li key={release.id}>
                <Link to={`/releases/${release.id}`} className="glance-recent">
                  <span>
                    {release.id} {release.service} {release.candidate}
                  </span>
                  <span className="glance-line">
                    <StateTag state={release.state} tone={release.tone} />
                    <span className="muted">
                      <Moment at={release.endedAt ?? release.createdAt} />
                    </span>
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        </section>
      )}
    </aside>
  )
}
