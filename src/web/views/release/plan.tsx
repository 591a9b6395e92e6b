import { App, Button } from 'antd'
import type { ReleaseDetail } from '../../../ports/console.ts'
import { Empty } from '../../components/Feedback.tsx'
import { Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { duration } from '../../format.ts'
import { useLanguage, useT } from '../../i18n/index.tsx'
import { Panel, Table } from '../shared/ui.tsx'
import { wayBack } from './facts.ts'

const STEPS = { success: 'good', warning: 'warn', failed: 'bad' } as const
const HOSTS_NAMED = 8

/** What was, or will be, approved: steps of the preparation, batches, artifact, risks, thresholds, the way back, notes. */
export function Plan({ release }: { release: ReleaseDetail }) {
  const t = useT()
  const { plan, risks, metrics, notes, steps } = release
  return (
    <>
      {plan === undefined ? (
        <Empty title={t('release.no-plan')} hint={t('release.no-plan-hint')} />
      ) : (
        <>
          <Batches plan={plan} />
          <Artifact plan={plan} planHash={release.planHash} />
        </>
      )}
      {risks.length === 0 ? null : (
        <Panel title={t('release.risks')} flush>
          <Table
            label={t('release.risks')}
            columns={[t('release.risk'), t('release.mitigation'), t('release.why'), t('release.source')]}
          >
            {risks.map((risk) => (
              <tr key={`${risk.type} ${risk.source}`}>
                <td>
                  <b>{risk.type}</b>
                </td>
                <td>{risk.mitigation}</td>
                <td className="v-why">{risk.why}</td>
                <td className="v-mono">{risk.source}</td>
              </tr>
            ))}
          </Table>
        </Panel>
      )}
      <Panel title={t('release.thresholds')} flush={metrics.length > 0}>
        {metrics.length === 0 ? (
          <p className="muted">{t('release.no-metrics')}</p>
        ) : (
          <Table
            label={t('release.thresholds')}
            columns={[t('release.metric'), t('release.limits'), t('release.query'), t('release.source')]}
          >
            {metrics.map((metric) => (
              <tr key={metric.key}>
                <td>
                  <b>{metric.name}</b>
                </td>
                <td className="v-num">
                  {metric.limits.length === 0 ? t('release.no-limit') : metric.limits.join(' / ')}
                </td>
                <td className="v-mono rel-query">{metric.query}</td>
                <td>{metric.source}</td>
              </tr>
            ))}
          </Table>
        )}
      </Panel>
      {notes.length === 0 ? null : (
        <Panel title={t('release.notes')}>
          <ul className="rel-notes">
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </Panel>
      )}
      {steps.length === 0 ? null : (
        <Panel title={t('release.preparation')} flush>
          <Table
            label={t('release.preparation')}
            columns={[t('release.step'), t('release.state'), t('release.summary'), t('release.when')]}
          >
            {steps.map((step) => (
              <tr key={step.step_name}>
                <td>
                  <b>{step.step_name}</b>
                </td>
                <td>
                  <StepState status={step.status} />
                </td>
                <td className="v-why">{step.summary}</td>
                <td className="v-num">
                  <Moment at={step.timestamp} />
                </td>
              </tr>
            ))}
          </Table>
        </Panel>
      )}
    </>
  )
}

function StepState({ status }: { status: string }) {
  const t = useT()
  if (status !== 'success' && status !== 'warning' && status !== 'failed') return <StateTag state={status} />
  return <StateTag state={t(`release.step.${status}`)} tone={STEPS[status]} />
}

type PlanView = NonNullable<ReleaseDetail['plan']>

function Batches({ plan }: { plan: PlanView }) {
  const t = useT()
  const { language } = useLanguage()
  return (
    <Panel title={t('release.batches')} flush>
      <Table
        label={t('release.batches')}
        columns={[t('release.batch-word'), t('release.hosts'), t('release.at-once'), t('release.window')]}
      >
        {plan.batches.map((batch) => (
          <tr key={batch.id}>
            <td className="v-num">
              <b>{batch.id}</b>
            </td>
            <td>
              {batch.hosts.length <= HOSTS_NAMED ? (
                batch.hosts.join(', ')
              ) : (
                <details className="rel-hosts">
                  <summary>{t('hosts.count', { count: batch.hosts.length })}</summary>
                  <span className="v-why">{batch.hosts.join(', ')}</span>
                </details>
              )}
            </td>
            <td className="v-num">{batch.atOnce}</td>
            <td className="v-num">{duration(batch.windowSeconds, language)}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  )
}

function Artifact({ plan, planHash }: { plan: PlanView; planHash: string }) {
  const t = useT()
  const { message } = App.useApp()
  const copy = async () => {
    await navigator.clipboard.writeText(plan.artifact.digest)
    void message.success(t('common.copied'))
  }
  const back = wayBack(plan.rollback.versions)
    .map(({ version, hosts }) => `${version ?? t('release.no-release')} (${t('hosts.count', { count: hosts })})`)
    .join(', ')
  return (
    <Panel title={t('release.artifact')}>
      <dl className="rel-list">
        <dt>{t('release.url')}</dt>
        <dd className="v-mono">{plan.artifact.url}</dd>
        <dt>{plan.artifact.algorithm}</dt>
        <dd className="v-mono">
          {plan.artifact.digest}{' '}
          <Button
            size="small"
            type="text"
            aria-label={t('release.copy-digest')}
            onClick={() => void copy().catch((error: unknown) => message.error(String(error)))}
          >
            {t('common.copy')}
          </Button>
        </dd>
        <dt>{t('release.gate')}</dt>
        <dd>{plan.gate}</dd>
        <dt>{t('release.way-back')}</dt>
        <dd>
          {back}; {t('release.back-at-once', { count: plan.rollback.atOnce })}
        </dd>
        <dt>{t('release.plan-hash')}</dt>
        <dd className="v-mono">{planHash}</dd>
      </dl>
    </Panel>
  )
}
