import type { Command, CommandAnswer } from '../src/entry/command.ts'
import { offerButtons } from '../src/release/button.ts'
import type { Desk } from '../src/release/desk.ts'
import { findRelease } from '../src/release/find.ts'
import { card, title } from '../src/release/issue.ts'
import { jobsOf, readOutput } from '../src/release/job.ts'
import { isOver, issueDocument } from '../src/release/release.ts'

export const status: Command = {
  name: 'status',
  summary: 'what is going on: all releases, one release, a service, or a host with its last output',
  usage: ['', '<R-number or service>', '<host>'],
  most: 1,
  flags: { json: ' the release issue as JSON' },
  action: 'status.read',
  async run({ desk }, { args: [which], flags }) {
    if (which === undefined) return overview(desk)
    if (desk.hosts.some((host) => host.id === which)) return oneHost(desk, which)
    const release = await findRelease(desk, which)
    if (flags.json !== undefined) return { ok: true, text: JSON.stringify(issueDocument(release), null, 2) }
    const buttons = isOver(release.state) ? [] : await offerButtons(desk.store, release)
    return { ok: true, text: title(release), message: card(release, desk.clock(), buttons) }
  },
}

async function overview(desk: Desk): Promise<CommandAnswer> {
  const all = await desk.releases.list()
  if (all.length === 0) return { ok: true, text: 'No release yet. Next: /release <service> <version>.' }
  const shown = [
    ...all.filter((release) => !isOver(release.state)),
    ...all.filter((release) => isOver(release.state)),
  ].slice(0, 15)
  return {
    ok: true,
    text: `${all.filter((release) => !isOver(release.state)).length} in progress, ${all.length} in all`,
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
    text: `${host}: ${last.kind} ${last.version}, ${last.state}`,
    message: {
      title: `${host}: the last jobs`,
      tone: 'plain',
      blocks: [
        {
          type: 'table',
          columns: ['release', 'job', 'version', 'state', 'started'],
          rows: jobs.slice(-8).map((job) => [job.release, job.kind, job.version, job.state, job.startedAt]),
        },
        { type: 'code', text: output.trim() === '' ? '(no output yet)' : output.trimEnd() },
      ],
      buttons: [],
    },
  }
}
