// user-service: a small HTTP service that measures itself. It needs nothing but Node.
// `behaviour.json` beside this file says which version it is and how it behaves;
// PORT, HOST_ID and (optionally) BIND come from the environment, where bin/start puts them.
// ACCOUNT_STORE is the address of the service that it asks for a share of its requests; it asks none without it.
// SERVICE gives it another name: what it asks is the same program.
import { readFileSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'

const behaviour = JSON.parse(readFileSync(new URL('behaviour.json', import.meta.url), 'utf8'))
const { version, errorRate, medianMs, sigma, addedMs, accountShare = 0 } = behaviour
const service = process.env.SERVICE ?? 'user-service'
const host = process.env.HOST_ID ?? 'unknown'
const accountStore = process.env.ACCOUNT_STORE ?? ''
const identity = `service="${service}",version="${version}",host="${host}"`

const buckets = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const counts = buckets.map(() => 0)
let observations = 0
let totalSeconds = 0
// All exist from the start, so that a rate over the first error does not begin in the middle.
const requests = new Map([
  ['200', 0],
  ['500', 0],
  ['502', 0],
])

function observe(code, seconds) {
  requests.set(code, (requests.get(code) ?? 0) + 1)
  observations += 1
  totalSeconds += seconds
  for (const [i, limit] of buckets.entries()) if (seconds <= limit) counts[i] += 1
}

// Every 1 / share-th request is meant: the share shows after a few requests, not only on average.
function everySoOften(share) {
  let asked = 0
  // The small addend keeps binary fractions from losing one: 100 * 0.08 is a little less than 8.
  const due = (n) => Math.floor(n * share + 1e-9)
  return () => {
    asked += 1
    return due(asked) > due(asked - 1)
  }
}
const fails = everySoOften(errorRate)
const asksAccount = everySoOften(accountStore === '' ? 0 : accountShare)

const agent = new Agent({ keepAlive: true })

/** Calls `done` with whether account-store answered. A connection that it closed just as it was used again is no answer yet. */
function askAccount(done, again = true) {
  const asked = get(accountStore, { agent, timeout: 500 }, (response) => {
    response.resume()
    response.on('end', () => done(response.statusCode === 200))
  })
  asked.on('timeout', () => asked.destroy(new Error('too late')))
  asked.on('error', ({ code }) => {
    if (again && asked.reusedSocket && code === 'ECONNRESET') askAccount(done, false)
    else done(false)
  })
}

/** Log-normal, as service times are: the median is medianMs, and sigma is the spread of the logarithm. */
function latencyMs() {
  const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
  return addedMs + medianMs * Math.exp(sigma * normal)
}

function metrics() {
  const lines = []
  const family = (name, type, help) => lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
  family('http_requests_total', 'counter', 'Requests answered, by status code.')
  for (const [code, n] of requests) lines.push(`http_requests_total{${identity},code="${code}"} ${n}`)
  family('http_request_duration_seconds', 'histogram', 'Time to answer a request, in seconds.')
  for (const [i, limit] of buckets.entries()) {
    lines.push(`http_request_duration_seconds_bucket{${identity},le="${limit}"} ${counts[i]}`)
  }
  lines.push(
    `http_request_duration_seconds_bucket{${identity},le="+Inf"} ${observations}`,
    `http_request_duration_seconds_sum{${identity}} ${totalSeconds}`,
    `http_request_duration_seconds_count{${identity}} ${observations}`,
  )
  const { user, system } = process.cpuUsage()
  family('process_cpu_seconds_total', 'counter', 'User and system CPU time spent, in seconds.')
  lines.push(`process_cpu_seconds_total{${identity}} ${(user + system) / 1e6}`)
  family('process_resident_memory_bytes', 'gauge', 'Resident memory size, in bytes.')
  lines.push(`process_resident_memory_bytes{${identity}} ${process.memoryUsage.rss()}`)
  family('process_start_time_seconds', 'gauge', 'Start of the process, in seconds since 1970.')
  lines.push(`process_start_time_seconds{${identity}} ${startedAt}`)
  return `${lines.join('\n')}\n`
}

let stopping = false
const startedAt = Date.now() / 1000 - process.uptime()

const server = createServer((request, response) => {
  request.resume()
  const path = (request.url ?? '/').split('?')[0]
  if (path === '/metrics') {
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8').end(metrics())
    return
  }
  response.setHeader('content-type', 'application/json')
  if (path === '/health') {
    response.end(`${JSON.stringify({ status: 'ok', service, version, host })}\n`)
    return
  }
  const began = process.hrtime.bigint()
  const answer = (code, body) => {
    response.statusCode = code
    if (stopping) response.setHeader('connection', 'close')
    response.end(`${JSON.stringify(body)}\n`)
    observe(String(code), Number(process.hrtime.bigint() - began) / 1e9)
  }
  if (path !== '/') return answer(404, { error: 'no such page' })
  const broken = fails()
  const withAccount = asksAccount()
  const found = () => answer(200, { user: 'u-1001', version, host })
  setTimeout(() => {
    if (broken) answer(500, { error: 'user lookup failed', version, host })
    else if (!withAccount) found()
    else askAccount((ok) => (ok ? found() : answer(502, { error: 'account-store does not answer', version, host })))
  }, latencyMs())
})

// A restart must not fail requests that were accepted: they end first, within a bound.
function stop() {
  stopping = true
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), 1000).unref()
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)

server.on('error', (error) => {
  console.error(`${new Date().toISOString()} ${service} ${version} cannot listen: ${error.message}`)
  process.exit(1)
})
server.listen(Number(process.env.PORT), process.env.BIND ?? '127.0.0.1', () => {
  console.log(`${new Date().toISOString()} ${service} ${version} on ${host} listens on port ${process.env.PORT}`)
})
