import { Select } from 'antd'
import { lazy, Suspense, useMemo, useState } from 'react'
import type { ReleaseDetail, WindowView } from '../../../ports/console.ts'
import { gateOption, LINES_PER_GROUP } from '../../charts/gate-option.ts'
import { lookOf } from '../../charts/look.ts'
import { byHost, type MetricWindow, summarize } from '../../charts/stats.ts'
import { formatChange, formatValue } from '../../charts/units.ts'
import { ErrorBoundary } from '../../components/ErrorBoundary.tsx'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { type Translate, useT } from '../../i18n/index.tsx'
import { useSeries } from '../../queries.ts'
import { useAppearance } from '../../theme-provider.tsx'
import { Panel, Table } from '../shared/ui.tsx'
import { judgedValue, windowOf } from './facts.ts'
import './gate.css'

const Chart = lazy(() => import('../../charts/chart.tsx'))

/** Hosts named in the table beside the chart: the highest. */
const HOSTS_NAMED = 6

/** What the gate saw and said, window by window and metric by metric. */
export function Gate({ release }: { release: ReleaseDetail }) {
  const t = useT()
  const series = useSeries(release.id)
  const [windowName, setWindow] = useState<string>()
  const [metricKey, setMetric] = useState<string>()
  if (series.data === undefined) {
    if (series.error === null) return <Loading />
    return <ErrorState error={series.error} retry={() => void series.refetch()} />
  }
  const { windows } = series.data
  // The newest unless one was chosen, and in it what the gate did not pass.
  const window = windows.find(({ name }) => name === windowName) ?? windows.at(-1)
  if (window === undefined) return <Empty title={t('release.no-windows')} hint={t('release.no-windows-hint')} />
  const metric =
    window.metrics.find(({ key }) => key === metricKey) ??
    window.metrics.find(({ verdict }) => verdict === 'fail') ??
    window.metrics.find(({ verdict }) => verdict !== 'pass') ??
    window.metrics[0]
  return (
    <>
      <Panel
        title={t('release.window-title')}
        extra={
          windows.length === 1 ? (
            <span className="muted">{windowTitle(window, t)}</span>
          ) : (
            <Select
              aria-label={t('release.window-choose')}
              value={window.name}
              options={[...windows].reverse().map((each) => ({ value: each.name, label: windowLabel(each) }))}
              onChange={setWindow}
              popupMatchSelectWidth={false}
            />
          )
        }
      >
        <p className="gate-verdict">
          <StateTag state={window.verdict} />
          <span className="gate-why">{window.why}</span>
          <span className="muted">
            <Moment at={new Date(window.at * 1000).toISOString()} />
          </span>
        </p>
        {window.metrics.length === 0 ? <p className="muted">{t('release.no-metrics')}</p> : null}
        <fieldset className="gate-metrics">
          <legend className="sr-only">{t('release.metric-choose')}</legend>
          {window.metrics.map((each) => (
            <button
              key={each.key}
              type="button"
              className="gate-metric"
              aria-pressed={each === metric}
              onClick={() => setMetric(each.key)}
            >
              <span className="gate-metric-name">{each.name}</span>
              <StateTag state={each.verdict} />
            </button>
          ))}
        </fieldset>
      </Panel>
      {metric === undefined ? null : (
        <Metric
          key={`${window.name} ${metric.key}`}
          window={window}
          metric={metric}
          judged={judgedValue(release.verdicts, window, metric.key)}
        />
      )}
    </>
  )

  function windowLabel(each: WindowView): string {
    return `${windowTitle(each, t)} · ${t(`state.${each.verdict as 'pass' | 'fail' | 'inconclusive' | 'error'}`)}`
  }
}

function windowTitle(window: WindowView, t: Translate): string {
  const { batch, round } = windowOf(window)
  return round > 1 ? t('release.window-round', { batch, round }) : t('release.window-of', { batch })
}

/** In the table the column is narrow, and the limits below say the long name of the unit. */
function short(text: string): string {
  return text.trimEnd()
}

function Metric({ window, metric, judged }: { window: WindowView; metric: MetricWindow; judged: number | undefined }) {
  const t = useT()
  const { mode } = useAppearance()
  const cores = t('release.cores')
  const groups = summarize(metric, window)
  const value = (amount: number | undefined) => formatValue(metric.unit, amount, cores)
  const description = t('release.chart-of', { metric: metric.name, window: windowTitle(window, t) })
  const option = useMemo(() => {
    const words = {
      upgraded: t('release.upgraded'),
      waiting: t('release.waiting'),
      warn: t('release.warn'),
      fail: t('release.fail'),
      deployed: t('release.deploy-mark'),
      before: t('release.period-before'),
      after: t('release.period-after'),
      difference: t('release.difference'),
      cores: t('release.cores'),
      description,
    }
    return gateOption(metric, window, lookOf(mode === 'dark', getComputedStyle(document.body).fontFamily), words)
  }, [metric, window, mode, t, description])
  const capped = groups.some(({ hosts }) => hosts > LINES_PER_GROUP)
  const empty = metric.hosts.every(({ points }) => points.length === 0)
  return (
    <Panel title={metric.name} extra={<StateTag state={metric.verdict} />}>
      {metric.why === '' ? null : <p className="gate-why">{metric.why}</p>}
      <div className="gate-body">
        <div className="gate-chart">
          {empty ? (
            <Empty title={t('release.no-points')} hint={t('release.no-points-hint')} />
          ) : (
            <ErrorBoundary>
              <Suspense
                fallback={
                  <div className="gate-chart-wait">
                    <Loading />
                  </div>
                }
              >
                <Chart option={option} height={340} description={description} />
              </Suspense>
            </ErrorBoundary>
          )}
          <p className="muted gate-note">
            {capped ? t('release.capped', { count: LINES_PER_GROUP }) : t('release.lines')}
          </p>
        </div>
        <div className="gate-figures">
          <p className="muted gate-table-title">{t('release.levels', { metric: metric.name })}</p>
          <Table
            label={t('release.levels', { metric: metric.name })}
            columns={[
              { label: t('release.group') },
              { label: t('release.period-before'), kind: 'num' },
              { label: t('release.period-after'), kind: 'num' },
              { label: t('release.change'), kind: 'num' },
            ]}
            rows={groups.map((each) => ({
              key: each.group,
              cells: [
                <span key="group">
                  <span className="gate-group" data-group={each.group}>
                    {t(`release.${each.group}`)}
                  </span>
                  <br />
                  <span className="muted">{t('hosts.count', { count: each.hosts })}</span>
                </span>,
                short(formatValue(metric.unit, each.before, '')),
                short(formatValue(metric.unit, each.after, '')),
                short(formatChange(metric.unit, each.change, '')),
              ],
            }))}
          />
          <dl className="gate-limits">
            {judged === undefined ? null : (
              <>
                <dt>{t(metric.unit === 'ratio' ? 'release.judged-share' : 'release.judged-highest')}</dt>
                <dd>
                  <b>{value(judged)}</b>
                </dd>
              </>
            )}
            <dt>{t('release.warns-above')}</dt>
            <dd>{metric.limits.warn === undefined ? t('release.no-limit') : value(metric.limits.warn)}</dd>
            <dt>{t('release.fails-above')}</dt>
            <dd>{metric.limits.fail === undefined ? t('release.no-limit') : value(metric.limits.fail)}</dd>
          </dl>
          <details className="gate-hosts">
            <summary>{t('release.highest')}</summary>
            <ol>
              {byHost(metric, window)
                .slice(0, HOSTS_NAMED)
                .map((each) => (
                  <li key={each.host}>
                    <span className="gate-group" data-group={each.group}>
                      {each.host}
                    </span>
                    <span className="v-num">{value(each.after)}</span>
                  </li>
                ))}
            </ol>
          </details>
          <details className="gate-hosts">
            <summary>{t('release.query')}</summary>
            <code className="v-mono">{metric.query}</code>
          </details>
        </div>
      </div>
    </Panel>
  )
}
