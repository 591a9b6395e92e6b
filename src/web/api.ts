import type {
  AlertPage,
  AuditPage,
  CommandsView,
  HostView,
  IncidentPage,
  IncidentView,
  MessagePage,
  MessageView,
  OutputView,
  Press,
  PressAnswer,
  Refusal,
  ReleaseDetail,
  ReleasePage,
  SeriesView,
  ServiceView,
  SessionView,
  SignIn,
  SurfacesView,
  TypedAnswer,
} from '../ports/console.ts'

export const API = '/api/v1'
/** An answer that takes longer is given up: the person is told, instead of looking at a spinner. */
const TIMEOUT_MS = 30_000

let spoken = 'en'

/** In which language the server is asked to answer from now on. */
export function speak(language: string): void {
  spoken = language
}

let turnedAway = () => {}

/** What is done whenever the server does not know (any more) who asks. */
export function whenTurnedAway(act: () => void): void {
  turnedAway = act
}

/** What the server refused, in its words; `code` is `console.offline` when it did not answer at all. */
export class ApiError extends Error {
  readonly code: string
  readonly say: string
  readonly next: string
  /** HTTP status; 0 when there was no answer. */
  readonly status: number

  constructor(status: number, refusal: Refusal, cause?: unknown) {
    super(refusal.say, { cause })
    this.name = 'ApiError'
    this.status = status
    this.code = refusal.code
    this.say = refusal.say
    this.next = refusal.next
  }
}

export type Query = Record<string, string | number | undefined>

/** `?a=1&b=2` without what is undefined or empty; the empty string when nothing is left. */
export function queryString(query: Query): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') params.set(name, String(value))
  }
  const text = params.toString()
  return text === '' ? '' : `?${text}`
}

export interface ReleaseFilter {
  service?: string
  state?: string
  person?: string
  version?: string
  /** ISO days or moments. */
  from?: string
  to?: string
}

export interface AuditFilter {
  person?: string
  action?: string
  result?: string
}

export interface IncidentFilter {
  state?: 'open' | 'over'
  service?: string
}

const PAGE = 30

export const api = {
  session: (signal?: AbortSignal) => call<SessionView>('GET', '/session', { signal }),
  signIn: (body: SignIn) => call<SessionView>('POST', '/session', { body }),
  signOut: () => call<SessionView>('DELETE', '/session'),
  messages: (where: { channel: string; thread?: string; before?: number }, signal?: AbortSignal) =>
    call<MessagePage>('GET', `/messages${queryString({ ...where, limit: PAGE })}`, { signal }),
  message: (key: string, signal?: AbortSignal) =>
    call<MessageView>('GET', `/messages/one${queryString({ key })}`, { signal }),
  type: (channel: string, text: string) => call<TypedAnswer>('POST', '/messages', { body: { channel, text } }),
  mayPress: (button: string) => call<PressAnswer>('GET', `/actions${queryString({ button })}`),
  press: (press: Press) => call<PressAnswer>('POST', '/actions', { body: press }),
  commands: (signal?: AbortSignal) => call<CommandsView>('GET', '/commands', { signal }),
  releases: (filter: ReleaseFilter, before?: string, signal?: AbortSignal) =>
    call<ReleasePage>('GET', `/releases${queryString({ ...filter, before, limit: PAGE })}`, { signal }),
  release: (id: string, signal?: AbortSignal) =>
    call<ReleaseDetail>('GET', `/releases/${encodeURIComponent(id)}`, { signal }),
  series: (id: string, signal?: AbortSignal) =>
    call<SeriesView>('GET', `/releases/${encodeURIComponent(id)}/series`, { signal }),
  output: (job: string, from: number, signal?: AbortSignal) =>
    call<OutputView>('GET', `/jobs/output${queryString({ job, from })}`, { signal }),
  services: (signal?: AbortSignal) => call<ServiceView[]>('GET', '/services', { signal }),
  hosts: (service: string | undefined, signal?: AbortSignal) =>
    call<HostView[]>('GET', `/hosts${queryString({ service })}`, { signal }),
  surfaces: (signal?: AbortSignal) => call<SurfacesView>('GET', '/surfaces', { signal }),
  probe: (service?: string) => call<HostView[]>('POST', '/hosts/probe', { body: { service } }),
  incidents: (filter: IncidentFilter, before?: string, signal?: AbortSignal) =>
    call<IncidentPage>('GET', `/incidents${queryString({ ...filter, before, limit: PAGE })}`, { signal }),
  incident: (id: string, signal?: AbortSignal) =>
    call<IncidentView>('GET', `/incidents/${encodeURIComponent(id)}`, { signal }),
  alerts: (incident: string, after?: string, signal?: AbortSignal) =>
    call<AlertPage>('GET', `/alerts${queryString({ incident, after, limit: 50 })}`, { signal }),
  audit: (filter: AuditFilter, before?: number, signal?: AbortSignal) =>
    call<AuditPage>('GET', `/audit${queryString({ ...filter, before, limit: 50 })}`, { signal }),
}

/** One request. Rejects with ApiError whatever goes wrong, except when `signal` ends it. */
async function call<T>(
  method: string,
  path: string,
  options: { body?: unknown; signal?: AbortSignal } = {},
): Promise<T> {
  const { body, signal } = options
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  let response: Response
  try {
    response = await fetch(`${API}${path}`, {
      method,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        'accept-language': spoken,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw offline(error)
  }
  const text = await response.text().catch((error: unknown) => {
    throw offline(error)
  })
  const answer = parse(text)
  if (response.ok) return answer as T
  if (response.status === 401) turnedAway()
  throw new ApiError(response.status, isRefusal(answer) ? answer : unreadable(response.status))
}

function offline(cause: unknown): ApiError {
  const refusal = { code: 'console.offline', say: 'The server does not answer.', next: 'see whether rollcall runs' }
  return new ApiError(0, refusal, cause)
}

function unreadable(status: number): Refusal {
  return { code: 'console.unreadable', say: `The server answered ${status} without a reason.`, next: 'see its log' }
}

function parse(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'code' in value && 'say' in value && 'next' in value
}
