import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import type { PrometheusConfig } from './config.ts'
import { type Answer, connect } from './http.ts'

const good = z.object({ status: z.literal('success'), data: z.unknown(), warnings: z.array(z.string()).optional() })
const bad = z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() })
const longestReason = 500

export type Asked = { ok: true; data: unknown; warnings: string[] } | { ok: false; reason: string }

/** GET or POST on one path of Prometheus' HTTP API, answers as they are; what goes wrong is a sentence with Prometheus' own reason in it. */
export type Api = (method: 'GET' | 'POST', path: string, parameters?: Record<string, string>) => Promise<Asked>

export function createApi(config: PrometheusConfig, environment: Record<string, string | undefined>): Api {
  const { ask, clean } = connect(config, environment)
  return async (method, path, parameters = {}) => {
    let answer: Answer
    try {
      answer = await ask(method, path, new URLSearchParams(parameters))
    } catch (error) {
      if (error instanceof Fault) return { ok: false, reason: clean(error.message) }
      throw error
    }
    const body = jsonOf(answer.body)
    const parsed = good.safeParse(body)
    if (answer.status === 200 && parsed.success)
      return { ok: true, data: parsed.data.data, warnings: parsed.data.warnings ?? [] }
    return { ok: false, reason: reasonOf(answer.status, body, clean) }
  }
}

function reasonOf(status: number, body: unknown, clean: (text: string) => string): string {
  const said = bad.safeParse(body)
  if (said.success)
    return `Prometheus says (HTTP ${status}, ${said.data.errorType}): ${clean(said.data.error).slice(0, longestReason)}`
  if (status >= 500 || status === 429)
    return `Prometheus is in trouble (HTTP ${status}). Try once more, or ask for less.`
  if (status === 401 || status === 403) return `Prometheus rejects the credentials (HTTP ${status}).`
  if (status >= 300 && status < 400) return `Prometheus redirects elsewhere (HTTP ${status}), which is not followed.`
  return `What answers does not speak Prometheus' API (HTTP ${status}).`
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
