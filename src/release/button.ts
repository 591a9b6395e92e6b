import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Button } from '../ports/chat.ts'
import type { Json, Store } from '../ports/store.ts'
import { onHosts, type Release } from './release.ts'

/** What a button is bound to. A press counts only while all of it still holds. */
export const boundSchema = z.object({
  action: z.string(),
  release: z.string(),
  planHash: z.string(),
  turn: z.number(),
  /** For actions on one batch's window. */
  batch: z.number().optional(),
  expires: z.string().optional(),
  /** Retry and Skip: only these of the hosts that failed. */
  hosts: z.array(z.string()).optional(),
  /** The report whose evidence it is offered on; it is then bound to where the release stood as well, not only to the release. */
  offeredBy: z.string().optional(),
  state: z.string().optional(),
})
export type Bound = z.infer<typeof boundSchema>

const LOOK: Record<string, { label: string; style: Button['style']; confirm?: (release: Release) => string }> = {
  'release.approve': {
    label: 'Approve',
    style: 'primary',
    confirm: (release) => {
      const count = Object.keys(release.hosts).length
      return `Release ${release.service} ${release.candidate} to ${count} host${count === 1 ? '' : 's'}?`
    },
  },
  'release.reject': { label: 'Reject', style: 'danger', confirm: (release) => `Reject ${release.id}?` },
  'release.pause': { label: 'Pause', style: 'plain' },
  'release.resume': { label: 'Resume', style: 'primary' },
  'release.promote': {
    label: 'Promote',
    style: 'plain',
    confirm: (release) => `Go on with ${release.service} ${release.candidate} without the rest of the observation?`,
  },
  'release.abort': {
    label: 'Abort',
    style: 'danger',
    confirm: (release) => `Stop ${release.id} here and leave every host as it is now?`,
  },
  'release.retry': { label: 'Retry failed hosts', style: 'primary' },
  'release.skip': { label: 'Skip failed hosts', style: 'plain', confirm: () => 'Go on without the hosts that failed?' },
  'release.rollback': {
    label: 'Roll back',
    style: 'danger',
    confirm: (release) =>
      `Take ${release.service} back to ${release.current ?? 'nothing'} on every host that was changed?`,
  },
}

/** Where a release stands as far as those who press are concerned: `held 1`, `rolling out 2 observing`, `done`. */
export function standingOf({ state }: Release): string {
  const batch = 'batch' in state ? ` ${state.batch}` : ''
  return `${state.at}${batch}${state.at === 'rolling out' ? ` ${state.doing}` : ''}`
}

/** A button for an action on this release as it stands, and the row that its id is looked up by. `offeredBy` is a report's id. */
export function buttonFor(release: Release, action: string, offeredBy?: string): { button: Button; bound: Bound } {
  const look = LOOK[action]
  if (look === undefined) throw new Error(`no look for ${action}`)
  const { state } = release
  const bound: Bound = {
    action,
    release: release.id,
    planHash: release.planHash,
    turn: release.turn,
    ...(action === 'release.promote' && state.at === 'rolling out' ? { batch: state.batch } : {}),
    ...(state.at === 'awaiting approval' ? { expires: state.until } : {}),
    ...(offeredBy === undefined ? {} : { offeredBy, state: standingOf(release) }),
  }
  const id = createHash('sha256').update(JSON.stringify(bound)).digest('hex').slice(0, 24)
  return {
    bound,
    button: {
      id,
      action,
      label: look.label,
      style: look.style,
      ...(look.confirm ? { confirm: look.confirm(release) } : {}),
    },
  }
}

/** The actions that the release's state offers, most wanted first. */
export function actionsNow(release: Release): string[] {
  const { state } = release
  if (state.at === 'awaiting approval') return ['release.approve', 'release.reject']
  if (state.at === 'rolling out') {
    return state.doing === 'observing'
      ? ['release.promote', 'release.pause', 'release.abort', 'release.rollback']
      : ['release.pause', 'release.abort', 'release.rollback']
  }
  if (state.at === 'held') return state.offers.map((offer) => `release.${offer}`)
  if (onHosts(release)) return ['release.rollback']
  return []
}

/** Makes the rows for the card's buttons durable before anybody can press them. */
export async function offerButtons(store: Store, release: Release): Promise<Button[]> {
  const buttons: Button[] = []
  for (const action of actionsNow(release)) {
    const { button, bound } = buttonFor(release, action)
    await store.insert('buttons', button.id, bound as unknown as Json)
    buttons.push(button)
  }
  return buttons
}

export async function findButton(store: Store, id: string): Promise<Bound | undefined> {
  const row = await store.get('buttons', id)
  return row === undefined ? undefined : boundSchema.parse(row.document)
}
