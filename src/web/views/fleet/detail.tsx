import { type RefObject, useLayoutEffect, useState } from 'react'
import { Moment } from '../../components/Moment.tsx'
import { useT } from '../../i18n/index.tsx'
import { answered, versionWord } from './map.ts'
import type { Pointed } from './tiles.tsx'

const WIDTH = 288

/** What is known of the host under the pointer or the focus. One for all tiles: hundreds of tooltips would be slow. */
export function Detail({ pointed, place }: { pointed: Pointed | undefined; place: RefObject<HTMLDivElement | null> }) {
  const t = useT()
  const [at, setAt] = useState<{ left: number; top: number }>()
  useLayoutEffect(() => {
    if (pointed === undefined || place.current === null) return
    const tile = pointed.element.getBoundingClientRect()
    const frame = place.current.getBoundingClientRect()
    const left = Math.max(0, Math.min(tile.left - frame.left - 12, frame.width - WIDTH))
    setAt({ left, top: tile.bottom - frame.top + 8 })
  }, [pointed, place])
  if (pointed === undefined || at === undefined) return null
  const { tile } = pointed
  const labels = Object.entries(tile.labels).map(([name, value]) => `${name}=${value}`)
  return (
    <div className="fleet-detail" style={{ ...at, width: WIDTH }} role="status">
      <p className="fleet-detail-host">{tile.host}</p>
      <p className="muted">
        {tile.ip} · {tile.region}
      </p>
      <dl>
        <dt>{tile.service}</dt>
        <dd>
          <b>{tile.version === null ? t('fleet.none') : versionWord(tile.version)}</b>, {t(`fleet.mark.${tile.mark}`)}
        </dd>
        {tile.why === undefined ? null : (
          <>
            <dt>{t('fleet.why')}</dt>
            <dd>{tile.why}</dd>
          </>
        )}
        {tile.release === undefined ? null : (
          <>
            <dt>{t('fleet.release')}</dt>
            <dd>{tile.release}</dd>
          </>
        )}
        <dt>{t(tile.seenAt === undefined || answered(tile) ? 'fleet.seen' : 'fleet.last-asked')}</dt>
        <dd>{tile.seenAt === undefined ? t('fleet.never') : <Moment at={tile.seenAt} />}</dd>
        {labels.length === 0 ? null : (
          <>
            <dt>{t('fleet.labels')}</dt>
            <dd>{labels.join(', ')}</dd>
          </>
        )}
      </dl>
    </div>
  )
}
