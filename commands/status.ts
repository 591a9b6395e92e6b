import type { Command, CommandAnswer } from '../src/entry/command.ts'
import { readSurfaces, troubles } from '../src/entry/surface-health.ts'
import { offerButtons } from '../src/release/button.ts'
import type { Desk } from '../src/release/desk.ts'
import { findRelease, holders, newestOf } from '../src/release/find.ts'
import { card, localTime, title } from '../src/release/issue.ts'
import { jobsOf, readOutput } from '../src/release/job.ts'
import { isOver, issueDocument, numberOf } from '../src/release/release.ts'

export const status: Command = {
  name: 'status',
  summary: 'what is going on: all releases, one release, a service, or a host with its last output',
  usage: ['', '<R-number or service>', '<host>'],
  most: 1,
  flags: { json: ' the release issue as JSON' },
  action: 'status.read',
  async run({ desk }, { args: [which], flags }) {
    if (which === undefined) {
      const [answer, surfaces] = await Promise.all([overview(desk), readSurfaces(desk)])
      return { ...answer, text: [answer.text, ...troubles(surfaces)].join('\n') }
    }
    if (desk.hosts.some((host) => host.id === which)) return oneHost(desk, which)
    const release = await findRelease(desk, which)
    if (flags.json !== undefined) return { ok: true, text: JSON.stringify(issueDocument(release), null, 2) }
    const buttons = isOver(release.state) ? [] : await offerButtons(desk.store, release)
    return { ok: true, text: title(release), message: card(release, desk.clock(), buttons) }
  },
}

/** Rows of the overview; what is in progress is shown however old it is. */
const SHOWN = 15

async function overview(desk: Desk): Promise<CommandAnswer> {
  const requested = await desk.releases.count()
  if (requested === 0) return { ok: true, text: 'No release yet. Next: /release <service> <version>.' }
  const newest = await newestOf(desk, SHOWN)
  const older = (await holders(desk)).filter(({ id }) => !newest.some((each) => each.id === id))
  const seen = [...newest, ...older].sort((a, b) => numberOf(b.id) - numberOf(a.id))
  const open = seen.filter((release) => !isOver(release.state))
  const shown = [...open, ...seen.filter((release) => isOver(release.state))].slice(0, Math.max(SHOWN, open.length))
  return {
    ok: true,
    text: `${open.length} in progress, ${requested} requested so far`,
    message: {
      title: 'Releases',
      tone: 'plain',
      blocks: [
        {
          type: 'table',
          columns: ['release', 'service', 'version', 'state', 'by'],
          rows: shown.map((release) => [
            release.id,
            release.service,
            release.candidate,
            release.state.at,
            release.requester,
          ]),
        },
      ],
      buttons: [],
    },
  }
}

async function oneHost(desk: Desk, host: string): Promise<CommandAnswer> {
  const jobs = await jobsOf(desk.store, host)
  const last = jobs.at(-1)
  if (last === undefined)
    return { ok: true, text: `No job has run on ${host} yet. Next: /hosts shows what runs there.` }
  const output = await readOutput(desk, last.id)
  return {
    ok: true,
    text: `${host}: ${last.job}: ${last.state}`,
    message: {
      title: `${host}: the last jobs`,
      tone: 'plain',
      blocks: [
        {
          type: 'table',
          columns: ['job', 'version', 'state', 'started'],
          rows: jobs.slice(-8).map((job) => [job.job, job.version, job.state, localTime(new Date(job.startedAt))]),
        },
        { type: 'code', text: output.trim() === '' ? '(no output yet)' : output.trimEnd() },
      ],
      buttons: [],
    },
  }
}
