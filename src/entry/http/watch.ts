import type { Change } from '../../ports/console.ts'
import type { Json, Store } from '../../ports/store.ts'

/**
 * The same store, which also tells what has changed once it is durable. A change says where to look, never what is there.
 * What was not written (a lost race, a taken id) is not told.
 */
export function watchStore(store: Store, publish: (change: Change) => void): Store {
  const told = (changes: Change[]): void => {
    for (const change of changes) publish(change)
  }
  return {
    get: (collection, id) => store.get(collection, id),
    find: (collection, query) => store.find(collection, query),
    read: (stream, from, limit) => store.read(stream, from, limit),
    last: (stream, limit) => store.last(stream, limit),
    trim: (stream, before) => store.trim(stream, before),
    close: () => store.close(),
    async insert(collection, id, document) {
      const done = await store.insert(collection, id, document)
      if (done) told(changesOf(collection, id, document))
      return done
    },
    async put(collection, id, document, version) {
      const written = await store.put(collection, id, document, version)
      if (written !== undefined) told(changesOf(collection, id, document))
      return written
    },
    async append(stream, entry, at) {
      const seq = await store.append(stream, entry, at)
      if (seq !== undefined && stream.startsWith(OUTPUT)) told([{ kind: 'output', key: stream.slice(OUTPUT.length) }])
      return seq
    },
  }
}

const OUTPUT = 'output/'

function changesOf(collection: string, id: string, document: Json): Change[] {
  switch (collection) {
    case 'messages':
      return [{ kind: 'message', key: id, ...placeOf(document) }]
    case 'releases':
      return [{ kind: 'release', key: id }]
    case 'jobs':
      // Their ids begin with the release and its token.
      return [
        { kind: 'output', key: id },
        { kind: 'release', key: upTo(id, '.') },
      ]
    case 'observations':
      return [{ kind: 'release', key: upTo(id, '/') }]
    case 'incidents':
      return [{ kind: 'incident', key: id }]
    case 'sightings':
      return [{ kind: 'host', key: upTo(id, '/') }]
    case 'sessions':
    case 'tokens':
      return endOfAccess(document)
    default:
      return []
  }
}

function upTo(id: string, mark: string): string {
  return id.split(mark, 1)[0] ?? id
}

/** Who has signed out, or lost a token: their readers are looked at at once. */
function endOfAccess(document: Json): Change[] {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return []
  const { person, endedAt, revokedAt } = document
  const over = endedAt !== undefined || revokedAt !== undefined
  return over && typeof person === 'string' ? [{ kind: 'session', key: person }] : []
}

function placeOf(document: Json): { channel?: string; thread?: string } {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return {}
  const { channel, thread } = document
  return {
    ...(typeof channel === 'string' ? { channel } : {}),
    ...(typeof thread === 'string' ? { thread } : {}),
  }
}
