import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react'
import { en, type Key } from './en.ts'
import { type Language, pickLanguage, type Values, write } from './write.ts'
import { zh } from './zh.ts'

const CATALOGUES = { en, zh }
const STORED = 'rollcall.language'

export type { Key } from './en.ts'
export type { Language } from './write.ts'
export type Translate = (key: Key, values?: Values) => string

interface Spoken {
  language: Language
  setLanguage: (language: Language) => void
  /** What the server proposes; a choice of the person goes before it. */
  propose: (language: Language) => void
  t: Translate
}

const Context = createContext<Spoken | undefined>(undefined)

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [chosen, setChosen] = useState(() => localStorage.getItem(STORED))
  const [proposed, propose] = useState<Language>()
  const language = pickLanguage(chosen, proposed, navigator.languages)
  const setLanguage = useCallback((next: Language) => {
    localStorage.setItem(STORED, next)
    setChosen(next)
  }, [])
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  }, [language])
  const spoken = useMemo<Spoken>(
    () => ({ language, setLanguage, propose, t: (key, values) => write(CATALOGUES[language], language, key, values) }),
    [language, setLanguage],
  )
  return <Context.Provider value={spoken}>{children}</Context.Provider>
}

export function useLanguage(): Spoken {
  const spoken = useContext(Context)
  if (spoken === undefined) throw new Error('useLanguage outside of LanguageProvider')
  return spoken
}

/** `t('hosts.count', { count: 3 })`: the sentence in the person's language. */
export function useT(): Translate {
  return useLanguage().t
}
