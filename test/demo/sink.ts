import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What Alertmanager's webhook (version 4) brings, as far as the tests look at it. */
export interface Delivered {
  status: 'firing' | 'resolved'
  groupKey: string
  groupLabels: Record<string, string>
  alerts: {
    status: 'firing' | 'resolved'
    labels: Record<string, string>
    annotations: Record<string, string>
    startsAt: string
    endsAt: string
    generatorURL: string
  }[]
}

export interface Sink {
  url: string
  got: Delivered[]
  /** Alerts by how they were heard last: `HighErrorRate bj-1` and its status. */
  last(): Record<string, string>
  close(): Promise<void>
}

/** A webhook on a free port that keeps what it is sent. */
export async function startSink(): Promise<Sink> {
  const got: Delivered[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      got.push(JSON.parse(body) as Delivered)
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    got,
    last: () =>
      Object.fromEntries(
        got.flatMap(({ alerts }) =>
          alerts.map(({ labels, status }) => [`${labels.alertname} ${labels.host}`, status] as const),
        ),
      ),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
