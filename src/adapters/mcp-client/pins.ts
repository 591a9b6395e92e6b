import { createHash } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from '../../lib/canonical-json.ts'
import type { Json, Store } from '../../ports/store.ts'
import { clean } from './clean.ts'

export interface Definition {
  name: string
  description?: string
  inputSchema: unknown
}

const collection = 'tool-pins'
const pinned = z.object({ hash: z.string().regex(/^[0-9a-f]{64}$/), pinnedAt: z.string() })
const document = z.object({ server: z.string(), tools: z.record(z.string(), pinned) })
export type PinDocument = z.output<typeof document>

/** sha256 of name, description and input schema as the server gave them, in canonical JSON (keys sorted). */
export function definitionHash({ name, description, inputSchema }: Definition): string {
  return createHash('sha256')
    .update(canonicalJson({ name, description: description ?? '', inputSchema }))
    .digest('hex')
}

/** A store that can only be read: definitions are compared with what is pinned, and nothing is pinned. */
export type PinStore = Pick<Store, 'get'> & Partial<Pick<Store, 'insert' | 'put'>>

export interface Compared {
  /** Tools whose definition is the pinned one. */
  same: Set<string>
  /** Tool -> what is different: held until somebody approves. */
  changed: Map<string, string>
}

export interface Pins {
  read(server: string): Promise<PinDocument | undefined>
  /** Compares with the pins of the configuration, then of the store; a server that has none yet is pinned as it is now. */
  compare(server: string, configured: Record<string, string>, tools: Definition[]): Promise<Compared>
  /** Pins the definitions as they are now. Where the store can only be read, nothing happens. */
  replace(server: string, tools: Definition[]): Promise<void>
}

/** Definitions of tools, pinned at the first connect (trust on first use, as with host keys of SSH). */
export function createPins(store: PinStore, clock: () => Date): Pins {
  const read = async (server: string) => {
    const row = await store.get(collection, server)
    return row === undefined ? undefined : { version: row.version, pins: document.parse(row.document) }
  }
  const pinAll = (server: string, tools: Definition[]): PinDocument => ({
    server,
    tools: Object.fromEntries(
      tools.map((tool) => [tool.name, { hash: definitionHash(tool), pinnedAt: clock().toISOString() }]),
    ),
  })
  return {
    read: async (server) => (await read(server))?.pins,
    async compare(server, configured, tools) {
      const unpinned = tools.filter(({ name }) => configured[name] === undefined)
      let known = (await read(server))?.pins
      // A tool that is all new on a server that is known: nobody has seen it yet.
      if (known === undefined && unpinned.length > 0) {
        const now = pinAll(server, unpinned) satisfies Json
        // Whoever only looks sees it as the first connection will.
        if (store.insert === undefined) known = now
        else if (await store.insert(collection, server, now)) known = now
        else known = (await read(server))?.pins
      }
      const result: Compared = { same: new Set(), changed: new Map() }
      for (const tool of tools) {
        const hash = definitionHash(tool)
        const wanted = configured[tool.name] ?? known?.tools[tool.name]?.hash
        if (wanted === hash) result.same.add(tool.name)
        else result.changed.set(tool.name, difference(tool.name, wanted, hash))
      }
      return result
    },
    async replace(server, tools) {
      if (store.insert === undefined || store.put === undefined) return
      for (let attempt = 0; attempt < 10; attempt++) {
        const next = pinAll(server, tools) satisfies Json
        const before = await read(server)
        const done =
          before === undefined
            ? await store.insert(collection, server, next)
            : (await store.put(collection, server, next, before.version)) !== undefined
        if (done) return
      }
    },
  }
}

function difference(name: string, wanted: string | undefined, hash: string): string {
  const shown = clean(name).slice(0, 80)
  return wanted === undefined
    ? `${shown} is new (${hash.slice(0, 12)})`
    : `${shown} has changed (${wanted.slice(0, 12)} to ${hash.slice(0, 12)})`
}
