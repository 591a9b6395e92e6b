import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { SignIn } from '../../ports/console.ts'
import { api } from '../api.ts'
import { keys } from '../keys.ts'

/** Becomes somebody: signs in with a token, or in the sandbox as one of its people. What the other one saw is forgotten. */
export function useSignIn() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: SignIn) => api.signIn(body),
    onSuccess: async (session) => {
      // An answer that is still on its way says who one was before.
      await client.cancelQueries({ queryKey: keys.session })
      client.setQueryData(keys.session, session)
      await client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'session' })
    },
  })
}

export function useSignOut() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: () => api.signOut(),
    onSuccess: () => {
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' })
      return client.invalidateQueries({ queryKey: keys.session })
    },
  })
}
