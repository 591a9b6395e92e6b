import { Button } from 'antd'
import { type CSSProperties, useState } from 'react'
import { Link } from 'react-router'
import { Moment } from '../../components/Moment.tsx'
import { useT } from '../../i18n/index.tsx'
import { Panel, Table } from '../shared/ui.tsx'
import { fillOf } from './colors.ts'
import { LETTERS, type Tile, versionWord } from './map.ts'

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
          t('fleet.host'),
          t('fleet.service'),
          t('fleet.version'),
          t('fleet.state'),
          t('fleet.region'),
          t('fleet.seen'),
          t('fleet.why'),
        ]}
      >
        {tiles.slice(0, rows).map((tile) => {
          const fill = fillOf(mode, tile.version == null ? undefined : colors.get(tile.service)?.get(tile.version))
          return (
            <tr key={`${tile.service} ${tile.host}`}>
              <td>
                <b>{tile.host}</b>
                <br />
                <span className="muted">{tile.ip}</span>
              </td>
              <td>{tile.service}</td>
              <td>
                <span className="fleet-version">
                  <span className="fleet-swatch" style={{ '--fill': fill } as CSSProperties} />
                  {tile.version === null ? t('fleet.none') : versionWord(tile.version)}
                </span>
              </td>
              <td>
                <span className="fleet-state" data-mark={tile.mark}>
                  <span aria-hidden="true">{LETTERS[tile.mark]}</span> {t(`fleet.mark.${tile.mark}`)}
                </span>
                {tile.release === undefined ? null : (
                  <>
                    {' '}
                    <Link className="v-link" to={`/releases/${encodeURIComponent(tile.release)}`}>
                      {tile.release}
                    </Link>
                  </>
                )}
              </td>
              <td>{tile.region}</td>
              <td className="v-num">{tile.seenAt === undefined ? t('fleet.never') : <Moment at={tile.seenAt} />}</td>
              <td className="v-why">{tile.why ?? ''}</td>
            </tr>
          )
        })}
      </Table>
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
