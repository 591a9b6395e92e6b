import type { QueryClient } from '@tanstack/react-query'
import type { SessionView } from '../ports/console.ts'
import { keys } from './keys.ts'

const NAME = 'rollcall'
const LEFT = 'rollcall.left'

let chosenHere = false

/** Whether it was in this tab that one became who one is. */
export function isChosenHere(): boolean {
  return chosenHere
}

/** Makes what was signed in to, or out of, here the session. When it is another person's, what the one before saw is forgotten. */
export function takeSession(client: QueryClient, session: SessionView): void {
  forgetOthers(client, session)
  chosenHere = true
  client.setQueryData(keys.session, session)
}

/**
 * Drops every answer but the session when `session` is not that of the person who was here; says whether it did. When the same
 * person may do other things than before, the commands are asked for again.
 */
export function forgetOthers(client: QueryClient, session: SessionView): boolean {
  const held = client.getQueryData<SessionView>(keys.session)
  if (held === undefined) return false
  if (held.person?.id === session.person?.id) {
    if (held.may.join() !== session.may.join()) void client.invalidateQueries({ queryKey: keys.commands })
    return false
  }
  chosenHere = false
  const others = { predicate: ({ queryKey }: { queryKey: readonly unknown[] }) => queryKey[0] !== keys.session[0] }
  void client.cancelQueries(others)
  client.removeQueries(others)
  return true
}

/** Tells the other tabs of this browser who one is now; null after signing out. Without a BroadcastChannel they learn it later. */
export function announce(person: string | null): void {
  if (globalThis.BroadcastChannel === undefined) return
  const channel = new BroadcastChannel(NAME)
  channel.postMessage({ person })
  channel.close()
}

/** Asks for the session again when another tab says that it is another person's. Returns the function that ends it. */
export function heedOthers(client: QueryClient): () => void {
  if (globalThis.BroadcastChannel === undefined) return () => {}
  const channel = new BroadcastChannel(NAME)
  channel.addEventListener('message', ({ data }: MessageEvent<{ person: string | null }>) => {
    const held = client.getQueryData<SessionView>(keys.session)
    if ((held?.person?.id ?? null) !== data.person) void client.invalidateQueries({ queryKey: keys.session })
  })
  return () => channel.close()
}

/** Whether somebody signed out of this browser and nobody signed in since. */
export function hasLeft(): boolean {
  return localStorage.getItem(LEFT) !== null
}

export function noteLeft(left: boolean): void {
  if (left) localStorage.setItem(LEFT, '1')
  else localStorage.removeItem(LEFT)
}

/**
 * Whom one is without being asked: in the sandbox its first person, on the first visit. Not who signed out, nor somebody whose
 * session ended while the page was open: they choose.
 */
export function entersAs(session: SessionView, before: { known: boolean; left: boolean }): string | undefined {
  return before.known || before.left ? undefined : session.signIn.demo[0]?.id
}
