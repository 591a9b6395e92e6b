import type { Field, Message } from './chat.ts'
import type { Json } from './store.ts'

/** The chat services. The console and the terminal read the channel's record by themselves. */
export const surfaceNames = ['slack', 'wecom'] as const
export type SurfaceName = (typeof surfaceNames)[number]

/* ---- what comes in ---- */

/** What a person did, as the adapter read it: typed and capped. Nothing in it is believed but who did it. */
export type Deed =
  /** A command with its slash, such as `/release user-service v1.1.0`; mentions of the bot are taken off. At most 10,000 characters. */
  | { kind: 'typed'; text: string }
  /** A press on a button, and what was filled in where it asked for something. */
  | { kind: 'pressed'; button: string; fields: Record<string, string> }

export interface Envelope {
  surface: SurfaceName
  /** The surface's own id of it: the same when it is delivered again. At most 200 characters. */
  id: string
  /** How the surface knows the person; at most 200 characters. */
  user: string
  /** Our name of the channel where it was done; undefined in a direct message and where no channel of ours is. */
  channel?: string
  deed: Deed
  /** What the adapter needs to answer, for itself alone. It is stored, so it holds no secret. */
  reply: Json
  /** ISO. */
  at: string
}

/** What the person reads, and nobody else where the surface can do that. In English; the adapter translates it. */
export interface Answer {
  ok: boolean
  /** What happened, and after `Next: ` what to do. */
  text: string
  message?: Message
}

/** What a command lacks, to be asked for in a form. */
export interface Form {
  /** Without the slash. */
  command: string
  title: string
  fields: FormField[]
}
export type FormField =
  /** `check` says what the text has to be; a wrong one is told at its field. */
  | (Omit<Field, 'kind'> & { kind: 'text'; hint?: string; check?: 'version' | 'duration' })
  | { kind: 'choice' | 'choices'; name: string; label: string; options: string[]; value?: string; required: boolean }
  | { kind: 'flag'; name: string; label: string }

/** Who hears what surfaces bring. */
export interface Reception {
  /**
   * Takes it in: resolves when it is durable, so that the surface may be told that it arrived. 'known' when it was here before:
   * nothing is done twice. Throws Fault `store.unavailable`: then it must not be acknowledged, and comes again.
   * What it does is done later; the answer comes through the surface's `answer`.
   */
  accept(envelope: Envelope): Promise<'new' | 'known'>
  /** Why this person may not press this button now; undefined when they may. For a surface that asks something first. */
  refusal(who: { surface: SurfaceName; user: string }, button: string): Promise<Answer | undefined>
  /** The form of a command that lacks words; undefined when it needs none, or is none. */
  form(text: string): Form | undefined
  /** The command line that a filled-in form makes, or what is wrong with it, by field. */
  line(command: string, values: Record<string, string>): { text: string } | { wrong: Record<string, string> }
  /** Every command: for what a surface has to register, and the help that it shows by itself. */
  readonly commands: readonly { name: string; summary: string; usage: string[] }[]
}

/* ---- what goes out ---- */

/** At most `count` messages in any `ms` milliseconds, in one place. */
export interface Rate {
  count: number
  ms: number
  /** Only new messages, or only edits of those that stand there, are counted and held back; both together when left out. */
  of?: 'new' | 'edit'
}

/** One message as one place is to show it now. */
export interface Delivery {
  /** The key in the channel's record. */
  key: string
  /** The surface's id of the channel. */
  place: string
  message: Message
  /** Grows with every edit; what is sent is always the newest. */
  revision: number
  /** The message under which it stands, with what the surface knows it by; a thread is sent after its head. */
  thread?: { key: string; identity: Json; message: Message }
  /** What the surface knows it by: it is edited. */
  identity?: Json
  /** What the sender noted when it last sent this message. */
  mark?: string
  /**
   * An earlier try may have arrived though nobody knows: the process died, or the answer was lost. Since when (ISO). The sender
   * looks first where the surface can be asked, and does not send it twice.
   */
  uncertainSince?: string
}

export type Sent =
  /**
   * It stands there. `identity` is what it is edited and answered under. `free`: the surface was not asked, as nothing had to be
   * sent, so it counts in no rate. `messages`: how many messages of the surface it took, 1 when left out.
   */
  | { at: 'sent'; identity: Json; mark?: string; free?: true; messages?: number }
  /**
   * Not now: a rate limit (`scope` place) or an outage (`scope` surface). At least `ms` milliseconds. `arrived` unknown: it may have.
   * `messages`: how many were posted before it stopped, without the one that may have arrived; 0 when left out.
   */
  | { at: 'later'; ms: number; scope: 'place' | 'surface'; why: string; arrived: 'no' | 'unknown'; messages?: number }
  /**
   * Not as it is: what it is, and what a person has to do. It is tried again when the message changes, now and then, and at the next
   * start. `messages`: how many were posted before it stopped; 0 when left out.
   */
  | { at: 'refused'; why: string; next: string; messages?: number }

export interface Sender {
  readonly surface: SurfaceName
  /** The surface's id of a channel of ours; undefined when it is not shown there. */
  place(channel: string): string | undefined
  readonly rates: readonly Rate[]
  /** Never throws. */
  send(delivery: Delivery): Promise<Sent>
}

/* ---- how it is ---- */

export interface Health {
  /** 'standby': another process holds it. */
  at: 'up' | 'connecting' | 'down' | 'standby'
  /** ISO; since when it stands so. */
  since: string
  /** What is wrong and what to do, without any secret. */
  why?: string
}

/** A surface with what waits to go out there: for /status, the console and /metrics. */
export interface SurfaceHealth extends Health {
  surface: SurfaceName
  /** Messages that wait. */
  waiting: number
  /** ISO; since when the oldest waits. */
  oldest?: string
  /** Messages that the surface refuses as they are, and the last reason. */
  refused: number
  refusal?: string
  /** There may be more of either, and older ones: this process has not counted them all. */
  atLeast?: true
}

/** One line of what doctor found. */
export interface Finding {
  subject: string
  status: 'ok' | 'warn' | 'fail'
  say: string
  remedy?: string
}

/** A chat service: it listens, answers and sends. */
export interface ChatSurface extends Sender {
  /** Connects and stays connected until stopped; resolves at once, never throws. */
  start(): void
  /** Takes nothing more in, and lets what is being taken in end (at most `ms`). */
  stop(ms: number): Promise<void>
  health(): Health
  /** Tells the one who did it what came of it. Never throws. Tried again while it says 'later'. */
  answer(envelope: Envelope, answer: Answer): Promise<Sent>
  /** Tokens, scopes, channels, people: everything that can be looked at without sending. Never throws. */
  examine(people: readonly { id: string; user: string }[]): Promise<Finding[]>
}
