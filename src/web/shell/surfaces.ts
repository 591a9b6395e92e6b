import type { SurfacesView } from '../../ports/console.ts'

export type SurfaceView = SurfacesView['surfaces'][number]

/** Between two questions how the chat services are; with the patience below, an outage shows well within a minute. */
export const ASK_EVERY_MS = 15_000
/** One that is only connecting is no trouble until it has been for so long. */
const PATIENCE_MS = 20_000

export const SURFACE_NAMES: Record<SurfaceView['surface'], string> = { slack: 'Slack', wecom: 'WeCom' }

/** The chat services that do not work. One that another process holds is none of them. */
export function troubled(view: SurfacesView | undefined, now: number): SurfaceView[] {
  return (view?.surfaces ?? []).filter(({ at, since }) => {
    return at === 'down' || (at === 'connecting' && now - Date.parse(since) > PATIENCE_MS)
  })
}
