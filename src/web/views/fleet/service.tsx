import type { CSSProperties } from 'react'
import { useT } from '../../i18n/index.tsx'
import { Panel } from '../shared/ui.tsx'
import { fillOf } from './colors.ts'
import { LETTERS, type Mark, type ServiceGroup, type Tile, versionWord } from './map.ts'
import { type Pointed, Tiles } from './tiles.tsx'

/** One service: how its versions share the hosts, what is wrong, and its hosts by region. */
export function ServiceMap({
  group,
  colors,
  mode,
  chosen,
  onVersion,
  onMark,
  onPoint,
  onOpen,
}: {
  group: ServiceGroup
  colors: Map<string, number>
  mode: 'light' | 'dark'
  chosen: string | undefined
  onVersion: (version: string | undefined) => void
  onMark: (mark: Mark) => void
  onPoint: (pointed: Pointed | undefined) => void
  onOpen: (tile: Tile) => void
}) {
  const t = useT()
  return (
    <Panel title={group.service} extra={<span className="muted">{t('hosts.count', { count: group.count })}</span>}>
      <div className="fleet-share" aria-hidden="true">
        {group.versions.map(({ version, count, color }) => (
          <span
            key={versionWord(version)}
            style={{ flexGrow: count, '--fill': fillOf(mode, color) } as CSSProperties}
          />
        ))}
      </div>
      <ul className="fleet-legend" aria-label={t('fleet.versions-of', { service: group.service })}>
        {group.versions.map(({ version, count, color }) => {
          // Hosts without a version are told with what is unusual.
          if (typeof version !== 'string') return null
          const word = versionWord(version)
          return (
            <li key={word}>
              <button
                type="button"
                className="fleet-chip"
                aria-pressed={chosen === word}
                onClick={() => onVersion(chosen === word ? undefined : word)}
              >
                <span className="fleet-swatch" style={{ '--fill': fillOf(mode, color) } as CSSProperties} />
                <span>{version}</span>
                <b>{count}</b>
              </button>
            </li>
          )
        })}
        {group.trouble.map(({ mark, count }) => (
          <li key={mark}>
            <button type="button" className="fleet-chip" data-trouble={mark} onClick={() => onMark(mark)}>
              <span aria-hidden="true">{LETTERS[mark]}</span>
              <span>{t(`fleet.mark.${mark}`)}</span>
              <b>{count}</b>
            </button>
          </li>
        ))}
      </ul>
      <div className="fleet-regions">
        {group.regions.map(({ region, tiles }) => (
          <div key={region} className="fleet-region">
            <h3>
              {region} <span className="muted">{tiles.length}</span>
            </h3>
            <Tiles
              tiles={tiles}
              colors={colors}
              mode={mode}
              label={t('fleet.hosts-in', { service: group.service, region })}
              onPoint={onPoint}
              onOpen={onOpen}
            />
          </div>
        ))}
      </div>
    </Panel>
  )
}
