import type { CauseText, ChangeText, ReleaseText, Words } from './rules-words.ts'

const where = ({ hosts, count, all, measured }: ChangeText) =>
  measured === 1 ? `on ${hosts}` : `on ${all ? 'all' : `${count} of`} ${measured} hosts (${hosts})`

const what = ({ metric, service, alert }: ChangeText) => (alert ? 'The alert’s own value' : `${metric} of ${service}`)

const values = ({ before, after, brief }: ChangeText) =>
  brief ? `went from ${before} to ${after} for a short time` : `went from ${before} to ${after}`

function change(facts: ChangeText): string {
  const { up, service, host } = facts
  if (up && facts.back) return `${service} did not answer for a time ${where(facts)}; it answers again.`
  if (up) return `${service} stopped answering ${where(facts)}.`
  const on = host === '' ? '' : `; the values are those of ${host}, the worst`
  return `${what(facts)} ${values(facts)} ${where(facts)}${on}.${apart(facts)}`
}

/** Medians of groups tell nothing of a brief peak. */
function apart({ sides, brief, all }: ChangeText): string {
  if (sides === undefined || brief) return ''
  const { version, upgraded, waiting } = sides
  if (upgraded === waiting) return all ? ` It is the same with ${version} and without it.` : ''
  return ` Hosts with ${version} are at ${upgraded}, those without it at ${waiting}.`
}

function short(facts: ChangeText): string {
  if (facts.up) return facts.back ? 'did not answer for a time' : 'does not answer'
  return `${facts.alert ? 'the alert’s value' : facts.metric} ${facts.before} → ${facts.after}`
}

function causeSeen(cause: CauseText): string {
  const { at, names, service, own, busy, release, version } = cause
  switch (at) {
    case 'certificate':
      return `The certificate of ${names} has expired.`
    case 'node':
      return `More than one service on ${names} went down: the machine itself, or its network, is the trouble there.`
    case 'down':
      return `The scrape target of ${own} on ${names} is down.`
    case 'dependency': {
      const it = cause.called ? `${service}, which ${own} calls,` : `${service}, a neighbour of ${own},`
      const down = names === '' ? '' : `${it} is down on ${names}.`
      const seen = cause.change === undefined || cause.change.up ? '' : change(cause.change)
      if (down !== '') return seen === '' ? down : `${down} ${seen}`
      if (seen === '') return `${it} ${cause.change?.back === true ? 'did not answer for a time' : 'does not answer'}.`
      return `${seen} ${own} calls ${service}.`
    }
    case 'traffic':
      return `Traffic surged: ${cause.change === undefined ? own : change(cause.change)}`
    case 'saturation':
      return `The CPU of ${names} is ${busy} busy: that machine is saturated.`
    case 'other release':
      return `${release} put ${service} ${version} on hosts before the trouble began.`
  }
}

function causeStep(cause: CauseText): string {
  const { at, names, service, own, release, callers } = cause
  switch (at) {
    case 'certificate':
      return `Renew the certificate of ${names}, reload what serves it, and check when the next one expires.`
    case 'node':
      return `Check the machine ${names} (power, disk, network, console), and take it out of the load balancer until it answers.`
    case 'down':
      return `Look at ${own} on ${names}: is the process running, what are its last log lines, was it restarted or killed?`
    case 'dependency':
      return `Look at ${service}: its hosts, its log, its last changes${cause.called ? `; ${own} can hardly recover before it does` : ''}.`
    case 'traffic':
      return `Find out where the traffic comes from${callers === '' ? '' : ` (${callers} ${callers.includes(',') ? 'call' : 'calls'} ${own})`}; add capacity, or limit it at the edge.`
    case 'saturation':
      return `See what else runs on ${names}; move load away from it, or take it out of the load balancer.`
    case 'other release':
      switch (cause.state) {
        case 'rolling out':
          return `Hold ${release} (${service} ${cause.version}) as well, and compare its hosts in the same way.`
        case 'held':
          return `Leave ${release} (${service} ${cause.version}) held, and compare its hosts in the same way.`
        default:
          return ''
      }
  }
}

/** The words that a clause of the verdict begins with: a name is left as it is. */
const OURS = /^(?:it|its|none|no|nothing|the|only|too|traffic|everything|how)\b/

const name = ({ id, service, version }: ReleaseText) => `${id} (${service} ${version})`

export const en: Words = {
  headings: { summary: 'Summary', cause: 'Root cause', impact: 'Impact', next: 'Next steps' },
  join: ', ',
  others: ', and others',
  total: (count) => ` (${count} hosts)`,
  amount: (text) => text,
  polish: (text) => text,
  fires: ({ title, service, hosts, since, resolved }) =>
    `“${title}” ${resolved ? 'fired' : 'fires'}${service === undefined ? '' : ` for ${service}`}${hosts === '' ? '' : ` on ${hosts}`}, since ${since}${resolved ? '; it is resolved' : ''}.`,
  change,
  short,
  nothingChanged: 'None of the metrics that were read changed noticeably when it began.',
  noMetrics: 'There are no metrics to judge it by.',
  verdict: {
    release: (release) =>
      `The evidence points to release ${name(release)}${release.upgraded === '' ? '' : `, which is on ${release.upgraded}`}`,
    notRelease: (release) => `The evidence speaks against release ${name(release)} being the cause`,
    noRelease: 'It is not a release of this service',
    unknown: (release) =>
      release === undefined
        ? 'The cause cannot be told from what was measured'
        : `Whether release ${name(release)} is the cause cannot be told from what was measured`,
  },
  sentence: (text) => `${OURS.test(text) ? text.slice(0, 1).toUpperCase() + text.slice(1) : text}.`,
  because: (verdict, why) => `${verdict}: ${why}.`,
  missing: (verdict, why) => `${verdict}: ${why}.`,
  causeSeen,
  onlyCorrelation: 'This is what the metrics show side by side; only a look into logs or code proves it.',
  evidence: 'Evidence:',
  known: 'What is known:',
  changes: 'What changed, strongest first:',
  services: (list) =>
    `Services by suspicion: ${list.map(({ name, change, from }) => `${name} (${change}${from === '' ? '' : `; it may come from ${from}`})`).join(', ')}.`,
  hosts: (service, list) =>
    `Hosts of ${service} by suspicion: ${list.map(({ name, change }) => `${name} (${change})`).join(', ')}.`,
  unchanged: (names) => `Unchanged: ${names}.`,
  began: ({ at, lasting, fromSeries }) =>
    `It began at ${at} (${fromSeries ? 'seen in the metrics' : 'as the alert says; the metrics do not show when'}) and had lasted ${lasting} when this was written.`,
  affected: ({ hosts, count, all, measured }) =>
    measured === 1
      ? `Affected: ${hosts}, the only host that was measured.`
      : `Affected: ${all ? 'all' : `${count} of the`} ${measured} hosts that were measured (${hosts}).`,
  unknownExtent: 'Which hosts are affected cannot be told from the metrics.',
  has: ({ version, upgraded }) => `Hosts with ${version}: ${upgraded === '' ? 'none' : upgraded}.`,
  hasNot: ({ version, others }) => `Hosts without ${version}: ${others === '' ? 'none' : others}.`,
  callersSee: (change) => `Its callers notice: ${change}`,
  callersFine: (names) => `${names} (calling it) shows no change.`,
  callersUnknown: 'Whether its callers notice is not known: no metrics of them were read.',
  steps: {
    rollback: ({ service, version, previous, upgraded }) =>
      `Press Roll back below: it takes ${service} from ${version} back to ${previous ?? 'what was there before'}${upgraded === '' ? '' : ` on ${upgraded}`}.`,
    keepOthers: ({ version, others }) => `Leave ${others} as they are: they do not have ${version}.`,
    recheck: (metric, before) => `Afterwards check that ${metric} is back at about ${before}.`,
    noRollback: ({ version }) => `Do not roll ${version} back on this evidence: it is unlikely to help.`,
    cause: causeStep,
    compare: ({ version, upgraded, others }) =>
      others === ''
        ? `Read the log of ${upgraded === '' ? 'the service' : upgraded} from the minutes around the deploy of ${version}, and decide by hand whether to go back.`
        : `Compare the logs of ${upgraded} (with ${version}) and ${others} (without it), and do not let the rollout go on until that is clear.`,
    lookAt: (at) =>
      `Look for what else changed at about ${at}: configuration, data, scheduled jobs, neighbouring services.`,
    configure:
      'Give Rollcall metrics: set prometheus.url in its configuration, see that the service’s metrics carry a host label, and run `rollcall doctor`.',
    topology:
      'Name the services that it calls (downstream) and that call it (upstream) in the configuration, so that they are looked at too.',
    again: 'After that press Diagnose again.',
  },
  gaps: 'What could not be looked at:',
  shortened: '(shortened)',
}
