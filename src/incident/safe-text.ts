import { clean } from '../agent/fence.ts'
import { withoutBareAddresses } from './bare-addresses.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'

const GONE = '[link-removed]'
/** No text holds it: it is invisible, and taken out before. */
const ASIDE = '\u200b'

/**
 * Text of a model as it may be shown: nothing invisible, no secret, no markup that loads or leads anywhere. An address stays only
 * if it begins like one that the configuration or the alert's source gave: anything behind an address that a model wrote could
 * carry what it has read to wherever a surface resolves it.
 */
export function safeText(text: string, known: string[], redact: (text: string) => string, most: number): string {
  // Known addresses step aside, so that nothing within them is taken for another.
  const aside: string[] = []
  const keep = (address: string) => {
    if (!known.some((start) => start.includes('://') && address.startsWith(start))) return GONE
    return `${ASIDE}${aside.push(address) - 1}${ASIDE}`
  }
  const hosts = new Set(known.map((each) => (URL.canParse(each) ? new URL(each).hostname : each).toLowerCase()))
  const bare = redact(clean(text, most))
    .replace(/!?\[([^\]\n]{0,300})\]\s?\(([^)\n]{0,2000})\)?/g, (_, words: string, to: string) => `${words} (${to})`)
    .replace(/<[!@#][^>\n]{0,200}>/g, '')
    .replace(/<\/?[a-z][^>\n]{0,2000}>?/gi, '')
    .replace(/\b[a-z][a-z0-9+.-]{1,30}:\/\/[^\s"'`<>)\]】」]*/gi, keep)
    .replace(/\b(?:data|javascript|vbscript|mailto|tel|file):[^\s"'`<>)\]】」]+/gi, GONE)
    .replace(/\bwww\.[^\s"'`<>)\]】」]+/gi, GONE)
    .replace(/@(channel|here|everyone|all)\b/gi, '$1')
  return withoutBareAddresses(bare, (host) => hosts.has(host), GONE).replace(
    new RegExp(`${ASIDE}(\\d+)${ASIDE}`, 'g'),
    (_, index: string) => aside[Number(index)] ?? '',
  )
}

/**
 * Addresses that a report may repeat: as beginnings the repository, the source's own pages and the graph behind the alert; as names
 * the hosts of the configuration.
 */
export function knownAddresses(
  desk: Pick<IncidentDesk, 'services' | 'hosts'>,
  incident: Incident,
  more: string[],
): string[] {
  const repo = desk.services.find(({ name }) => name === incident.service)?.repo
  const addresses = [repo, incident.group.externalUrl, ...more].flatMap((url) => {
    if (url === undefined || !URL.canParse(url)) return []
    const { origin, pathname } = new URL(url)
    // Of a place that many share, only what is below the path is ours.
    return url === repo ? [`${origin}${pathname.replace(/\/$/, '')}/`] : [`${origin}/`]
  })
  return [...addresses, ...desk.hosts.flatMap(({ id, ip }) => [id, ip])]
}
