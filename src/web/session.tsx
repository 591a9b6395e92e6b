import { createContext, type ReactNode, useContext } from 'react'
import type { PersonView, SessionView } from '../ports/console.ts'

/** The session of somebody who is known. */
type Session = SessionView & { person: PersonView }

const Context = createContext<Session | undefined>(undefined)

export function SessionProvider({ value, children }: { value: Session; children: ReactNode }) {
  return <Context.Provider value={value}>{children}</Context.Provider>
}

/** Who one is and what one may do; only below the sign-in. */
export function useMe(): Session {
  const session = useContext(Context)
  if (session === undefined) throw new Error('useMe outside of SessionProvider')
  return session
}
