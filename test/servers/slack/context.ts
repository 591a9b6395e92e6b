import type { Faults } from './faults.ts'
import type { Json } from './types.ts'
import type { Workspace } from './workspace.ts'

/** What every method works with. */
export interface MethodContext {
  workspace: Workspace
  faults: Faults
  base: () => string
  triggerMs: number
  responseMs: number
  fileReadyMs: number
  scopes: readonly string[]
  /** A new single-use address for a socket. */
  ticket: () => string
  /** Tells the app of what it wrote or edited in a direct message itself, as Slack does. */
  echo: (event: Json) => void
}
