import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Resvg } from '@resvg/resvg-js'
import { LineChart } from 'echarts/charts'
import { GraphicComponent, GridComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import type { ChartSpec, Picture } from '../../ports/pictures.ts'
import { SCALE, WIDTH } from './layout.ts'
import { chartOption, WORDS } from './option.ts'
import { hasCjk } from './text.ts'

use([LineChart, GraphicComponent, GridComponent, SVGRenderer])

const FAMILY = 'DejaVu Sans'
const DEJAVU = join(dirname(fileURLToPath(import.meta.resolve('dejavu-fonts-ttf/package.json'))), 'ttf')
const FONTS = [join(DEJAVU, 'DejaVuSans.ttf'), join(DEJAVU, 'DejaVuSans-Bold.ttf')]

/** Where systems keep a font with Chinese, Japanese and Korean characters; the first that is there is used. */
const CJK_FONTS = [
  '/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc',
  '/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc',
  '/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc',
  '/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc',
  '/usr/share/fonts/truetype/wqy/wqy-microhei.ttc',
  '/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf',
  '/System/Library/Fonts/PingFang.ttc',
  '/System/Library/Fonts/STHeiti Light.ttc',
  'C:\\Windows\\Fonts\\msyh.ttc',
]
let cjk: string | null | undefined

/** The system's font for Chinese, Japanese and Korean; undefined where there is none. */
export function cjkFont(): string | undefined {
  cjk ??= CJK_FONTS.find((file) => existsSync(file)) ?? null
  return cjk ?? undefined
}

/** The chart as SVG, and how high it is in logical pixels. Texts are escaped by the renderer. */
export function toSvg(chart: ChartSpec, language: 'en' | 'zh'): { svg: string; height: number } {
  // Without a font for them, Chinese words would be boxes.
  const words = WORDS[cjkFont() === undefined ? 'en' : language]
  const { option, height } = chartOption(chart, FAMILY, words)
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  try {
    drawing.setOption(option)
    return { svg: drawing.renderToSVGString(), height }
  } finally {
    drawing.dispose()
  }
}

/** A bounded, cleaned chart as a PNG. Synchronous work of some tens of milliseconds. */
export function paint(chart: ChartSpec, language: 'en' | 'zh'): Picture {
  const { svg, height } = toSvg(chart, language)
  const system = hasCjk(svg) ? cjkFont() : undefined
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: SCALE },
    font: {
      loadSystemFonts: false,
      fontFiles: system === undefined ? FONTS : [...FONTS, system],
      defaultFontFamily: FAMILY,
    },
    logLevel: 'off',
  }).render()
  return { png: image.asPng(), width: WIDTH * SCALE, height: Math.round(height * SCALE) }
}
