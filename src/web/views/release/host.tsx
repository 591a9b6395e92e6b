import { Drawer, Select } from 'antd'
import { useState } from 'react'
import type { HostProgressView, JobView } from '../../../ports/console.ts'
import { Empty } from '../../components/Feedback.tsx'
import { Duration, Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'
import './host.css'
import { Output } from './output.tsx'

/** One host of the release: where it is, and what its jobs printed. */
export function HostDrawer({ host, onClose }: { host: HostProgressView | undefined; onClose: () => void }) {
  return (
    <Drawer
      open={host !== undefined}
      onClose={onClose}
      title={host?.host}
      size="min(820px, 100vw)"
      // In the body it would lock scrolling by a style element without a nonce, which the content security policy refuses.
      getContainer="#root"
      destroyOnHidden
    >
      {host === undefined ? null : <Host key={host.host} host={host} />}
    </Drawer>
  )
}

function Host({ host }: { host: HostProgressView }) {
  const t = useT()
  const [chosen, setChosen] = useState<string>()
  // The newest, unless one was chosen: a job that begins while one looks is what one wants to see.
  const job = host.jobs.find(({ id }) => id === chosen) ?? host.jobs.at(-1)
  const name = ({ step, attempt }: JobView) => t('release.job', { step, attempt })
  return (
    <div className="host">
      <dl className="rel-facts">
        <div>
          <dt>{t('release.state')}</dt>
          <dd>
            <StateTag state={host.state} />
          </dd>
        </div>
        <div>
          <dt>{t('release.version')}</dt>
          <dd>{host.version === undefined ? t('common.unknown') : (host.version ?? t('common.none'))}</dd>
        </div>
        <div>
          <dt>{t('release.before')}</dt>
          <dd>{host.before ?? t('common.none')}</dd>
        </div>
        <div>
          <dt>{t('release.region')}</dt>
          <dd>{host.region === '' ? '–' : host.region}</dd>
        </div>
        {host.deployedAt === undefined ? null : (
          <div>
            <dt>{t('release.deployed')}</dt>
            <dd>
              <Moment at={host.deployedAt} />
            </dd>
          </div>
        )}
      </dl>
      {host.why === undefined ? null : <p className="host-why">{host.why}</p>}
      {job === undefined ? (
        <Empty title={t('release.no-jobs')} hint={t('release.no-jobs-hint')} />
      ) : (
        <>
          <div className="host-jobs">
            {host.jobs.length === 1 ? (
              <b>{name(job)}</b>
            ) : (
              <Select
                aria-label={t('release.jobs')}
                value={job.id}
                options={host.jobs.map((each) => ({ value: each.id, label: name(each) }))}
                onChange={setChosen}
                popupMatchSelectWidth={false}
              />
            )}
            <span className="muted">
              <Moment at={job.startedAt} />
              {' · '}
              {job.endedAt === undefined ? (
                <Duration since={job.startedAt} />
              ) : (
                <Duration seconds={(Date.parse(job.endedAt) - Date.parse(job.startedAt)) / 1000} />
              )}
            </span>
          </div>
          <Output key={job.id} job={job.id} title={t('release.output-of', { job: name(job), host: host.host })} />
        </>
      )}
    </div>
  )
}
