import { App, ConfigProvider } from 'antd'
import enUS from 'antd/locale/en_US'
import zhCN from 'antd/locale/zh_CN'
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useLayoutEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from 'react'
import { useLanguage } from './i18n/index.tsx'
import { antdTheme, type Choice, FONT, MONO, type Mode, PALETTE, storeChoice, storedChoice } from './theme.ts'

interface Appearance {
  choice: Choice
  mode: Mode
  choose: (choice: Choice) => void
}

const Context = createContext<Appearance | undefined>(undefined)

const systemIsDark = window.matchMedia('(prefers-color-scheme: dark)')

function onSystemChange(tell: () => void): () => void {
  systemIsDark.addEventListener('change', tell)
  return () => systemIsDark.removeEventListener('change', tell)
}

/** The nonce under which the content security policy lets styles be inserted; a development server has none. */
function nonce(): string | undefined {
  const value = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content
  return value === undefined || value === '' || value.startsWith('__') ? undefined : value
}

/** Light or dark as chosen or as the system says, for our own styles (custom properties) and for the component library. */
export function ThemeProvider({ children }: { children: ReactNode }) {
  const { language } = useLanguage()
  const [choice, setChoice] = useState(storedChoice)
  const dark = useSyncExternalStore(onSystemChange, () => systemIsDark.matches)
  const mode: Mode = choice === 'system' ? (dark ? 'dark' : 'light') : choice
  const choose = useCallback((next: Choice) => {
    storeChoice(next)
    setChoice(next)
  }, [])
  useLayoutEffect(() => paint(mode), [mode])
  const appearance = useMemo(() => ({ choice, mode, choose }), [choice, mode, choose])
  const theme = useMemo(() => antdTheme(mode), [mode])
  const csp = useMemo(() => ({ nonce: nonce() }), [])
  return (
    <Context.Provider value={appearance}>
      <ConfigProvider theme={theme} locale={language === 'zh' ? zhCN : enUS} csp={csp}>
        <App component={false}>{children}</App>
      </ConfigProvider>
    </Context.Provider>
  )
}

function paint(mode: Mode): void {
  const root = document.documentElement
  root.dataset.theme = mode
  root.style.colorScheme = mode
  for (const [name, value] of Object.entries(PALETTE[mode])) root.style.setProperty(`--${name}`, value)
  root.style.setProperty('--font', FONT)
  root.style.setProperty('--mono', MONO)
}

export function useAppearance(): Appearance {
  const appearance = useContext(Context)
  if (appearance === undefined) throw new Error('useAppearance outside of ThemeProvider')
  return appearance
}
