import { App, Button } from 'antd'
import type { ReleaseDetail } from '../../../ports/console.ts'
import { Empty } from '../../components/Feedback.tsx'
import { Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { duration } from '../../format.ts'
import { useLanguage, useT } from '../../i18n/index.tsx'
import { Panel, Table } from '../shared/ui.tsx'
import { wayBack } from './facts.ts'
import './plan.css'

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
            columns={[
              { label: t('release.risk') },
              { label: t('release.mitigation') },
              { label: t('release.why'), kind: 'why' },
              { label: t('release.source'), kind: 'mono' },
            ]}
            rows={risks.map((risk) => ({
              key: `${risk.type} ${risk.source} ${risk.mitigation}`,
              cells: [<b key="risk">{risk.type}</b>, risk.mitigation, risk.why, risk.source],
            }))}
          />
        </Panel>
      )}
      <Panel title={t('release.thresholds')} flush={metrics.length > 0}>
        {metrics.length === 0 ? (
          <p className="muted">{t('release.no-metrics')}</p>
        ) : (
          <Table
            label={t('release.thresholds')}
            columns={[
              { label: t('release.metric') },
              { label: t('release.limits'), kind: 'num' },
              { label: t('release.query'), kind: 'mono' },
              { label: t('release.source') },
            ]}
            rows={metrics.map((metric) => ({
              key: metric.key,
              cells: [
                <b key="metric">{metric.name}</b>,
                metric.limits.length === 0 ? t('release.no-limit') : metric.limits.join(' / '),
                metric.query,
                metric.source,
              ],
            }))}
          />
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
            columns={[
              { label: t('release.step') },
              { label: t('release.state') },
              { label: t('release.summary'), kind: 'why' },
              { label: t('release.when'), kind: 'num' },
            ]}
            rows={steps.map((step) => ({
              key: step.step_name,
              cells: [
                <b key="step">{step.step_name}</b>,
                <StepState key="state" status={step.status} />,
                step.summary,
                <Moment key="when" at={step.timestamp} />,
              ],
            }))}
          />
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
        columns={[
          { label: t('release.batch-word'), kind: 'num' },
          { label: t('release.hosts'), kind: 'why' },
          { label: t('release.at-once'), kind: 'num' },
          { label: t('release.window'), kind: 'num' },
        ]}
        rows={plan.batches.map((batch) => ({
          key: String(batch.id),
          cells: [
            <b key="batch">{batch.id}</b>,
            batch.hosts.length <= HOSTS_NAMED ? (
              batch.hosts.join(', ')
            ) : (
              <details key="hosts" className="rel-hosts">
                <summary>{t('hosts.count', { count: batch.hosts.length })}</summary>
                {batch.hosts.join(', ')}
              </details>
            ),
            batch.atOnce,
            duration(batch.windowSeconds, language),
          ],
        }))}
      />
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
