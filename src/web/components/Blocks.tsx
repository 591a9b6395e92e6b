import { useState } from 'react'
import type { Block } from '../../ports/chat.ts'
import type { Tone } from '../../ports/console.ts'
import { momentIn } from '../format.ts'
import { type Key, useT } from '../i18n/index.tsx'
import { CodeBlock } from './CodeBlock.tsx'
import { Links } from './Links.tsx'
import { Moment } from './Moment.tsx'
import { numbered } from './numbered.ts'
import { Picture } from './Picture.tsx'
import { ReportText } from './ReportText.tsx'
import { isReport } from './report-text.ts'
import { ToneIcon } from './State.tsx'
import { stateIn, toneOf } from './states.ts'

/** Rows that are shown of a longer table until one asks for the rest; of hosts, fewer. */
const ROWS_SHOWN = 14
const HOSTS_SHOWN = 8
const WAITING_SHOWN = 4
const HOST_STATES = new Set([
  'pending',
  'deploying',
  'deployed',
  'healthy',
  'failed',
  'unreachable',
  'skipped',
  'rolling back',
  'rolled back',
])
/** Up to this many parts, a bar shows each of them. */
const SEGMENTS = 24
const URGENCY: Tone[] = ['bad', 'warn', 'info', 'good', 'plain']
/** What scrolls must be reachable by keyboard. */
const REACHABLE = { tabIndex: 0 }

type Table = Extract<Block, { type: 'table' }>
type Progress = Extract<Block, { type: 'progress' }>

/** One block of a message, as text nodes only. */
export function BlockView({ block, about }: { block: Block; about: string }) {
  switch (block.type) {
    case 'text':
      return isReport(block.text) ? <ReportText text={block.text} /> : <p className="block-text">{block.text}</p>
    case 'fields':
      return (
        <dl className="fields">
          {numbered(block.items).map(({ id, value: item }) => (
            <div key={id}>
              <dt>{item.label}</dt>
              <dd>
                <FieldValue text={item.value} />
              </dd>
            </div>
          ))}
        </dl>
      )
    case 'table':
      return <TableView table={block} about={about} />
    case 'progress':
      return <ProgressView progress={block} />
    case 'code':
      return <CodeBlock text={block.text} />
    case 'links':
      return <Links items={block.items} />
    case 'picture':
      return <Picture picture={block} />
    default:
      return null
  }
}

/** The server writes moments in its own time zone; here they are read in the reader's. */
function FieldValue({ text }: { text: string }) {
  const at = momentIn(text)
  return at === undefined ? text : <Moment at={at} />
}

function TableView({ table, about }: { table: Table; about: string }) {
  const t = useT()
  const [all, setAll] = useState(false)
  const rows = all ? table.rows : shortened(table.rows)
  const hidden = table.rows.length - rows.length
  return (
    <section className="table" aria-label={`${about}: ${table.caption ?? table.columns[0] ?? ''}`} {...REACHABLE}>
      {/* In a narrow place, a row of many cells is shown as a list of them. */}
      <table data-wide={table.columns.length > 3}>
        {table.caption === undefined ? null : <caption>{table.caption}</caption>}
        <thead>
          <tr>
            {numbered(table.columns).map(({ id, value: column }) => (
              <th key={id} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {numbered(rows).map(({ id, value: row }) => (
            <tr key={id}>
              {numbered(row).map(({ id: column, value: cell }, index) => (
                <Cell key={column} text={cell} column={table.columns[index] ?? ''} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {hidden === 0 ? null : (
        <button type="button" className="link-button" onClick={() => setAll(true)}>
          {t('message.rows-more', { count: hidden })}
        </button>
      )}
    </section>
  )
}

/** The first rows; of hosts those that want attention, then those that something happened to, and a few that wait. */
function shortened(rows: string[][]): string[][] {
  const states = rows.map((row) => row.map(stateIn).find((state) => state !== undefined))
  if (!states.every((state) => state !== undefined && HOST_STATES.has(state))) return rows.slice(0, ROWS_SHOWN)
  const rank = (index: number): number => URGENCY.indexOf(toneOf(states[index] ?? ''))
  const touched = states.filter((state) => state !== 'pending').length
  const most = Math.min(HOSTS_SHOWN, Math.max(WAITING_SHOWN, touched))
  if (rows.length <= most + 1) return rows
  const chosen = rows.map((_, index) => index).sort((a, b) => rank(a) - rank(b) || a - b)
  return chosen
    .slice(0, most)
    .sort((a, b) => a - b)
    .map((index) => rows[index] ?? [])
}

function Cell({ text, column }: { text: string; column: string }) {
  const t = useT()
  const state = stateIn(text)
  if (state === undefined) {
    return (
      <td data-column={column}>
        <FieldValue text={text} />
      </td>
    )
  }
  return (
    <td data-column={column}>
      <span className="cell-state" data-tone={toneOf(state)}>
        <ToneIcon tone={toneOf(state)} />
        <span>
          {t(`state.${state}` as Key)}
          {text.slice(state.length)}
        </span>
      </span>
    </td>
  )
}

function ProgressView({ progress }: { progress: Progress }) {
  const t = useT()
  return (
    <div className="progress">
      {numbered(progress.items).map(({ id, value: item }) => (
        <div className="progress-row" key={id} data-complete={item.total > 0 && item.done >= item.total}>
          <span className="progress-label">{item.label}</span>
          <div
            className="bar"
            role="progressbar"
            aria-label={item.label}
            aria-valuemin={0}
            aria-valuemax={item.total}
            aria-valuenow={item.done}
            aria-valuetext={t('common.done-of', { done: item.done, total: item.total })}
          >
            <Bar done={item.done} total={item.total} />
          </div>
          <span className="progress-count">{`${item.done}/${item.total}`}</span>
          <span className="progress-note">{item.note}</span>
        </div>
      ))}
    </div>
  )
}

function Bar({ done, total }: { done: number; total: number }) {
  if (total > SEGMENTS || total === 0) {
    return <span className="bar-fill" style={{ width: `${total === 0 ? 0 : Math.min(100, (100 * done) / total)}%` }} />
  }
  const parts = Array.from({ length: total }, (_, index) => index < done)
  return numbered(parts).map(({ id, value }) => <span key={id} className="bar-part" data-done={value} />)
}
