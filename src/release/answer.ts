import { localTime, sentence } from './issue.ts'
import type { Release } from './release.ts'

/** What the person who pressed or typed reads back; only they see it. */
export interface Answer {
  ok: boolean
  text: string
}

export function yes(text: string): Answer {
  return { ok: true, text }
}

export function no(why: string, next = ''): Answer {
  const said = sentence(why)
  return { ok: false, text: next === '' ? said : `${said} Next: ${next}.` }
}

/** Why an action on this release comes too late or too early: who did what. */
export function stale(release: Release): string {
  const { id, state } = release
  switch (state.at) {
    case 'preparing':
      return `${id} is still being prepared.`
    case 'refused':
      return `${id} was not prepared: ${sentence(state.why)}`
    case 'awaiting approval':
      return `${id} waits for approval.`
    case 'approved':
      return `${id} was approved already by ${release.approvals.map((each) => each.by).join(', ')}.`
    case 'rejected':
      return `${id} was rejected already by ${state.by}.`
    case 'expired':
      return `${id} expired at ${localTime(new Date(state.when))} without a decision.`
    case 'superseded':
      return `${id} was superseded by ${state.by}.`
    case 'rolling out':
      return `${id} is rolling out: batch ${state.batch}, ${state.doing} (approved by ${release.approvals.map((each) => each.by).join(', ')}).`
    case 'held':
      return `${id} is held: ${sentence(state.why)}`
    case 'done':
      return `${id} is done since ${localTime(new Date(state.when))}.`
    case 'rolling back':
      return `${id} is being rolled back already, by ${state.by}.`
    case 'rolled back':
      return `${id} was rolled back already, by ${state.by}.`
    case 'aborted':
      return `${id} was aborted already by ${state.by}.`
  }
}
