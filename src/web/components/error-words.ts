import { ApiError } from '../api.ts'
import type { Translate } from '../i18n/index.tsx'

/** What went wrong and what to do next: in the server's words, or in ours when it did not answer. */
export function errorWords(error: unknown, t: Translate): { say: string; next?: string } {
  if (!(error instanceof ApiError)) return { say: t('common.error') }
  if (error.code === 'console.offline') return { say: t('error.offline'), next: t('error.offline-next') }
  if (error.code === 'console.unreadable') {
    return { say: t('error.unreadable', { status: error.status }), next: t('error.unreadable-next') }
  }
  return { say: error.say, next: error.next === '' ? undefined : error.next }
}

/** Both in one line. */
export function errorLine(error: unknown, t: Translate): string {
  const { say, next } = errorWords(error, t)
  return next === undefined ? say : `${say} ${t('common.next', { next })}`
}
