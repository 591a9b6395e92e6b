import type { Json } from './store.ts'

/** A tool of a server that may be called: read-only, on the allow-list, and with the definition that was pinned. */
export interface ToolDefinition {
  /** As the model sees it, unique over all servers; the seed's names whatever the server calls them. */
  name: string
  server: string
  description: string
  /** JSON Schema of type object. */
  inputSchema: Json
  /** sha256 of name, description and schema as the server gave them. */
  hash: string
}

export interface ToolResult {
  /** Bounded; where something was left out it says what, and how to read on. */
  text: string
  /** The tool said, or we say, that the call went wrong. */
  failed: boolean
  /** The tool answered, and there was nothing: an answer, not an error. */
  empty: boolean
  /** Under which the whole result is kept and paged by `read_result`, when `text` is not all of it. */
  handle?: string
  /** Characters of the whole result. */
  characters: number
  seconds: number
}

export interface ServerState {
  name: string
  at: 'connected' | 'away' | 'held'
  /** Why it is away, which definitions wait for approval since they have changed, or which of the tools named for it it lacks. */
  why?: string
  tools: number
}

/** Tools of MCP servers. Neither call throws for a server that is away: it is a failed result, and its tools are not listed. */
export interface Tools {
  list(): Promise<ToolDefinition[]>
  servers(): ServerState[]
  call(name: string, args: Json, options?: { signal?: AbortSignal }): Promise<ToolResult>
  close(): Promise<void>
}
