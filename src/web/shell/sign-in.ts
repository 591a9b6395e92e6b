import { type QueryClient, useMutation, useQueryClient } from '@tanstack/react-query'
import type { SessionView, SignIn } from '../../ports/console.ts'
import { api } from '../api.ts'
import { keys } from '../keys.ts'
import { announce, noteLeft, takeSession } from '../who.ts'

/** Becomes somebody: signs in with a token, or in the sandbox as one of its people. What the other one saw is forgotten. */
export function useSignIn() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: SignIn) => api.signIn(body),
    onSuccess: (session) => change(client, session),
  })
}

export function useSignOut() {
  const client = useQueryClient()
  return useMutation({ mutationFn: () => api.signOut(), onSuccess: (session) => change(client, session) })
}

async function change(client: QueryClient, session: SessionView): Promise<void> {
  // An answer that is still on its way says who one was before.
  await client.cancelQueries({ queryKey: keys.session })
  noteLeft(session.person === null)
  takeSession(client, session)
  announce(session.person?.id ?? null)
}
