import { createHash, type Hash } from 'node:crypto'
import { type Load, openLoad } from './adapters/mongo/load.ts'
import { type Dump, dumpFile, openDump } from './adapters/sqlite/dump.ts'
import { lockFolder } from './adapters/sqlite/index.ts'
import { loadConfig } from './config/load.ts'
import { Fault } from './lib/fault.ts'

type Write = (text: string) => void

export interface CopyFlags {
  /** Says what the other flags leave out. */
  config: string
  from?: string | undefined
  toUriEnv?: string | undefined
  database?: string | undefined
  /** Compare only, write nothing. */
  verify: boolean
}

interface Ends {
  folder: string
  uriEnv: string
  uri: string
  database: string
}

/** Rows or entries that are read and written at a time. */
const batch = 100
const example = 'rollcall store copy --from .rollcall --to-uri-env MONGODB_URI'

/** `rollcall store copy`: the exit code. */
export async function storeCommand(words: readonly string[], flags: CopyFlags, write: Write): Promise<number> {
  if (words.length !== 1 || words[0] !== 'copy') {
    process.stderr.write(`What is to be done with the store? Next: ${example}\n`)
    return 2
  }
  const ends = endsOf(flags, process.env)
  // Before the lock, which would make the folder.
  dumpFile(ends.folder)
  // The bot that writes to the folder must have ended.
  const lock = lockFolder(ends.folder)
  try {
    const dump = await openDump(ends.folder)
    try {
      const load = await openLoad(ends.uri, ends.database)
      try {
        if (flags.verify) write(`${sentence(await verify(dump, load, ends))} are the same here and there.\n`)
        else await copy(dump, load, ends, write)
      } finally {
        await load.close()
      }
    } finally {
      dump.close()
    }
  } finally {
    lock.release()
  }
  return 0
}

/** Where from and where to: the flags, then `store` of the configuration, then what is usual. */
function endsOf(flags: CopyFlags, env: NodeJS.ProcessEnv): Ends {
  // Who says both ends needs no configuration.
  const store =
    flags.from !== undefined && flags.toUriEnv !== undefined ? undefined : loadConfig(flags.config, env).store
  const shared = store?.kind === 'mongo' ? store : undefined
  const uriEnv = flags.toUriEnv ?? shared?.uriEnv ?? 'MONGODB_URI'
  const uri = env[uriEnv] ?? ''
  if (uri === '') {
    throw new Fault('store.no-address', {
      say: `The variable ${uriEnv} holds no connection string.`,
      next: `set ${uriEnv} to mongodb://…, or name another variable with --to-uri-env`,
    })
  }
  return {
    folder: flags.from ?? store?.folder ?? '.rollcall',
    uriEnv,
    uri,
    database: flags.database ?? shared?.database ?? 'rollcall',
  }
}

async function copy(dump: Dump, load: Load, ends: Ends, write: Write): Promise<void> {
  const resumed = await load.begin(dump.id)
  write(`${resumed ? 'The copy goes on' : 'Copying'}: ${ends.folder} to the database ${ends.database}\n`)
  for (const { name, rows } of dump.collections()) {
    let done = 0
    for await (const page of pages((after?: string) => dump.rows(name, after, batch), lastId)) {
      await load.documents(name, page)
      done += page.length
      if (done % (batch * 10) === 0) write(`  ${name}: ${done} of ${rows}\n`)
    }
    write(`  ${name}: ${done} documents\n`)
  }
  const streams = dump.streams()
  let copied = 0
  for (const [place, { name, first, last }] of streams.entries()) {
    for await (const page of pages((after = -1) => dump.stream(name, after, batch), lastSeq)) {
      await load.entries(name, page, { first, last: page.at(-1)?.seq === last })
      copied += page.length
    }
    if ((place + 1) % 100 === 0) write(`  streams: ${place + 1} of ${streams.length}\n`)
  }
  write(`  ${streams.length} streams: ${copied} entries\n`)
  const counts = await verify(dump, load, ends)
  await load.finish()
  write(`Copied and compared: ${sentence(counts)}.\n${nextSteps(ends)}`)
}

interface Counts {
  collections: number
  documents: number
  streams: number
  entries: number
}

function sentence({ collections, documents, streams, entries }: Counts): string {
  return `${documents} documents in ${collections} collections and ${entries} entries in ${streams} streams`
}

/** Compares both ends, each collection and stream by its count and digest. Throws Fault `store.copy-differs`. */
async function verify(dump: Dump, load: Load, { database }: Ends): Promise<Counts> {
  const differs = (what: string) =>
    new Fault('store.copy-differs', {
      say: `The database ${database} is not the same as the folder: ${what}.`,
      next: 'drop the database and copy again; once a bot has worked on it, the two differ by what it did',
    })
  const counts = { collections: 0, documents: 0, streams: 0, entries: 0 }
  const collections = dump.collections().map(({ name }) => name)
  const streams = dump.streams().map(({ name }) => name)
  const more =
    strange(await load.collections(), collections, 'the collection') ??
    strange(await load.streams(), streams, 'the stream')
  if (more !== undefined) throw differs(`${more} is only there`)
  for (const name of collections) {
    const here = await digest((after?: string) => dump.rows(name, after, batch), lastId)
    const there = await digest((after?: string) => load.rows(name, after, batch), lastId)
    if (here.digest !== there.digest) throw differs(difference(`the collection ${name}`, here, there))
    counts.collections++
    counts.documents += here.count
  }
  for (const name of streams) {
    const here = await digest((after = -1) => dump.stream(name, after, batch), lastSeq)
    const there = await digest((after = -1) => load.stream(name, after, batch), lastSeq)
    if (here.digest !== there.digest) throw differs(difference(`the stream ${name}`, here, there))
    counts.streams++
    counts.entries += here.count
  }
  return counts
}

function strange(there: string[], here: string[], what: string): string | undefined {
  const known = new Set(here)
  const name = there.find((each) => !known.has(each))
  return name === undefined ? undefined : `${what} ${name}`
}

interface Digest {
  count: number
  digest: string
}

function difference(what: string, here: Digest, there: Digest): string {
  if (here.count !== there.count) return `${what} has ${here.count} here and ${there.count} there`
  return `${what} has other contents`
}

const lastId = ({ id }: { id: string }) => id
const lastSeq = ({ seq }: { seq: number }) => seq

async function* pages<T, K>(read: (after?: K) => T[] | Promise<T[]>, keyOf: (item: T) => K): AsyncGenerator<T[]> {
  let after: K | undefined
  for (;;) {
    const page = await read(after)
    const last = page.at(-1)
    if (last === undefined) return
    yield page
    after = keyOf(last)
  }
}

async function digest<T extends object, K>(
  read: (after?: K) => T[] | Promise<T[]>,
  keyOf: (item: T) => K,
): Promise<Digest> {
  const hash: Hash = createHash('sha256')
  let count = 0
  for await (const page of pages(read, keyOf)) {
    for (const item of page) hash.update(`${JSON.stringify(Object.values(item))}\n`)
    count += page.length
  }
  return { count, digest: hash.digest('hex') }
}

function nextSteps({ folder, uriEnv, database }: Ends): string {
  return `Next: write this into rollcall.yaml, and start Rollcall with ${uriEnv} set.

  store:
    kind: mongo
    uriEnv: ${uriEnv}
    database: ${database}
    folder: ${folder}

Keep the folder: audit.key in it is the key of the audit log (unless ROLLCALL_AUDIT_KEY holds it), and every further bot
needs the same key. rollcall.db in it is not used any more; it is a backup from before the change.
`
}
