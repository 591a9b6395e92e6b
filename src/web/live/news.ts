import type { Change } from '../../ports/console.ts'

export type Line = 'connecting' | 'open' | 'lost'

/** What the server's stream of events brings. A `beat` says nothing but that the line is alive. */
export type News =
  | { type: 'line'; line: Line }
  | { type: 'change'; change: Change }
  | { type: 'reset' }
  | { type: 'beat' }

/** From where on a stream is read: the id of the last event that was seen, `''` when none was. */
export interface Start {
  lastId: string
  /** Changes before now are of interest, though it may not be known from where on. */
  missed: boolean
}

/** Receives what a stream brings, with the id of the newest event. */
export type Tell = (news: News, lastId: string) => void

/** A change as the server sends it, or undefined when it is none. */
export function readChange(data: unknown): Change | undefined {
  if (typeof data !== 'string') return undefined
  try {
    const value: unknown = JSON.parse(data)
    if (typeof value !== 'object' || value === null) return undefined
    if (!('kind' in value) || !('key' in value)) return undefined
    return typeof value.kind === 'string' && typeof value.key === 'string' ? (value as Change) : undefined
  } catch {
    return undefined
  }
}
