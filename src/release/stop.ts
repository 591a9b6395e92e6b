import { toDocument } from '../lib/fault.ts'
import { withHost } from './deploy.ts'
import { mark, phase, type Scene, tell } from './scene.ts'

/** Leaves every host as it is and states what runs where; a host that does not answer is named as unknown. */
export async function stopHere(scene: Scene, by: string, why: string): Promise<void> {
  const { desk, flow, plan } = scene
  const { recipe } = scene.plan
  const versions = await flow.step('read the versions after the abort', () =>
    Promise.all(
      Object.keys(plan.rollback.versions).map(async (host) => {
        try {
          const facts = await desk.target.probe(host, recipe)
          return { host, version: facts.version ?? null, state: facts.state as string }
        } catch (error) {
          return { host, state: toDocument(error).say }
        }
      }),
    ),
  )
  await mark(scene, 'aborted', (current, now) => {
    const known = versions.reduce((release, { host, version }) => withHost(release, host, { version }), current)
    return {
      ...known,
      state: { at: 'aborted', by, why, when: now.toISOString() },
      endedAt: now.toISOString(),
      stop: undefined,
      turn: current.turn + 1,
    }
  })
  await phase(scene, 'aborted')
  await tell(scene, 'aborted', {
    title: `Aborted by ${by}; every host stays as it is`,
    tone: 'warn',
    blocks: [
      {
        type: 'table',
        columns: ['host', 'version', 'state'],
        rows: versions.map(({ host, version, state }) => [
          host,
          version === undefined ? 'unknown' : (version ?? 'none'),
          state,
        ]),
      },
    ],
  })
}
