/** The colours of a chart. ECharts draws on a canvas, which knows no CSS variables. */
export interface Look {
  dark: boolean
  font: string
  text: string
  muted: string
  grid: string
  surface: string
  border: string
  upgraded: string
  waiting: string
  warn: string
  fail: string
  deploy: string
  before: string
  after: string
}

/** Blue is what was changed, sand what it is compared with; the median of the second is dashed too, for those who see no hue. */
export function lookOf(dark: boolean, font = 'sans-serif'): Look {
  return dark
    ? {
        dark,
        font,
        text: '#e5e7eb',
        muted: '#9ca3af',
        grid: '#2b3038',
        surface: '#1b1f26',
        border: '#3a414c',
        upgraded: '#60a5fa',
        waiting: '#c4a484',
        warn: '#fbbf24',
        fail: '#f87171',
        deploy: '#a78bfa',
        before: 'rgba(148,163,184,0.07)',
        after: 'rgba(96,165,250,0.09)',
      }
    : {
        dark,
        font,
        text: '#1f2937',
        muted: '#5b6472',
        grid: '#e8ebf0',
        surface: '#ffffff',
        border: '#d5dae1',
        upgraded: '#1d4ed8',
        waiting: '#a1743f',
        warn: '#b45309',
        fail: '#dc2626',
        deploy: '#7c3aed',
        before: 'rgba(100,116,139,0.06)',
        after: 'rgba(29,78,216,0.06)',
      }
}
