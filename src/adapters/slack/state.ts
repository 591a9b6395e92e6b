import type { Health } from '../../ports/surface.ts'
import type { Failure } from './calls.ts'

/** How the surface is, from what its connections and its calls were answered. */
export interface State {
  health(): Health
  connected(sockets: number): void
  /** What a socket could not be opened for. */
  socketFailed(failure: Failure): void
  called(failure: Failure | undefined): void
  /** Whether Slack answered the last call. */
  answers(): boolean
}

/** `sockets`: whether at least one has to stand for the surface to be up. */
export function createState(options: { sockets: boolean; clock: () => Date }): State {
  let open = 0
  let call: Failure | undefined
  let called = false
  let socket: Failure | undefined
  let shown: Health = { at: 'connecting', since: options.clock().toISOString() }

  const now = (): Pick<Health, 'at' | 'why'> => {
    if (call !== undefined) return { at: 'down', why: ofBot(call) }
    if (options.sockets && open === 0) {
      if (socket !== undefined) return { at: 'down', why: ofApp(socket) }
      // A connection that is being renewed is no outage yet.
      return { at: shown.at === 'down' ? 'down' : 'connecting', ...(shown.at === 'down' ? { why: shown.why } : {}) }
    }
    return called ? { at: 'up' } : { at: 'connecting' }
  }
  const settle = (): void => {
    const next = now()
    const since = next.at === shown.at ? shown.since : options.clock().toISOString()
    shown = { at: next.at, since, ...(next.why === undefined ? {} : { why: next.why }) }
  }

  return {
    health: () => shown,
    connected(sockets) {
      open = sockets
      if (sockets > 0) socket = undefined
      settle()
    },
    socketFailed(failure) {
      socket = failure
      settle()
    },
    called(failure) {
      called = true
      // A limit or a refusal is an answer all the same.
      call = failure?.kind === 'network' || failure?.kind === 'token' ? failure : undefined
      settle()
    },
    answers: () => called && call === undefined,
  }
}

const ofBot = (failure: Failure): string => wordsOf(failure, 'bot')
const ofApp = (failure: Failure): string => wordsOf(failure, 'app')

/** What is wrong and what to do. */
export function wordsOf(failure: Failure, token: 'bot' | 'app'): string {
  return problemOf(failure, token).why
}

function problemOf(failure: Failure, token: 'bot' | 'app'): { why: string } {
  switch (failure.kind) {
    case 'network':
      return {
        why: `Slack does not answer (${failure.why}). Next: nothing, it is tried again; look at status.slack.com and at this machine's network if it lasts`,
      }
    case 'token':
      return token === 'bot' ? badBotToken(failure.error) : badAppToken(failure.error)
    case 'rate':
      return { why: 'Slack asks to wait before connecting again. Next: nothing, it is tried again' }
    case 'refused':
      return {
        why: `Slack refuses the connection (${failure.error}). Next: turn Socket Mode on in the settings of the app`,
      }
  }
}

function badBotToken(error: string): { why: string } {
  return {
    why: `Slack refuses the bot token (${error}). Next: install the app again, put the new bot token into its variable and restart Rollcall`,
  }
}

function badAppToken(error: string): { why: string } {
  return {
    why: `Slack refuses the app token (${error}). Next: make an app token with connections:write, put it into its variable and restart Rollcall`,
  }
}
