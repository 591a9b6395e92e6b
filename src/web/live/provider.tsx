import { useQueryClient } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import { follow } from './follow.ts'
import type { Line } from './news.ts'
import { hallOf } from './share.ts'

const Context = createContext<Line>('connecting')

/** Follows the server's events while mounted. Mount it anew (by `key`) when the person changes. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const [line, setLine] = useState<Line>('connecting')
  useEffect(() => follow(client, setLine, hallOf(globalThis)), [client])
  return <Context.Provider value={line}>{children}</Context.Provider>
}

/** Whether what is shown is live. */
export function useLine(): Line {
  return useContext(Context)
}
