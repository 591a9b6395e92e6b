import type { QueryClient } from '@tanstack/react-query'
import { keys } from '../keys.ts'
import { gathering } from './gather.ts'
import type { Line, Tell } from './news.ts'
import { type Hall, share } from './share.ts'
import { openStream } from './stream.ts'

/**
 * Keeps what is shown up to date from the server's events. Whenever the line breaks or is back it is asked who one is: the session
 * may have ended, or be another person's, and a stream cannot tell. Returns the function that ends it.
 */
export function follow(client: QueryClient, onLine: (line: Line) => void, hall: Hall | undefined): () => void {
  const gather = gathering(client)
  const tell: Tell = (news) => {
    if (news.type === 'change') gather.add(news.change)
    if (news.type === 'reset') void client.invalidateQueries()
    if (news.type !== 'line') return
    onLine(news.line)
    if (news.line !== 'connecting') void client.invalidateQueries({ queryKey: keys.session })
  }
  const end = share(openStream, tell, hall)
  return () => {
    end()
    gather.end()
  }
}
