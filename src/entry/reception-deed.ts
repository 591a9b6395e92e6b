import type { From } from '../access/audit.ts'
import { findPerson } from '../access/policy.ts'
import { createSieve, createSieves, withMissed } from '../access/sieve.ts'
import type { IncidentDesk } from '../incident/desk.ts'
import { didYouMean } from '../lib/did-you-mean.ts'
import { asFault } from '../lib/fault.ts'
import type { Answer, Envelope, SurfaceName } from '../ports/surface.ts'
import { no } from '../release/answer.ts'
import { mayPress, press } from './actions.ts'
import { type Command, parseCommand, runCommand } from './command.ts'
import { maskAll } from './http/mask.ts'
import { surfaceTitles } from './surface-health.ts'

/** What one person may do within a minute in all chat services together; more is answered, and not done. */
const MOST_A_MINUTE = 60
/** So often a deed is begun that ends its process each time. */
const ATTEMPTS = 5
/** So many who are not known here are answered within a minute. */
const MOST_STRANGERS = 1000

export interface Deeds {
  /** False when this stranger has been answered within the last minute; else how many times that was not so before. */
  admit(who: Pick<Envelope, 'surface' | 'user'>): false | { missed: number }
  /** What `admit` let pass was not taken in: it passes when it comes again. */
  giveBack(who: Pick<Envelope, 'surface' | 'user'>, admitted: { missed: number }): void
  /** What to tell the one whose deed is not as it should be; undefined when that was told a few times within the last minute. */
  unreadable(who: Pick<Envelope, 'surface' | 'user'>): Answer | undefined
  /** Does it, as the person who did it there; what comes back is masked. Always answers. */
  perform(envelope: Envelope, context: { origin: string; attempt: number; missed: number }): Promise<Answer>
  refusal(who: { surface: SurfaceName; user: string }, button: string): Promise<Answer | undefined>
}

/** What a chat service brings, done by the same code as what the console brings. */
export function createDeeds(desk: IncidentDesk, commands: Command[]): Deeds {
  const strangers = createSieve(desk.clock, MOST_STRANGERS)
  const often = createSieve(desk.clock, Number.POSITIVE_INFINITY, 60_000, MOST_A_MINUTE)
  const unread = createSieve(desk.clock, 1000, 60_000, 5)
  /** Strangers whose pass was not used. */
  const returned = new Map<string, { missed: number }>()
  const asked = createSieves(desk.clock)
  const masked = ({ ok, text, message }: Answer): Answer =>
    maskAll({ ok, text, ...(message === undefined ? {} : { message }) }, desk.redact)

  const perform: Deeds['perform'] = async ({ surface, user, channel, deed }, { origin, attempt, missed }) => {
    const from: From = { surface }
    const person = findPerson(desk.people, surface, user)
    if (person === undefined) {
      const action = deed.kind === 'typed' ? 'access.command' : 'access.press'
      const why = withMissed(`Nobody here is known as ${user} on ${surfaceTitles[surface]}.`, missed)
      await desk.audit.note({ who: 'unknown', from, action, target: `${surface} ${user}`, result: 'refused', why })
      return stranger(surface, user)
    }
    if (attempt > ATTEMPTS)
      return no('That was begun several times and never ended.', 'look at /status, then try again')
    // What was begun before its process died is not asked for again by anybody.
    if (attempt === 1 && !often(person.id).pass) {
      return no('That were too many requests.', 'wait a minute, then try it again')
    }
    if (deed.kind === 'pressed') return press(desk, deed.button, person, from, deed.fields)
    const place = channel ?? desk.channel
    return runCommand({ desk, person, channel: place, commands, from, origin }, commandIn(commands, deed.text))
  }

  return {
    admit({ surface, user }) {
      if (findPerson(desk.people, surface, user) !== undefined) return { missed: 0 }
      const key = `${surface} ${user}`
      const back = returned.get(key)
      if (returned.delete(key)) return back ?? { missed: 0 }
      const worth = strangers(key)
      return worth.pass ? { missed: worth.missed } : false
    },
    giveBack({ surface, user }, admitted) {
      if (findPerson(desk.people, surface, user) !== undefined) return
      if (returned.size >= MOST_STRANGERS) returned.clear()
      returned.set(`${surface} ${user}`, admitted)
    },
    unreadable({ surface, user }) {
      if (!unread(`${surface} ${user}`).pass) return undefined
      return no('That could not be read.', 'shorten it and send it again')
    },
    async perform(envelope, context) {
      return masked(await perform(envelope, context))
    },
    async refusal({ surface, user }, button) {
      const person = findPerson(desk.people, surface, user)
      if (person === undefined) return masked(stranger(surface, user))
      try {
        const answer = await mayPress(desk, person, button, { surface }, asked(person.id))
        return answer.ok ? undefined : masked(answer)
      } catch (error) {
        const fault = asFault(error)
        return masked(no(fault.message, fault.next))
      }
    },
  }
}

function stranger(surface: SurfaceName, user: string): Answer {
  return no(
    `Nobody here is known as ${user} on ${surfaceTitles[surface]}.`,
    `have surfaces: { ${surface}: ${JSON.stringify(user)} } added to a person in rollcall.yaml`,
  )
}

/**
 * What was typed to the bot, as a command: with the sign of Chinese keyboards for the slash, or without a slash where the first word
 * is the name of a command. Whatever else somebody says to it is answered with the help, except what is nearly a command.
 */
export function commandIn(commands: readonly Command[], text: string): string {
  const plain = text.trim().replace(/^／/, '/')
  const names = commands.map(({ name }) => name)
  const said = parseCommand(plain)
  const named = said?.name ?? parseCommand(`/${plain}`)?.name
  const line = said === undefined ? `/${plain}` : plain
  if (named !== undefined && names.includes(named)) return line
  const near = said === undefined ? undefined : didYouMean(said.name, names)
  return near === undefined || near === 'help' ? '/help' : line
}
