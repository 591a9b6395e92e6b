import type { ThemeConfig } from 'antd'
import { theme } from 'antd'

export type Choice = 'system' | 'light' | 'dark'
export type Mode = 'light' | 'dark'

const STORED = 'rollcall.theme'

export function storedChoice(): Choice {
  const value = localStorage.getItem(STORED)
  return value === 'light' || value === 'dark' ? value : 'system'
}

export function storeChoice(choice: Choice): void {
  localStorage.setItem(STORED, choice)
}

/**
 * Text on its ground has a contrast of at least 4.5 : 1 (WCAG 2.2, 1.4.3). Good is a blue-green and bad an orange-red, which
 * people with red-green blindness tell apart; every state also has a shape and a word.
 */
export const PALETTE = {
  light: {
    ground: '#f5f6f8',
    panel: '#ffffff',
    text: '#1a1f2b',
    muted: '#566072',
    line: '#dfe3ea',
    accent: '#2352c4',
    good: '#06735a',
    warn: '#8a5300',
    bad: '#b42318',
    info: '#2352c4',
  },
  dark: {
    ground: '#0e1117',
    panel: '#161b24',
    text: '#e5e9f0',
    muted: '#9aa5b6',
    line: '#2a3240',
    accent: '#8fb0ff',
    good: '#4fd1ae',
    warn: '#f2b84b',
    bad: '#ff9384',
    info: '#8fb0ff',
  },
} as const

export const FONT =
  "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', sans-serif"
export const MONO = "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"

/** The component library in our colours. */
export function antdTheme(mode: Mode): ThemeConfig {
  const color = PALETTE[mode]
  return {
    algorithm: mode === 'dark' ? theme.darkAlgorithm : theme.defaultAlgorithm,
    token: {
      fontFamily: FONT,
      fontFamilyCode: MONO,
      fontSize: 14,
      borderRadius: 8,
      colorPrimary: mode === 'dark' ? '#4b78e6' : color.accent,
      colorLink: color.accent,
      colorSuccess: color.good,
      colorWarning: color.warn,
      colorError: color.bad,
      colorInfo: color.info,
      colorBgLayout: color.ground,
      colorBgContainer: color.panel,
      colorBgElevated: mode === 'dark' ? '#1d2430' : color.panel,
      colorText: color.text,
      colorTextSecondary: color.muted,
      colorTextTertiary: color.muted,
      colorTextDescription: color.muted,
      colorTextPlaceholder: mode === 'dark' ? '#8b96a8' : '#667085',
      colorBorder: mode === 'dark' ? '#3a4456' : '#c9d0db',
      colorBorderSecondary: color.line,
      controlHeight: 34,
      motionDurationMid: '0.15s',
    },
    components: {
      Dropdown: { colorPrimary: color.accent },
      Menu: { colorPrimary: color.accent },
      Button: { primaryShadow: 'none', defaultShadow: 'none', dangerShadow: 'none', fontWeight: 500 },
    },
  }
}
