import { INCIDENT } from '../src/entry/actions.ts'
import { type Command, type CommandAnswer, type CommandContext, usageOf } from '../src/entry/command.ts'
import { episodesOf } from '../src/incident/alert.ts'
import { type IncidentAction, incidentButton, readIncidentBound, SILENCE_FIELDS } from '../src/incident/button.ts'
import { alertsTable, counts, headline, title } from '../src/incident/card.ts'
import { findIncident, incidentList } from '../src/incident/find.ts'
import { alertNames } from '../src/incident/names.ts'
import { incidentCard } from '../src/incident/thread.ts'
import { suggestion } from '../src/lib/did-you-mean.ts'
import type { FormField } from '../src/ports/surface.ts'
import { localTime } from '../src/release/issue.ts'
import { decideOnce } from '../src/release/request.ts'

const VERBS: Record<string, IncidentAction> = {
  ack: 'incident.acknowledge',
  diagnose: 'incident.diagnose-again',
  silence: 'incident.silence',
  unsilence: 'incident.end-silence',
}
/** Incidents that are over, in the list; alerts on a page of `--all`. */
const RECENT = 10
const PAGE = 100

export const alerts: Command = {
  name: 'alerts',
  summary: 'what fires, one incident with its alerts, or a decision on one',
  usage: ['', '<A-number>', '<ack|diagnose|unsilence> <A-number>', 'silence <A-number> <time> <reason …>'],
  action: 'alerts.read',
  flags: {
    all: ' every alert of the incident',
    page: '<n>  which page of them',
  },
  changes({ args: [verb = '', which = '', ...rest] }) {
    const action = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined
    const id = /^(?:a-?)?(\d{1,9})$/i.exec(which)?.[1]
    if (action === undefined || which === '') return undefined
    return { action, incident: id === undefined ? which.slice(0, 40) : `A-${Number(id)}`, about: rest.join(' ') }
  },
  form({ args: [verb, which, time, ...reason] }, { incidents }) {
    if (verb !== 'silence' || reason.length > 0) return undefined
    const id = /^(?:a-?)?(\d{1,9})$/i.exec(which ?? '')?.[1]
    const incident = id === undefined ? incidents[0] : `A-${Number(id)}`
    const known: FormField =
      incident === undefined || !incidents.includes(incident)
        ? { kind: 'text', name: 'incident', label: 'incident', value: incident, hint: 'A-17', required: true, most: 12 }
        : { kind: 'choice', name: 'incident', label: 'incident', options: incidents, value: incident, required: true }
    const asked = SILENCE_FIELDS.map((field): FormField => {
      const check = field.kind === 'duration' ? { check: field.kind } : {}
      return { ...field, ...check, kind: 'text', value: field.name === 'time' ? (time ?? field.value) : field.value }
    })
    return { command: 'alerts silence', title: 'Silence alerts', fields: [known, ...asked] }
  },
  async run(context, { args, flags }) {
    const [first, second, ...rest] = args
    if (first === undefined) return overview(context)
    if (Object.hasOwn(VERBS, first)) return act(context, first, second, rest)
    if (/^[a-z]+$/i.test(first)) {
      const near = suggestion(first, Object.keys(VERBS))
      return {
        ok: false,
        text: `/alerts has no word ${JSON.stringify(first.slice(0, 40))}.${near}\n${usageOf(alerts)}`,
      }
    }
    if (second !== undefined) {
      return {
        ok: false,
        text: `/alerts takes no ${JSON.stringify(second.slice(0, 40))} there. Next: type /help alerts.`,
      }
    }
    const incident = await findIncident(context.desk, first)
    if (flags.all === undefined && flags.page === undefined) {
      const message = await incidentCard(context.desk, incident)
      return { ok: true, text: title(incident), message }
    }
    return everyAlert(context, incident.id, flags.page ?? '1')
  },
}

async function overview({ desk }: CommandContext): Promise<CommandAnswer> {
  const { open, over } = await incidentList(desk, RECENT)
  if (open.length + over.length === 0) return { ok: true, text: 'Nothing fires, and nothing has fired yet.' }
  const rows = [...open, ...over].map((incident) => [
    incident.id,
    incident.severity,
    incident.state.at === 'firing' && incident.acknowledged !== undefined ? 'acknowledged' : incident.state.at,
    incident.service ?? '',
    incident.title,
    counts(incident.firing, incident.resolved),
    localTime(new Date(incident.since)),
  ])
  const next = open[0] === undefined ? '' : ` Next: /alerts ${open[0].id}`
  return {
    ok: true,
    text: `${open.length} open.${next}`,
    message: {
      title: 'Alerts',
      tone: open.length === 0 ? 'good' : 'warn',
      blocks: [
        {
          type: 'table',
          columns: ['incident', 'severity', 'state', 'service', 'alert', 'alerts', 'since'],
          rows,
        },
      ],
      buttons: [],
    },
  }
}

async function everyAlert({ desk }: CommandContext, id: string, page: string): Promise<CommandAnswer> {
  const incident = await desk.incidents.need(id)
  const episodes = await episodesOf(desk.store, id)
  const pages = Math.max(1, Math.ceil(episodes.length / PAGE))
  const number = /^\d{1,6}$/.test(page) ? Number(page) : 0
  if (number < 1 || number > pages) {
    return {
      ok: false,
      text: `${id} has ${pages} page${pages === 1 ? '' : 's'}. Next: /alerts ${id} --page <1-${pages}>`,
    }
  }
  const names = alertNames(desk)
  const release = incident.release === undefined ? undefined : await desk.releases.get(incident.release.id)
  const shown = alertsTable(incident, episodes, PAGE, (number - 1) * PAGE, names).filter(({ type }) => type === 'table')
  const more = number < pages ? ` Next: /alerts ${id} --page ${number + 1}` : ''
  return {
    ok: true,
    text: `${counts(incident.firing, incident.resolved)}; page ${number} of ${pages}.${more}`,
    message: {
      title: title(incident),
      tone: 'plain',
      blocks: [{ type: 'text', text: headline(incident, episodes, desk.clock(), { release, names }) }, ...shown],
      buttons: [],
    },
  }
}

/**
 * The command does what the card's button would do now; done again after a crash, what it would have done then: no incident is
 * silenced or taken on twice. Only a diagnosis that has ended meanwhile is made once more, which changes nothing but adds a version
 * to the report.
 */
async function act(
  { desk, person, origin }: CommandContext,
  verb: string,
  which: string | undefined,
  rest: string[],
): Promise<CommandAnswer> {
  const action = VERBS[verb]
  if (action === undefined) throw new Error(`no action for ${verb}`)
  const form = verb === 'silence' ? `/alerts silence ${which ?? 'A-1'} 2h <reason>` : `/alerts ${verb} <A-number>`
  if (which === undefined) return { ok: false, text: `/alerts ${verb} which one? Next: ${form}` }
  const incident = await findIncident(desk, which)
  if (verb !== 'silence' && rest.length > 0) {
    return {
      ok: false,
      text: `/alerts ${verb} takes an A-number and nothing else; ${rest[0]?.slice(0, 40)} was not read. Next: /alerts ${verb} ${incident.id}`,
    }
  }
  const first = await decideOnce(desk, origin, readIncidentBound, async () => incidentButton(incident, action).bound)
  const bound = first ?? incidentButton(incident, action).bound
  const [time = '', ...reason] = rest
  return INCIDENT[action](desk, bound, person, verb === 'silence' ? { time, reason: reason.join(' ') } : {})
}
