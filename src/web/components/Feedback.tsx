import { Button } from 'antd'
import type { ReactNode } from 'react'
import { useT } from '../i18n/index.tsx'
import { errorWords } from './error-words.ts'
import { ToneIcon } from './State.tsx'

/** Shown after a short moment only, so that fast answers do not flicker. */
export function Loading({ whole = false }: { whole?: boolean }) {
  const t = useT()
  return (
    <div className={whole ? 'feedback whole' : 'feedback'} role="status">
      <div className="loading" aria-hidden="true">
        <span />
        <span />
        <span />
      </div>
      <span className="sr-only">{t('common.loading')}</span>
    </div>
  )
}

/** What went wrong, and what to do next. */
export function ErrorState({ error, retry, whole = false }: { error: unknown; retry?: () => void; whole?: boolean }) {
  const t = useT()
  const { say, next } = errorWords(error, t)
  return (
    <div className={whole ? 'feedback whole' : 'feedback'} role="alert">
      <span className="feedback-icon" data-tone="bad">
        <ToneIcon tone="bad" />
      </span>
      <p className="feedback-title">{say}</p>
      {next === undefined ? null : <p className="muted">{t('common.next', { next })}</p>}
      {retry === undefined ? null : <Button onClick={retry}>{t('common.retry')}</Button>}
    </div>
  )
}

export function Empty({ title, hint, children }: { title: string; hint?: string; children?: ReactNode }) {
  return (
    <div className="feedback">
      <span className="feedback-icon" data-tone="plain">
        <ToneIcon tone="plain" />
      </span>
      <p className="feedback-title">{title}</p>
      {hint === undefined ? null : <p className="muted">{hint}</p>}
      {children}
    </div>
  )
}
