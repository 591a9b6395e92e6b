import { z } from 'zod'
import type { Model } from '../ports/model.ts'
import type { Tools } from '../ports/tools.ts'
import { type Check, check } from './doctor-check.ts'

/** What alerts and diagnoses need, as it is configured. */
export interface IncidentPatient {
  /** `proves`: it sends a token with its alerts. `token` is what its own API asks for. */
  sources: { name: string; url?: string; proves?: boolean; token?: string }[]
  /** Undefined without a key: reports come from rules then. `keyName` is the variable that holds the key. */
  model?: { model: Model; host: string }
  tools: Pick<Tools, 'list' | 'servers'>
}

const statusSchema = z.object({ versionInfo: z.object({ version: z.string().max(40) }) })
const ANSWER_MS = 10_000

/** Whether the API of each source answers, as silences need it. */
export async function checkAlertSources({ sources }: IncidentPatient, get: typeof fetch): Promise<Check[]> {
  if (sources.length === 0) {
    return [check('alerts', 'alerts', 'ok', 'no source is named: alerts are taken from this machine, without silences')]
  }
  return Promise.all(sources.map((source) => checkSource(source, get)))
}

async function checkSource(source: IncidentPatient['sources'][number], get: typeof fetch): Promise<Check> {
  const { name, url, token, proves } = source
  const proof = proves !== true ? 'it sends no token, so it must run on this machine' : 'it sends a token'
  if (url === undefined) return check('alerts', name, 'ok', `${proof}; no url, so nothing can be silenced there`)
  const headers = { accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
  const remedy = `check that it runs, and url under alerts.sources for ${name}`
  try {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const answer = await get(`${url.replace(/\/+$/, '')}/api/v2/status`, { headers, redirect: 'error', signal })
    const parsed = statusSchema.safeParse(await answer.json().catch(() => undefined))
    if (answer.ok && parsed.success) {
      return check('alerts', name, 'ok', `Alertmanager ${parsed.data.versionInfo.version} answers; ${proof}`)
    }
    return check('alerts', name, 'fail', `what answers at ${url} is no Alertmanager (HTTP ${answer.status})`, remedy)
  } catch {
    return check('alerts', name, 'fail', `${url} does not answer`, remedy)
  }
}

/** Asks the model for one word: the key, the name and the way there are right, or they are not. */
export async function checkModel({ model: given }: IncidentPatient): Promise<Check[]> {
  if (given === undefined) {
    return [check('model', 'model', 'ok', 'no key is set: reports come from rules')]
  }
  const { model, host } = given
  const answer = await model.complete({
    system: 'You are asked whether you can be reached.',
    turns: [{ role: 'user', text: 'Answer with the word yes.' }],
    tools: [],
    maxTokens: 2000,
  })
  if (!answer.ok) return [check('model', model.name, 'fail', answer.say, answer.next)]
  return [check('model', model.name, 'ok', `${answer.model} at ${host} answers in ${answer.seconds.toFixed(1)} s`)]
}

/** Connects to each MCP server: whether it offers what is named for it, with the definitions that are pinned. */
export async function checkTools({ tools }: IncidentPatient): Promise<Check[]> {
  await tools.list()
  return tools.servers().map(({ name, at, why, tools: count }) => {
    const has = `connected, ${count} ${count === 1 ? 'tool' : 'tools'}`
    if (at === 'connected' && why === undefined && count > 0) return check('tools', name, 'ok', has)
    if (at === 'connected')
      return check(
        'tools',
        name,
        'warn',
        why === undefined ? has : `${has}; ${why}`,
        `check the tools that mcp names for ${name}`,
      )
    const remedy =
      at === 'held'
        ? `type rollcall tools to see what has changed, then rollcall tools approve ${name}`
        : `check how mcp reaches ${name}: its program or address, and its token`
    return check('tools', name, 'warn', `${at}: ${why ?? 'no reason is known'}`, remedy)
  })
}
