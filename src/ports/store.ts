/** Everything a document may hold: what JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined }

export interface Row {
  id: string
  /** Starts at 1 and grows by one with each put; the token of compare-and-set. */
  version: number
  document: Json
}

export interface Query {
  /** Equality on top-level fields of the document. */
  where?: Record<string, string | number | boolean>
  /** Rows whose id starts with this. */
  prefix?: string
  /** By id, ascending unless told otherwise. */
  descending?: boolean
  limit?: number
}

export interface Entry {
  seq: number
  entry: Json
}

/**
 * Documents by collection and id, and append-only streams. It knows no domain types.
 * Each call is atomic by itself and durable when it resolves; nothing spans two calls.
 * Throws Fault `store.unavailable` (retry) when the database cannot be reached or is full.
 */
export interface Store {
  get(collection: string, id: string): Promise<Row | undefined>
  /** False when the id is taken; nothing is written then. */
  insert(collection: string, id: string, document: Json): Promise<boolean>
  /** Replaces the document if its version is still the one given. Returns the new version, or undefined when it lost the race. */
  put(collection: string, id: string, document: Json, version: number): Promise<number | undefined>
  find(collection: string, query?: Query): Promise<Row[]>
  /** Adds one entry to a stream and returns its sequence number (the first is 0). With `at`, only if that number is free and
   *  not below the stream's end: otherwise returns undefined and writes nothing. Gaps are allowed with `at` (byte offsets are used as numbers). */
  append(stream: string, entry: Json, at?: number): Promise<number | undefined>
  /** Entries with seq >= from, in order. */
  read(stream: string, from?: number, limit?: number): Promise<Entry[]>
  /** The newest `limit` entries of a stream, ascending. */
  last(stream: string, limit: number): Promise<Entry[]>
  /** Forgets the entries with seq < `before`, never the newest: numbers go on. For streams that nobody needs from the beginning. */
  trim(stream: string, before: number): Promise<void>
  close(): Promise<void>
}
