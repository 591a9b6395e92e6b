import type { Block } from '../../ports/chat.ts'
import { markup, type Part, part, plainText } from './block.ts'
import { LIMITS } from './limits.ts'
import { bold, codeParts } from './render-text.ts'
import { cut, escaped, pieces, untagged } from './text.ts'

type Table = Extract<Block, { type: 'table' }>
type Progress = Extract<Block, { type: 'progress' }>

/** Wider ones break their lines on a laptop's screen. */
const WIDEST = 110
const BAR = 10

export function captionParts(caption: string | undefined): Part[] {
  if (caption === undefined || caption.trim() === '') return []
  const line = bold(caption)
  if (line.length <= LIMITS.section) return [part(markup(line), caption)]
  return pieces(caption, LIMITS.section).map((piece) => part({ type: 'section', text: plainText(piece) }, piece))
}

/** Whether Slack's own table can show it. */
export function fitsTable({ columns, rows }: Table): boolean {
  const cells = [columns, ...rows]
  return (
    rows.length > 0 &&
    columns.length > 0 &&
    cells.length <= LIMITS.tableRows &&
    cells.every((row) => row.length <= columns.length && row.every((cell) => cell.length <= LIMITS.tableCell)) &&
    columns.length <= LIMITS.tableColumns &&
    cells.flat().reduce((sum, cell) => sum + Math.max(1, cell.length), 0) <= LIMITS.tableCharacters
  )
}

/** Slack's own table. A cell must not be empty, and every row has all of its cells. */
export function nativeTable({ columns, rows }: Table): Part {
  const cells = [columns, ...rows].map((row) =>
    columns.map((_, at) => ({
      type: 'raw_text' as const,
      text: (row[at] ?? '').trim() === '' ? ' ' : untagged(row[at] ?? ''),
    })),
  )
  const settings = columns.map(() => ({ is_wrapped: true }))
  return part(
    { type: 'table', rows: cells, column_settings: settings },
    [columns, ...rows].map((row) => row.join('  ')).join('\n'),
  )
}

/** As code with aligned columns, or, where that would be too wide, one row below the other with the names of its columns. */
export function tableParts({ columns, rows }: Table): Part[] {
  const lines = [...(columns.some((name) => name !== '') ? [columns] : []), ...rows]
  if (rows.length === 0) return []
  const widths = Array.from({ length: Math.max(...lines.map((row) => row.length)) }, (_, at) =>
    Math.max(...lines.map((row) => widthOf(oneLine(row[at] ?? '')))),
  )
  if (widths.reduce((sum, width) => sum + width + 2, 0) > WIDEST) {
    const text = rows
      .map((row) => row.map((cell, at) => (columns[at] ? `${columns[at]}: ${cell}` : cell)).join(' · '))
      .join('\n')
    return pieces(text, LIMITS.section).map((piece) => part({ type: 'section', text: plainText(piece) }, piece))
  }
  const text = lines
    .map((row) =>
      widths
        .map((width, at) => {
          const cell = oneLine(row[at] ?? '')
          return cell + ' '.repeat(width - widthOf(cell))
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
  return codeParts(text)
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** Columns on a screen: characters of East Asian scripts take two. */
function widthOf(text: string): number {
  return [...text].reduce(
    (sum, char) =>
      sum +
      (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/.test(char)
        ? 2
        : 1),
    0,
  )
}

/** The steps as a plan of tasks, each with its state. */
export function planParts({ items }: Progress, title: string): Part[] {
  const parts: Part[] = []
  for (let from = 0; from < items.length; from += LIMITS.planTasks) {
    const some = items.slice(from, from + LIMITS.planTasks)
    const tasks = some.map((item, at) => {
      const whole = untagged(lineOf(item))
      const short = cut(whole, LIMITS.header)
      return {
        type: 'task_card' as const,
        task_id: `step-${from + at + 1}`,
        title: short,
        status: statusOf(item),
        ...(short === whole ? {} : { details: richText(whole) }),
      }
    })
    parts.push(part({ type: 'plan', title, tasks }, some.map(lineOf).join('\n')))
  }
  // Texts that do not fit into one message are better shown as text.
  return parts.some(({ characters }) => characters > LIMITS.message / 2) ? barParts({ type: 'progress', items }) : parts
}

function richText(text: string) {
  return {
    type: 'rich_text' as const,
    elements: [{ type: 'rich_text_section' as const, elements: [{ type: 'text' as const, text }] }],
  }
}

function statusOf({ done, total }: Progress['items'][number]): 'complete' | 'in_progress' | 'pending' {
  if (total > 0 && done >= total) return 'complete'
  return done > 0 ? 'in_progress' : 'pending'
}

function lineOf({ label, done, total, note }: Progress['items'][number]): string {
  return `${label} ${done}/${total} ${note}`.trim()
}

export function barParts({ items }: Progress): Part[] {
  const width = Math.max(0, ...items.map(({ label }) => widthOf(label)))
  const lines = items.map((item) => {
    const share = item.total > 0 ? Math.min(1, Math.max(0, item.done / item.total)) : 0
    const full = Math.round(share * BAR)
    const bar = '█'.repeat(full) + '░'.repeat(BAR - full)
    const label = item.label + ' '.repeat(Math.max(0, Math.min(width, 60) - widthOf(item.label)))
    return `${label} ${bar} ${item.done}/${item.total} ${item.note}`.trimEnd()
  })
  return codeParts(lines.join('\n'))
}

export function pictureLine(alt: string): string {
  return cut(escaped(alt.replace(/\s+/g, ' ').trim()), LIMITS.alt) || '—'
}
