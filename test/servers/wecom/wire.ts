/** One frame of the long connection, in either direction. Acknowledgements carry no cmd. */
export interface Frame {
  cmd?: string
  headers: { req_id: string }
  body?: Record<string, unknown>
  errcode?: number
  errmsg?: string
}

/** What the service answers to a frame that it does not take: the code is what counts, the words may change. */
export interface Refusal {
  errcode: number
  errmsg: string
}

/** What one frame comes to: a refusal, or the body of the acknowledgement (most have none). */
export type Outcome = { refusal: Refusal } | { body?: Record<string, unknown> }

/** The codes as people report them from the live service, and where unreported, as its list of global return codes has them. */
export const codes = {
  credentials: 853_000,
  notSubscribed: 846_609,
  reqId: 846_605,
  stream: 846_608,
  task: 42_014,
  card: 42_039,
  cardAction: 42_045,
  rate: 45_009,
  chat: 93_006,
  webhook: 93_000,
  msgtype: 40_008,
  parameter: 40_058,
  media: 40_007,
  mediaKind: 40_004,
  mediaSize: 45_001,
  size: 45_002,
  empty: 44_004,
  json: 47_001,
} as const

export function refuse(code: keyof typeof codes, errmsg: string): { refusal: Refusal } {
  return { refusal: { errcode: codes[code], errmsg } }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The text at a path of objects; undefined when there is none. */
export function textAt(value: unknown, ...path: string[]): string | undefined {
  let at = value
  for (const key of path) at = isObject(at) ? at[key] : undefined
  return typeof at === 'string' ? at : undefined
}

/** A list of objects; undefined when it is something else. */
export function listOf(value: unknown): Record<string, unknown>[] | undefined {
  return Array.isArray(value) && value.every(isObject) ? value : undefined
}

export const bytes = (text: string): number => Buffer.byteLength(text, 'utf8')
