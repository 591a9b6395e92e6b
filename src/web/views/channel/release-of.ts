import type { MessageView } from '../../../ports/console.ts'

/** The release that a post is about, known by its key (`R-12/card`); undefined for any other. */
export function releaseOf(view: Pick<MessageView, 'key' | 'thread'>): string | undefined {
  return /^(R-\d+)\//.exec(view.thread ?? view.key)?.[1]
}

/** The incident that a post is about, known by its key (`A-17/card`); undefined for any other. */
export function incidentOf(view: Pick<MessageView, 'key' | 'thread'>): string | undefined {
  return /^(A-\d+)\//.exec(view.thread ?? view.key)?.[1]
}
