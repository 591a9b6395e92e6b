import { Select } from 'antd'
import { type ReactNode, useId } from 'react'
import './shared.css'

/** What scrolls must be reachable by keyboard, though it does nothing else. */
export const REACHABLE = { tabIndex: 0 }

/** The head of a view: what it is, one line of facts, and what may be done there. */
export function PageHead({ title, facts, children }: { title: ReactNode; facts?: ReactNode; children?: ReactNode }) {
  return (
    <header className="v-head">
      <div className="v-head-words">
        <h1>{title}</h1>
        {facts === undefined ? null : <p className="muted">{facts}</p>}
      </div>
      {children === undefined ? null : <div className="v-head-actions">{children}</div>}
    </header>
  )
}

/** A titled part of a view. */
export function Panel({
  title,
  extra,
  children,
  flush = false,
}: {
  title: ReactNode
  extra?: ReactNode
  children: ReactNode
  /** Without inner margins, for tables. */
  flush?: boolean
}) {
  const id = useId()
  return (
    <section className="v-panel" data-flush={flush} aria-labelledby={id}>
      <div className="v-panel-head">
        <h2 id={id}>{title}</h2>
        {extra}
      </div>
      {children}
    </section>
  )
}

/** One of several values, or none. */
export function Choice<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: T | undefined
  options: { value: T; label: string }[]
  onChange: (value: T | undefined) => void
}) {
  return (
    <Select<T>
      className="v-choice"
      aria-label={label}
      placeholder={label}
      value={value ?? null}
      options={options}
      onChange={(next) => onChange(next ?? undefined)}
      allowClear
      showSearch={options.length > 8}
      popupMatchSelectWidth={false}
    />
  )
}

interface Column {
  label: string
  /** Figures do not wrap, code is monospaced, a reason may be long. */
  kind?: 'num' | 'mono' | 'why'
}

/**
 * A table that scrolls sideways when it must, and can be scrolled by keyboard. On a phone each row is a block in which the columns
 * stand one below the other with their names; empty cells are left out there.
 */
export function Table({
  label,
  columns,
  rows,
}: {
  label: string
  columns: Column[]
  rows: { key: string; cells: ReactNode[] }[]
}) {
  return (
    <div className="v-scroll" {...REACHABLE}>
      <table className="v-table" aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.label} scope="col">
                {column.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, cells }) => (
            <tr key={key}>
              {columns.map((column, i) => (
                <td key={column.label} data-label={column.label} data-kind={column.kind}>
                  {cells[i]}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** A figure with what it counts. */
export function Figure({ value, label, tone }: { value: ReactNode; label: string; tone?: string }) {
  return (
    <div className="v-figure" data-tone={tone}>
      <span className="v-figure-value">{value}</span>
      <span className="v-figure-label">{label}</span>
    </div>
  )
}
