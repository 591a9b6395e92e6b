import { clean } from '../agent/fence.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'

const GONE = '[link-removed]'

/**
 * Text of a model as it may be shown: nothing invisible, no secret, no markup that loads or leads anywhere. An address stays only
 * if it begins like one that the configuration or the alert's source gave: anything behind an address that a model wrote could
 * carry what it has read to wherever a surface resolves it.
 */
export function safeText(text: string, known: string[], redact: (text: string) => string, most: number): string {
  const keep = (address: string) => (known.some((start) => address.startsWith(start)) ? address : GONE)
  return redact(clean(text, most))
    .replace(/!?\[([^\]\n]{0,300})\]\s?\(([^)\n]{0,2000})\)?/g, (_, words: string, to: string) => `${words} (${to})`)
    .replace(/<[!@#][^>\n]{0,200}>/g, '')
    .replace(/<\/?[a-z][^>\n]{0,2000}>?/gi, '')
    .replace(/\b[a-z][a-z0-9+.-]{1,30}:\/\/[^\s"'`<>)\]】」]*/gi, keep)
    .replace(/\b(?:data|javascript|vbscript|mailto|tel|file):[^\s"'`<>)\]】」]+/gi, GONE)
    .replace(
      /\b(?:www\.|(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?::\d{1,5})?\/[^\s"'`<>)\]】」]*\?)[^\s"'`<>)\]】」]*/gi,
      GONE,
    )
    .replace(/@(channel|here|everyone|all)\b/gi, '$1')
}

/** Addresses that a report may repeat, as beginnings: the repository, the source's own pages, the graph behind the alert. */
export function knownAddresses(desk: Pick<IncidentDesk, 'services'>, incident: Incident, more: string[]): string[] {
  const repo = desk.services.find(({ name }) => name === incident.service)?.repo
  return [repo, incident.group.externalUrl, ...more].flatMap((url) => {
    if (url === undefined || !URL.canParse(url)) return []
    const { origin, pathname } = new URL(url)
    // Of a place that many share, only what is below the path is ours.
    return url === repo ? [`${origin}${pathname.replace(/\/$/, '')}/`] : [`${origin}/`]
  })
}
