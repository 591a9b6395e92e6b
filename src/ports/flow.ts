import type { Json } from './store.ts'

/** How often a step that threw a Fault with `retry` is tried again: delays in milliseconds between attempts. */
export interface Retry {
  delays: number[]
}

/** Something that was sent to a flow. The key makes sending idempotent: one key is delivered once. */
export interface FlowEvent {
  key: string
  /** ISO time of sending, on the sender's clock. */
  at: string
  data: Json
}

/**
 * A long process as one readable function. Outside a step: no clock, no randomness, no I/O.
 * A name is unique within its flow; using one twice is Fault `flow.name-used-twice`.
 */
export interface Flow {
  readonly id: string
  /** Journaled by name: a recorded result (or Fault) is returned, not re-run. The result must survive JSON. */
  step<T>(name: string, effect: () => Promise<T>, retry?: Retry): Promise<T>
  /** The next mailbox event in order of sending, or undefined at the deadline, which is kept across restarts. */
  wait(name: string, options?: { until?: Date }): Promise<FlowEvent | undefined>
  /** The time when this name was first asked. */
  now(name: string): Promise<Date>
  /** Says where the flow stands; shown to people, journaled like a step. */
  phase(name: string): Promise<void>
}

export type Story = (flow: Flow, input: Json) => Promise<void>

export type FlowStatus =
  | { at: 'running'; phase: string; waiting?: string }
  | { at: 'done'; phase: string }
  | { at: 'failed'; phase: string; why: string }

/** The engine that runs flows and owns them, one process at a time. */
export interface Flows {
  /** Names the story of a kind; before `open`. */
  define(kind: string, story: Story): void
  /** Takes ownership and goes on with every unfinished flow that no living process owns. */
  open(): Promise<void>
  /** Starts a flow unless one with this id exists; false then. */
  start(kind: string, id: string, input: Json): Promise<boolean>
  /** Durable when it resolves; works before the flow has started. False when an event with this key was sent before. */
  send(id: string, key: string, data: Json): Promise<boolean>
  status(id: string): Promise<FlowStatus | undefined>
  /** Resolves when the flow has ended (in this process or another); throws its Fault when it failed. */
  finished(id: string): Promise<void>
  /** Starts no further step, lets running ones end (at most `ms`), releases ownership. */
  close(ms?: number): Promise<void>
}
