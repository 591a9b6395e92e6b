import { readFileSync } from 'node:fs'
import { Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { Fault } from '../../lib/fault.ts'
import { createRedactor } from '../../lib/redact.ts'
import type { PrometheusConfig } from './config.ts'

/** Largest answer that is read, bytes. */
const largestAnswer = 16 * 2 ** 20

export interface Answer {
  status: number
  body: string
}

/** One exchange: GET with the parameters in the address, POST with them in a form. Throws the port's faults. */
export type Ask = (method: 'GET' | 'POST', path: string, parameters: URLSearchParams) => Promise<Answer>

type Environment = Record<string, string | undefined>

/**
 * HTTP to one server: credentials from the environment, one time limit for the whole exchange, an answer of at most
 * 16 MiB, no redirects. Node's own client rather than fetch, because only it takes a private authority per server.
 * Throws Fault `metrics.credentials-missing` or `metrics.ca-unreadable` at once.
 */
export function connect(
  config: PrometheusConfig,
  environment: Environment,
): { ask: Ask; clean: (text: string) => string } {
  const base = new URL(config.url)
  const { authorization, secret } = credentials(config, environment)
  const clean = createRedactor([secret, ...Object.values(config.headers)].filter((text) => text.length >= 6)).text
  const secure = base.protocol === 'https:'
  const agent = secure
    ? new TlsAgent({ ca: authority(config), keepAlive: false })
    : new PlainAgent({ keepAlive: false })
  const headers = { ...config.headers, ...authorization, accept: 'application/json' }
  const ask: Ask = (method, path, parameters) => {
    const url = new URL(base.href.replace(/\/*$/, path))
    const form = parameters.toString()
    if (method === 'GET') url.search = form
    const body = method === 'POST' ? form : ''
    const type: Record<string, string> =
      method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {}
    const length = { 'content-length': String(Buffer.byteLength(body)) }
    return exchange(
      secure ? tlsRequest : plainRequest,
      url,
      { method, agent, headers: { ...headers, ...type, ...length } },
      body,
    )
  }
  const exchange = (
    request: typeof plainRequest,
    url: URL,
    options: { method: string; agent: PlainAgent; headers: Record<string, string> },
    body: string,
  ) =>
    new Promise<Answer>((resolve, reject) => {
      const signal = AbortSignal.timeout(config.timeoutSeconds * 1000)
      const fail = (error: unknown) => reject(signal.aborted ? timedOut(config) : unreachable(config, error))
      const sent = request(url, { ...options, signal }, (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          chunks.push(chunk)
          if (size <= largestAnswer) return
          reject(tooLarge(config))
          sent.destroy()
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        )
        response.on('error', fail)
      })
      sent.on('error', fail)
      sent.end(body)
    })
  return { ask, clean }
}

function credentials(
  { bearerTokenEnv, basicAuth }: PrometheusConfig,
  environment: Environment,
): { authorization: Record<string, string>; secret: string } {
  const variable = bearerTokenEnv ?? basicAuth?.passwordEnv
  if (variable === undefined) return { authorization: {}, secret: '' }
  const secret = environment[variable]?.trim() ?? ''
  if (secret === '' || /[^\x21-\x7e]/.test(secret))
    throw new Fault('metrics.credentials-missing', {
      say: `the environment variable ${variable} holds no usable secret for Prometheus.`,
      next: `set ${variable}`,
    })
  const basic = Buffer.from(`${basicAuth?.user}:${secret}`).toString('base64')
  return { authorization: { authorization: basicAuth === undefined ? `Bearer ${secret}` : `Basic ${basic}` }, secret }
}

function authority({ tlsCaFile }: PrometheusConfig): string | undefined {
  try {
    return tlsCaFile === undefined ? undefined : readFileSync(tlsCaFile, 'utf8')
  } catch (cause) {
    throw new Fault('metrics.ca-unreadable', {
      say: `the certificate file ${tlsCaFile} cannot be read.`,
      next: 'correct prometheus.tlsCaFile',
      cause,
    })
  }
}

function timedOut({ url, timeoutSeconds }: PrometheusConfig): Fault {
  return new Fault('metrics.timeout', {
    say: `Prometheus at ${url} did not answer in ${timeoutSeconds} s.`,
    next: 'check its load, or raise prometheus.timeoutSeconds',
    retry: true,
  })
}

function unreachable({ url }: PrometheusConfig, error: unknown): Fault {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'connection lost'
  return new Fault('metrics.unreachable', {
    say: `Prometheus at ${url} cannot be reached (${code}).`,
    next: `check that it runs: curl ${url.replace(/\/*$/, '')}/-/ready`,
    retry: true,
  })
}

function tooLarge({ url }: PrometheusConfig): Fault {
  return new Fault('metrics.refused', {
    say: `Prometheus at ${url} answered with more than ${largestAnswer / 2 ** 20} MiB.`,
    next: 'narrow the metric with labels, in red of the service',
  })
}
