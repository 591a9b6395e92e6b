import { isDeepStrictEqual } from 'node:util'
import type { Alert, Episode } from './alert.ts'

/**
 * What is known of an episode: nothing; that it ended before it was ever heard to fire; or the episode itself, whose incident is
 * an empty text as long as it stands in none.
 */
export type Known = { at: 'unknown' } | { at: 'over' } | { at: 'heard'; episode: Episode }

/**
 * What is known after an alert of delivery number `seq` was heard; the very same value when it says nothing new. An episode that
 * was resolved stays resolved, whatever comes late; a resolve opens nothing, but it is remembered, as the firing that it ended
 * may still be under way. An episode that is first heard of after one of the same alert that began later is over as well.
 * Hearing a delivery again changes nothing.
 */
export function hear(known: Known, alert: Alert, seq: number, siblings: readonly Episode[] = []): Known {
  switch (known.at) {
    case 'over':
      return known
    case 'unknown':
      if (
        alert.status === 'resolved' ||
        siblings.some((each) => each.alert.startsAt > alert.startsAt && before(each, seq))
      )
        return { at: 'over' }
      return {
        at: 'heard',
        episode: {
          alert,
          incident: '',
          firstHeardAt: alert.receivedAt,
          heard: 1,
          firstDelivery: seq,
          delivery: seq,
        },
      }
    case 'heard': {
      const { episode } = known
      if (seq <= (episode.delivery ?? -1) || episode.alert.status === 'resolved') return known
      if (sameWords(episode.alert, alert)) return known
      return { at: 'heard', episode: { ...episode, alert, heard: episode.heard + 1, delivery: seq } }
    }
  }
}

/**
 * What an alert says about another episode of itself, whose own resolve may never come: a source that could not be reached for a
 * while tells only what it sees now. One that began before this one is over since this one began; one that had begun when this
 * one was resolved is over as well.
 */
export function hearOfSibling(known: Known, alert: Alert, seq: number): Known {
  if (known.at !== 'heard') return known
  const { episode } = known
  const { startsAt, status } = episode.alert
  if (status === 'resolved' || seq <= (episode.delivery ?? -1)) return known
  const endsAt =
    startsAt < alert.startsAt
      ? alert.startsAt
      : alert.status === 'resolved' && alert.endsAt !== undefined && startsAt <= alert.endsAt
        ? alert.endsAt
        : undefined
  if (endsAt === undefined) return known
  const ended: Alert = { ...episode.alert, status: 'resolved', endsAt, receivedAt: alert.receivedAt }
  return { at: 'heard', episode: { ...episode, alert: ended, heard: episode.heard + 1, delivery: seq } }
}

function before(episode: Episode, seq: number): boolean {
  return (episode.firstDelivery ?? -1) < seq
}

function sameWords(one: Alert, other: Alert): boolean {
  const { receivedAt: _, ...words } = one
  const { receivedAt: __, ...others } = other
  return isDeepStrictEqual(words, others)
}
