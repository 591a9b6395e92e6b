import type { QueryClient } from '@tanstack/react-query'
import type { Change, MessageView } from '../../ports/console.ts'
import { api } from '../api.ts'
import { keys, staleAfter } from '../keys.ts'
import { merge, type Pages } from '../pages.ts'

/** Changes that come in a burst are answered with one request each: they are gathered this long. */
const GATHER_MS = 120
/** In a storm of alerts an incident changes many times a second, and its lists are asked for anew: once a second is enough. */
const INCIDENTS_MS = 1000

interface Gathering {
  add(change: Change): void
  end(): void
}

/** Collects changes, one per (kind, key), and carries them out together. */
export function gathering(client: QueryClient): Gathering {
  const others = gatheringFor(client, GATHER_MS)
  const incidents = gatheringFor(client, INCIDENTS_MS)
  return {
    add(change) {
      const each = change.kind === 'incident' ? incidents : others
      each.add(change)
    },
    end() {
      others.end()
      incidents.end()
    },
  }
}

function gatheringFor(client: QueryClient, ms: number): Gathering {
  const waiting = new Map<string, Change>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const carryOut = () => {
    timer = undefined
    const changes = [...waiting.values()]
    waiting.clear()
    const stale = new Map(changes.flatMap(staleAfter).map((key) => [JSON.stringify(key), key]))
    for (const queryKey of stale.values()) void client.invalidateQueries({ queryKey })
    for (const change of changes) if (change.kind === 'message') void fetchMessage(client, change)
  }
  return {
    add(change) {
      waiting.set(`${change.kind} ${change.key}`, change)
      timer ??= setTimeout(carryOut, ms)
    },
    end() {
      clearTimeout(timer)
      waiting.clear()
    },
  }
}

/** Puts the newest form of one message where it is shown, and that of the message under which it stands (its count of replies). */
async function fetchMessage(client: QueryClient, change: Change): Promise<void> {
  try {
    const message = await api.message(change.key)
    place(
      client,
      message.thread === undefined ? keys.messages(message.channel) : keys.thread(message.channel, message.thread),
      message,
    )
    client.setQueryData(keys.message(message.key), message)
    if (message.thread !== undefined) {
      const root = await api.message(message.thread)
      place(client, keys.messages(root.channel), root)
      client.setQueryData(keys.message(root.key), root)
    }
  } catch {
    // What cannot be had now comes with the next change, or when the line is open again.
    await client.invalidateQueries({ queryKey: ['messages'] })
  }
}

function place(client: QueryClient, queryKey: readonly unknown[], message: MessageView): void {
  // A page that is on its way may have been read before the change: it is asked for again.
  if (client.isFetching({ queryKey }) > 0) void client.invalidateQueries({ queryKey })
  client.setQueryData<Pages>(queryKey, (held) => (held === undefined ? undefined : merge(held, message)))
}
