import { Button } from 'antd'
import { type CSSProperties, useState } from 'react'
import { Link } from 'react-router'
import { Moment } from '../../components/Moment.tsx'
import { useT } from '../../i18n/index.tsx'
import { Panel, Table } from '../shared/ui.tsx'
import { fillOf } from './colors.ts'
import { answered, LETTERS, type Tile, versionWord } from './map.ts'

const PAGE = 100

/** The same hosts as rows: for screen readers, for phones, and for reading reasons one after the other. */
export function HostList({
  tiles,
  colors,
  mode,
}: {
  tiles: Tile[]
  colors: Map<string, Map<string, number>>
  mode: 'light' | 'dark'
}) {
  const t = useT()
  const [rows, setRows] = useState(PAGE)
  return (
    <Panel title={t('fleet.list-title', { count: tiles.length })} flush>
      <Table
        label={t('fleet.list-title', { count: tiles.length })}
        columns={[
          { label: t('fleet.host') },
          { label: t('fleet.service') },
          { label: t('fleet.version') },
          { label: t('fleet.state') },
          { label: t('fleet.region') },
          { label: t('fleet.seen'), kind: 'num' },
          { label: t('fleet.why'), kind: 'why' },
        ]}
        rows={tiles.slice(0, rows).map((tile) => {
          const fill = fillOf(mode, tile.version == null ? undefined : colors.get(tile.service)?.get(tile.version))
          return {
            key: `${tile.service} ${tile.host}`,
            cells: [
              <span key="host">
                <b>{tile.host}</b>
                <br />
                <span className="muted">{tile.ip}</span>
              </span>,
              tile.service,
              <span key="version" className="fleet-version">
                <span className="fleet-swatch" style={{ '--fill': fill } as CSSProperties} />
                {tile.version === null ? t('fleet.none') : versionWord(tile.version)}
              </span>,
              <State key="state" tile={tile} />,
              tile.region,
              <Seen key="seen" tile={tile} />,
              tile.why ?? '',
            ],
          }
        })}
      />
      {tiles.length <= rows ? null : (
        <div className="v-more">
          <Button onClick={() => setRows(rows + PAGE)}>
            {t('fleet.more', { count: Math.min(PAGE, tiles.length - rows) })}
          </Button>
        </div>
      )}
    </Panel>
  )
}

/** When the host answered last; of one that did not, when it was asked. */
function Seen({ tile }: { tile: Tile }) {
  const t = useT()
  if (tile.seenAt === undefined) return t('fleet.never')
  if (answered(tile)) return <Moment at={tile.seenAt} />
  return (
    <>
      <span className="muted">{t('fleet.last-asked')}</span> <Moment at={tile.seenAt} />
    </>
  )
}

function State({ tile }: { tile: Tile }) {
  const t = useT()
  return (
    <span>
      <span className="fleet-state" data-mark={tile.mark}>
        <span aria-hidden="true">{LETTERS[tile.mark]}</span> {t(`fleet.mark.${tile.mark}`)}
      </span>{' '}
      {tile.release === undefined ? null : (
        <Link className="v-link" to={`/releases/${encodeURIComponent(tile.release)}`}>
          {tile.release}
        </Link>
      )}
    </span>
  )
}
