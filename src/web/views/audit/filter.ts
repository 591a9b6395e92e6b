import type { AuditFilter } from '../../api.ts'

export const RESULTS = ['done', 'refused', 'failed'] as const

/** What the address asks for; the server answers with exactly these entries, however old they are. */
export function readFilter(params: URLSearchParams): AuditFilter {
  const value = (name: string) => params.get(name)?.trim() || undefined
  const filter = {
    person: value('person'),
    action: value('action'),
    result: RESULTS.find((each) => each === params.get('result')),
  }
  return Object.fromEntries(Object.entries(filter).filter(([, chosen]) => chosen !== undefined))
}

/** The filter as address parameters; what is not chosen is left out. */
export function writeFilter(filter: AuditFilter): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  )
}
