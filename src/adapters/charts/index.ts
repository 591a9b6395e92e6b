import type { Pictures } from '../../ports/pictures.ts'
import { bound } from './bound.ts'
import { createPainter, type Painter } from './painter.ts'

/**
 * Draws charts as PNG on white, 1080 pixels wide, some 30 to 150 kB: ECharts lays the chart out as SVG, resvg rasterises it with
 * DejaVu Sans (and the system's CJK font where a text needs one, which costs some 300 ms). All of it happens in a thread of its
 * own; the same chart gives the same bytes. At most 60 lines of 500 points, thinned so that peaks stay. Fault `picture.not-drawn`.
 */
export function createCharts(options: { language?: 'en' | 'zh'; painter?: Painter } = {}): Pictures {
  const { language = 'en', painter = createPainter() } = options
  return { draw: async (chart) => painter.paint(bound(chart), language) }
}
