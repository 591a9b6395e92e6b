import type { Person } from '../access/config.ts'
import { formatDuration } from '../lib/duration.ts'
import { asFault, Fault } from '../lib/fault.ts'
import type { Finding, Reception, Sent, SurfaceName } from '../ports/surface.ts'
import { type Check, check, failed } from './doctor-check.ts'

/** A chat service as it is configured, as functions that look at it. */
export interface SurfacePatient {
  surface: SurfaceName
  /** Looks without sending anything. */
  examine(people: readonly { id: string; user: string }[]): Promise<Finding[]>
  /** Sends a card to a channel of ours; left out where nothing can be sent. */
  sendTestCard?(channel: string): Promise<Sent>
}

/** Takes nothing in: by looking, nothing is done for anybody. */
export const deaf: Reception = {
  accept: async () => {
    const next = 'type it again when the bot runs'
    throw new Fault('doctor.takes-nothing-in', { say: 'Rollcall is only being examined.', next, retry: true })
  },
  refusal: async () => undefined,
  form: () => undefined,
  line: () => ({ wrong: {} }),
  commands: [],
}

const names: Record<SurfaceName, string> = { slack: 'Slack', wecom: 'WeCom' }

/**
 * Looks at every chat service, and sends it a test card when a channel is named. Never throws. A row for each finding, one for
 * the people who have no id there, and one for the test card, which is wanted on every service: where it does not stand, that fails.
 */
export async function checkSurfaces(
  patients: readonly SurfacePatient[],
  people: readonly Person[],
  testCard?: string,
): Promise<Check[]> {
  if (patients.length === 0 && testCard !== undefined) {
    const say = 'no test card was sent: neither Slack nor WeCom is configured'
    return [check('config', `--test-card ${testCard}`, 'fail', say, 'add slack or wecom to rollcall.yaml')]
  }
  const rows = await Promise.all(
    patients.map(async (patient) => {
      const found = await examined(patient, people)
      // Afterwards: a service that holds one connection only cannot be looked at and written to at once.
      return testCard === undefined ? found : [...found, await testCardOf(patient, testCard)]
    }),
  )
  return rows.flat()
}

async function examined(patient: SurfacePatient, people: readonly Person[]): Promise<Check[]> {
  const { surface } = patient
  const known = people.flatMap(({ id, surfaces }) => {
    const user = surfaces[surface]
    return user === undefined ? [] : [{ id, user }]
  })
  const strangers = people.filter(({ surfaces }) => surfaces[surface] === undefined).map(({ id }) => id)
  const rows = await patient.examine(known).then(
    (findings) => findings.map(({ subject, status, say, remedy }) => check(surface, subject, status, say, remedy)),
    (error) => [failed(surface, surface, error)],
  )
  if (rows.length === 0) rows.push(check(surface, surface, 'ok', 'nothing is wrong there'))
  if (strangers.length > 0) rows.push(withoutId(surface, strangers))
  return rows
}

function withoutId(surface: SurfaceName, strangers: readonly string[]): Check {
  const [only] = strangers
  const say = `${strangers.join(', ')} ${strangers.length === 1 ? 'has' : 'have'} no id in ${names[surface]}: no press and no command there can be theirs`
  const who = strangers.length === 1 ? (only ?? '') : 'each who works there'
  const remedy = `add surfaces: { ${surface}: <id> } to ${who} under people; whoever writes to the bot is told their id`
  return check(surface, 'people', 'warn', say, remedy)
}

async function testCardOf(patient: SurfacePatient, channel: string): Promise<Check> {
  const { surface } = patient
  const row = (status: Check['status'], say: string, remedy = ''): Check =>
    check(surface, `test card to ${channel}`, status, say, remedy)
  if (patient.sendTestCard === undefined) return row('fail', 'no card can be sent there', 'send it while the bot runs')
  try {
    const sent = await patient.sendTestCard(channel)
    switch (sent.at) {
      case 'sent':
        // The one that says nothing when it drops a card.
        return surface === 'wecom'
          ? row('ok', 'WeCom has taken it; look whether you see it there, for it also takes what it does not show')
          : row('ok', 'it stands there')
      case 'later': {
        const doubt = sent.arrived === 'unknown' ? ' It may have arrived all the same.' : ''
        return row(
          'fail',
          `it does not stand there: ${ended(sent.why)}${doubt}`,
          `try again in ${formatDuration(sent.ms)}`,
        )
      }
      case 'refused':
        return row('fail', `it does not stand there: ${sent.why}`, sent.next)
    }
  } catch (error) {
    const fault = asFault(error)
    return row('fail', `it does not stand there: ${fault.message}`, fault.next)
  }
}

const ended = (sentence: string): string => (/[.!?。]$/.test(sentence) ? sentence : `${sentence}.`)
