/** What a provider of language models said when it did not answer, in the words of its API. */
export interface ProviderError {
  /** Undefined when it came in the middle of a stream. */
  status: number | undefined
  /** Type and code of the error, such as `rate_limit_error`. */
  code: string
  /** Its own sentence: it is looked at here and never shown, for it may repeat the request or a part of the key. */
  message: string
}

/** Whom a person has to look for. */
export interface Place {
  host: string
  model: string
  keyName: string
  limitSeconds: number
}

export interface Failure {
  kind: 'overloaded' | 'timeout' | 'unreachable' | 'refused' | 'malformed' | 'too-long' | 'stopped'
  say: string
  next: string
  /** Another attempt may help. */
  again: boolean
}

const tooLong =
  /context_length_exceeded|request_too_large|prompt is too long|maximum context length|context window|range of input length|input (is|length).{0,40}(too long|exceed)/i
const noCredit = /insufficient_quota|billing|credit balance|arrearage|exceeded your current quota/i
const noModel =
  /model_not_found|not_found_error.*model|invalid model|model.{0,120}(does not exist|not found|not exist)|no such model/i
const tooMuchOutput = /max_(completion_)?tokens/i
const busy = /overload|rate_limit|server_error|api_error|too many requests|throttl/i

/** What the answer of a provider that refused means. Statuses as documented by Anthropic and OpenAI; 529 is Anthropic's overload. */
export function refusal({ status, code, message }: ProviderError, place: Place): Failure {
  const { host, model, keyName } = place
  const said = `${code} ${message}`
  if (status === 402 || noCredit.test(said))
    return failed('refused', {
      say: `The account at ${host} has no credit left.`,
      next: `top it up, or change ${keyName}`,
    })
  if (status === 401 || status === 403)
    return failed('refused', { say: `${host} does not accept the key (HTTP ${status}).`, next: `check ${keyName}` })
  if (status === 413 || tooLong.test(said))
    return failed('too-long', {
      say: `The conversation is too long for the model ${model}.`,
      next: 'set ai.model to one with a larger context, or lower ai.budget.tokens',
    })
  if (status === 404 || ((status === 400 || status === 422) && noModel.test(said)))
    return noModel.test(said) || /model/i.test(message)
      ? failed('refused', { say: `${host} has no model ${model}.`, next: 'correct ai.model, or AI_MODEL' })
      : failed('refused', { say: `There is no model's API at ${host}.`, next: 'check ai.baseUrl, or AI_BASE_URL' })
  const tryAgain = status === 408 || status === 409 || status === 429 || (status ?? 0) >= 500
  if (tryAgain || (status === undefined && busy.test(said)))
    return {
      ...failed('overloaded', { say: `${host} is overloaded.`, next: 'try again in a few minutes' }),
      again: true,
    }
  if (status !== undefined && status >= 300 && status < 400)
    return failed('refused', {
      say: `${host} redirects elsewhere, which is not followed.`,
      next: 'set ai.baseUrl, or AI_BASE_URL, to the final address',
    })
  if (tooMuchOutput.test(said))
    return failed('refused', { say: `${host} does not allow answers of that length.`, next: 'lower ai.maxTokens' })
  return failed('refused', {
    say: `${host} refused the request (HTTP ${status ?? 200}).`,
    next: 'look into the log for its words, then check ai.model and ai.wire',
  })
}

export const stopped = (): Failure => failed('stopped', { say: 'The call was stopped.', next: '' })

export function tookTooLong({ host, model, limitSeconds }: Place): Failure {
  return failed('timeout', {
    say: `The model ${model} at ${host} did not answer within ${limitSeconds} s.`,
    next: 'try again, or raise ai.timeout',
  })
}

/** `code` as Node names it, such as ECONNREFUSED. */
export function unreachable({ host }: Place, code: string): Failure {
  const failure = failed('unreachable', {
    say: `${host} cannot be reached (${code}).`,
    next: 'check ai.baseUrl, or AI_BASE_URL, and the network',
  })
  return { ...failure, again: true }
}

export function brokeOff({ host, model }: Place): Failure {
  const failure = failed('unreachable', {
    say: `The answer of the model ${model} at ${host} broke off.`,
    next: 'try again',
  })
  return { ...failure, again: true }
}

export function malformed({ host, model }: Place): Failure {
  return failed('malformed', {
    say: `${host} did not answer as the model ${model} should.`,
    next: 'check ai.baseUrl and ai.wire',
  })
}

function failed(kind: Failure['kind'], words: { say: string; next: string }): Failure {
  return { kind, ...words, again: false }
}

/** The code of a failed connection, wherever in the chain of causes it stands. */
export function connectionCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++)
    if ('code' in at && typeof at.code === 'string' && /^[A-Z][A-Z0-9_]{2,40}$/.test(at.code)) return at.code
  return 'connection lost'
}
