import { type CSSProperties, type KeyboardEvent, memo, useRef, useState } from 'react'
import { useT } from '../../i18n/index.tsx'
import { fillOf } from './colors.ts'
import { LETTERS, step, type Tile, versionWord } from './map.ts'

export interface Pointed {
  tile: Tile
  element: HTMLElement
}

/** The hosts of one service in one region as tiles: one tab stop, arrow keys move within. */
export const Tiles = memo(function Tiles({
  tiles,
  colors,
  mode,
  label,
  onPoint,
  onOpen,
}: {
  tiles: Tile[]
  colors: Map<string, number>
  mode: 'light' | 'dark'
  label: string
  onPoint: (pointed: Pointed | undefined) => void
  /** A host that a release is changing was pressed. */
  onOpen: (tile: Tile) => void
}) {
  const t = useT()
  const grid = useRef<HTMLUListElement>(null)
  const [active, setActive] = useState(0)
  const reachable = Math.min(active, tiles.length - 1)

  const move = (event: KeyboardEvent<HTMLButtonElement>) => {
    if (event.key === 'Escape') return onPoint(undefined)
    const buttons = [...(grid.current?.querySelectorAll('button') ?? [])]
    const at = buttons.indexOf(event.currentTarget)
    if (at < 0) return
    const row = buttons.filter((button) => button.offsetTop === buttons[0]?.offsetTop).length
    const next = step(event.key, at, buttons.length, Math.max(1, row))
    if (next === at) return
    event.preventDefault()
    setActive(next)
    buttons[next]?.focus()
  }

  return (
    <ul ref={grid} className="v-tiles" aria-label={label}>
      {tiles.map((tile, i) => {
        const version = versionWord(tile.version)
        const fill = fillOf(mode, tile.version == null ? undefined : colors.get(tile.version))
        return (
          <li key={tile.host}>
            <button
              type="button"
              className="v-tile fleet-tile"
              data-mark={tile.mark}
              tabIndex={i === reachable ? 0 : -1}
              style={{ '--fill': fill } as CSSProperties}
              aria-label={t('fleet.tile', { host: tile.host, version, state: t(`fleet.mark.${tile.mark}`) })}
              onKeyDown={move}
              onMouseEnter={(event) => onPoint({ tile, element: event.currentTarget })}
              onMouseLeave={() => onPoint(undefined)}
              onFocus={(event) => {
                setActive(i)
                onPoint({ tile, element: event.currentTarget })
              }}
              onBlur={() => onPoint(undefined)}
              onClick={(event) =>
                tile.release === undefined ? onPoint({ tile, element: event.currentTarget }) : onOpen(tile)
              }
            >
              {LETTERS[tile.mark]}
            </button>
          </li>
        )
      })}
    </ul>
  )
})
