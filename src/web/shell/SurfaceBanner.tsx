import { Moment } from '../components/Moment.tsx'
import { ToneIcon } from '../components/State.tsx'
import { useT } from '../i18n/index.tsx'
import { useLine } from '../live/provider.tsx'
import { useSurfaces } from '../queries.ts'
import { SURFACE_NAMES, type SurfaceView, troubled } from './surfaces.ts'

/** Tells that a chat service does not work, as long as it does not. Without a line to the server nobody knows. */
export function SurfaceBanner() {
  const line = useLine()
  const { data } = useSurfaces()
  const down = line === 'lost' ? [] : troubled(data, Date.now())
  return (
    <div role="status" className="banner-place">
      {down.map((surface) => (
        <Down key={surface.surface} {...surface} />
      ))}
    </div>
  )
}

function Down({ surface, at, since, why, waiting }: SurfaceView) {
  const t = useT()
  const name = SURFACE_NAMES[surface]
  return (
    <div className="banner" data-tone="warn" data-surface={surface}>
      <ToneIcon tone="warn" />
      <span>
        {at === 'down' ? t('surfaces.down', { name }) : t('surfaces.connecting', { name })} <Moment at={since} />
        {why === undefined ? null : ` · ${why}`}
        {waiting === 0 ? null : ` · ${t('surfaces.waiting', { count: waiting })}`}
      </span>
    </div>
  )
}
