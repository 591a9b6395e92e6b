import type { Rate } from '../../ports/surface.ts'
import type { WecomConfig } from './config.ts'

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000
/** Of the rates in which answers count as well, so much is left to them. */
const KEPT_FOR_ANSWERS = 0.2

/**
 * How many messages one conversation takes. By profile, as the two editions of WeCom's documentation have it: 30 a minute and 1,000
 * an hour, replies included; or 10 pushes a day. What `limits` names replaces that of the profile.
 */
export function ratesOf({ profile, limits }: Pick<WecomConfig, 'profile' | 'limits'>): Rate[] {
  const given = [
    { count: limits?.perMinute, ms: MINUTE },
    { count: limits?.perHour, ms: HOUR },
  ].flatMap(({ count, ms }) => (count === undefined ? [] : [{ count, ms }]))
  if (profile === 'legacy') return given.length > 0 ? given : [{ count: 10, ms: DAY }]
  const standard = [
    { count: 30, ms: MINUTE },
    { count: 1000, ms: HOUR },
  ]
  return standard.map((rate) => given.find(({ ms }) => ms === rate.ms) ?? rate)
}

/**
 * What pushes may use of it: a message may take several, and answers count as well where WeCom counts them together, so a fifth is
 * left to those. In the older edition replies have a limit of their own.
 */
export function ratesOfPushes(config: Pick<WecomConfig, 'profile' | 'limits'>): Rate[] {
  if (config.profile === 'legacy') return ratesOf(config)
  return ratesOf(config).map(({ count, ms }) => ({
    count: Math.max(1, Math.floor(count * (1 - KEPT_FOR_ANSWERS))),
    ms,
  }))
}
