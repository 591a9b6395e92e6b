/** Fills of tiles by version, neighbours far apart; the letter on them is white in light, near black in dark, with a contrast of at least 4.5 : 1. */
export const VERSION_COLORS = {
  light: ['#1d4ed8', '#b45309', '#0f766e', '#7e22ce', '#4d7c0f', '#be185d', '#78350f'],
  dark: ['#7aa2f7', '#f0b35a', '#4fd1c5', '#c4a1ff', '#a9d35c', '#f78fb3', '#d2a679'],
} as const

/** The fill of a version by its place in the palette; a quiet grey for none. */
export function fillOf(mode: 'light' | 'dark', color: number | undefined): string {
  const grey = mode === 'dark' ? '#4a5568' : '#8a94a6'
  return color === undefined ? grey : (VERSION_COLORS[mode][color] ?? grey)
}
