import { useRef } from 'react'
import type { HostProgressView, ReleaseDetail } from '../../../ports/console.ts'
import { Empty } from '../../components/Feedback.tsx'
import { StateTag } from '../../components/State.tsx'
import { isState, toneOf } from '../../components/states.ts'
import { type Key, useT } from '../../i18n/index.tsx'
import '../shared/tiles.css'
import { Panel, Table } from '../shared/ui.tsx'
import { type BatchProgress, batchesOf, LETTERS, PROGRESS, progressOf, troubled } from './facts.ts'
import './progress.css'

/** Up to so many hosts, all are rows; a larger fleet is tiles, and only trouble is told in rows. */
const ROWS = 16

/** How far it is: a bar per batch, a tile per host, and in words what needs somebody's eye. */
export function Progress({ release, onHost }: { release: ReleaseDetail; onHost: (host: string) => void }) {
  const t = useT()
  const batches = batchesOf(release)
  const progress = progressOf(release)
  if (release.progress.length === 0)
    return <Empty title={t('release.no-progress')} hint={t('release.no-progress-hint')} />
  const small = progress.length <= ROWS
  const rows = small ? progress : troubled(release)
  return (
    <>
      <Panel title={t('release.batches')} extra={small ? null : <Legend progress={progress} />}>
        <div className="rel-batches">
          {batches.map((batch) => (
            <Batch key={batch.id} batch={batch} now={release.now} tiles={!small} onHost={onHost} />
          ))}
        </div>
      </Panel>
      {rows.length === 0 ? null : (
        <Panel title={t(small ? 'release.hosts' : 'release.trouble')} flush>
          <Table
            label={t(small ? 'release.hosts' : 'release.trouble')}
            columns={[
              { label: t('release.host') },
              { label: t('release.state') },
              { label: t('release.version'), kind: 'num' },
              { label: t('release.batch-word'), kind: 'num' },
              { label: t('release.attempt'), kind: 'num' },
              { label: t('release.why'), kind: 'why' },
            ]}
            rows={rows.map((host) => ({
              key: host.host,
              cells: [
                <span key="host">
                  <button type="button" className="v-plain-button v-link" onClick={() => onHost(host.host)}>
                    {host.host}
                  </button>
                  <br />
                  <span className="muted">{host.region}</span>
                </span>,
                <StateTag key="state" state={host.state} />,
                host.version === undefined ? t('common.unknown') : (host.version ?? t('common.none')),
                host.batch === 0 ? '–' : host.batch,
                host.jobs.at(-1)?.attempt ?? '–',
                host.why ?? '',
              ],
            }))}
          />
        </Panel>
      )}
    </>
  )
}

/** What the tiles' shapes mean, of the states that there are. */
function Legend({ progress }: { progress: HostProgressView[] }) {
  const word = useStateWord()
  const counts = Map.groupBy(progress, (host) => host.state)
  const present = PROGRESS.filter((state) => counts.has(state))
  return (
    <ul className="v-key">
      {present.map((state) => (
        <li key={state}>
          <span className="v-tile rel-tile" data-state={state} data-tone={toneOf(state)} aria-hidden="true">
            {LETTERS[state] ?? ''}
          </span>
          {word(state)} <b>{counts.get(state)?.length}</b>
        </li>
      ))}
    </ul>
  )
}

function Batch({
  batch,
  now,
  tiles,
  onHost,
}: {
  batch: BatchProgress
  now: ReleaseDetail['now']
  tiles: boolean
  onHost: (host: string) => void
}) {
  const t = useT()
  const word = useStateWord()
  const total = batch.hosts.length
  const here = now?.batch === batch.id && batch.id !== 0
  const name = batch.id === 0 ? t('release.outside-plan') : t('release.batch', { batch: batch.id })
  const summary = batch.counts.map(({ state, count }) => `${count} ${word(state)}`).join(', ')
  return (
    <div className="rel-batch" data-here={here}>
      <div className="rel-batch-head">
        <h3>{name}</h3>
        {here && now !== undefined ? <StateTag state={now.doing} /> : null}
        <span className="muted rel-batch-note">{summary}</span>
        <span className="rel-batch-count">{t('release.healthy-of', { done: batch.healthy, total })}</span>
      </div>
      <div
        className="rel-bar"
        role="progressbar"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={batch.healthy}
        aria-valuetext={summary}
      >
        {batch.counts.map(({ state, count }) => (
          <span key={state} data-state={state} data-tone={toneOf(state)} style={{ flexGrow: count }} />
        ))}
      </div>
      {tiles ? <HostTiles label={name} hosts={batch.hosts} onHost={onHost} /> : null}
    </div>
  )
}

/** The hosts of a batch: one tab stop, arrow keys go from one to the next, Enter opens it. */
function HostTiles({
  label,
  hosts,
  onHost,
}: {
  label: string
  hosts: HostProgressView[]
  onHost: (host: string) => void
}) {
  const t = useT()
  const word = useStateWord()
  const list = useRef<HTMLUListElement>(null)
  const move = (index: number, by: number) => {
    const buttons = [...(list.current?.querySelectorAll('button') ?? [])]
    const next = buttons[index + by]
    if (next === undefined) return
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1
    next.focus()
  }
  return (
    <ul className="v-tiles" aria-label={label} ref={list}>
      {hosts.map((host, i) => {
        const version = host.version === undefined ? t('common.unknown') : (host.version ?? t('common.none'))
        const words = [host.host, version, word(host.state), host.why].filter((each) => each !== undefined).join(', ')
        return (
          <li key={host.host}>
            <button
              type="button"
              className="v-tile rel-tile"
              data-state={host.state}
              data-tone={toneOf(host.state)}
              tabIndex={i === 0 ? 0 : -1}
              aria-label={words}
              title={words}
              onClick={() => onHost(host.host)}
              onKeyDown={(event) => {
                const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
                if (by === undefined) return
                event.preventDefault()
                move(i, by)
              }}
            >
              {LETTERS[host.state] ?? ''}
            </button>
          </li>
        )
      })}
    </ul>
  )
}

/** A state in the reader's language; a word that is no state as it came. */
function useStateWord(): (state: string) => string {
  const t = useT()
  return (state) => (isState(state) ? t(`state.${state}` as Key) : state)
}
