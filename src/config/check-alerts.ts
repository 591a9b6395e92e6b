import { suggestion } from '../lib/did-you-mean.ts'
import type { Parts } from './parts.ts'
import type { Problem } from './problems.ts'

const SEVERITIES = ['critical', 'warning', 'info'] as const

/** People who are to be told but are nobody, and levels that would be told in another order than they are written. */
export function checkAlerts({ alerts, names }: Parts): Problem[] {
  if (alerts === undefined) return []
  const people = names.people.map(({ value }) => value)
  return SEVERITIES.flatMap((severity) =>
    alerts[severity].levels.flatMap((level, i) => {
      const at = `alerts.${severity}.levels[${i}]`
      const unknown = level.people.flatMap((id, j) =>
        people.includes(id)
          ? []
          : [
              {
                path: `${at}.people[${j}]`,
                say: `there is no person ${JSON.stringify(id)}.${suggestion(id, people)}`,
                remedy: 'use an id that stands under people',
              },
            ],
      )
      const before = alerts[severity].levels[i - 1]
      const disordered =
        before !== undefined && level.after <= before.after
          ? [{ path: `${at}.after`, say: 'is not later than the level before', remedy: 'give a longer time' }]
          : []
      return [...unknown, ...disordered]
    }),
  )
}
