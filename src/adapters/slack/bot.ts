import type { WebClient } from '@slack/web-api'
import type { Language } from '../../lib/catalogue/translate.ts'
import type { Log } from '../../lib/log.ts'
import type { Store } from '../../ports/store.ts'
import type { Reception } from '../../ports/surface.ts'
import { type Failure, failureOf } from './calls.ts'
import type { SlackConfig } from './config.ts'
import type { State } from './state.ts'
import type { Timings } from './timings.ts'
import type { Words } from './words.ts'

/** What all parts of the surface share. */
export interface Bot {
  config: SlackConfig
  client: WebClient
  reception: () => Reception
  pictures: (id: string) => Promise<Buffer | undefined>
  mention: (person: string) => string | undefined
  store: Store
  log: Log
  clock: () => Date
  language: Language
  words: Words
  timings: Timings
  state: State
  /** Where a deed may be answered for half an hour. An address that lets anybody answer is a secret, so it is never stored. */
  responses: Map<string, { url: string; left: number; until: number }>
  /** Deeds whose answer was too long and has been sent as a file. */
  attached: Set<string>
  /** How far an answer of several messages got that could not be told to its end, by its deed. */
  told: Map<string, Told>
  /** When the next message may go to a place, by the steady clock. */
  slots: Map<string, number>
  /** How far back it was looked for a message, where that takes several tries. */
  looks: Map<string, Look>
}

/** `count` messages were told, and `digest` is theirs; `plain`: without Slack's own blocks and pictures. */
export interface Told {
  count: number
  digest: string
  plain: boolean
}

/** The page that comes next, what the ones before held, and when that was (milliseconds since 1970). */
export interface Look {
  cursor: string
  found: Map<number, { ts: string; revision: number }>
  at: number
}

/** A call of the Web API, its outcome told to the state. Never throws. */
export async function call<T>(
  bot: Pick<Bot, 'state'>,
  run: () => Promise<T>,
): Promise<{ ok: true; value: T } | { ok: false; failure: Failure }> {
  try {
    const value = await run()
    bot.state.called(undefined)
    return { ok: true, value }
  } catch (error) {
    const failure = failureOf(error)
    bot.state.called(failure)
    return { ok: false, failure }
  }
}
