import { type Command, usageOf } from '../src/entry/command.ts'
import { actionsNow, offerButtons } from '../src/release/button.ts'
import { needService } from '../src/release/desk.ts'
import { findRelease, lastDone } from '../src/release/find.ts'
import { isOver } from '../src/release/release.ts'

export const rollback: Command = {
  name: 'rollback',
  summary: 'show what would go back, and ask: of the release that runs now, or of the last one that is done',
  usage: ['<service or R-number>'],
  most: 1,
  action: 'release.rollback',
  // Shows and asks; what it inserts for its button is the same however often it runs.
  form({ args: [which] }, { services }) {
    if (which !== undefined) return undefined
    const only = services.length === 1 ? { value: services[0] } : {}
    const service = { kind: 'choice' as const, name: 'service', label: 'service', options: services, ...only }
    return { command: 'rollback', title: 'Roll back', fields: [{ ...service, required: true }] }
  },
  async run({ desk }, { args: [which] }) {
    if (which === undefined) return { ok: false, text: usageOf(rollback) }
    if (!/^r-?\d+$/i.test(which)) needService(desk, which)
    const newest = await findRelease(desk, which)
    // A number means that one and no other.
    const byNumber = /^r-?\d+$/i.test(which)
    const found = isOver(newest.state) && !byNumber ? ((await lastDone(desk, newest.service)) ?? newest) : newest
    if (!actionsNow(found).includes('release.rollback')) {
      return {
        ok: false,
        text: `There is nothing to roll back: no release of ${found.service} is on hosts (${found.id} is ${found.state.at}). Next: /hosts ${found.service}`,
      }
    }
    const buttons = (await offerButtons(desk.store, found)).filter((button) => button.action === 'release.rollback')
    const changed = Object.entries(found.plan?.rollback.versions ?? {}).filter(
      ([host]) => found.hosts[host]?.at !== 'pending',
    )
    const versions = changed.map(([host, version]) => [host, version ?? 'none'])
    return {
      ok: true,
      text: `Press Roll back to take ${found.id} back, or type /release rollback ${found.id}, which acts at once.`,
      message: {
        title: `Roll back ${found.id}: ${found.service} ${found.candidate} → ${found.current ?? 'nothing'}?`,
        tone: 'warn',
        blocks: [{ type: 'table', columns: ['host', 'back to'], rows: versions.slice(0, 20) }],
        buttons,
      },
    }
  },
}
