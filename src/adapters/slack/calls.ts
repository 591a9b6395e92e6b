import { type Logger, LogLevel } from '@slack/bolt'
import {
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient,
} from '@slack/web-api'
import type { Log } from '../../lib/log.ts'
import type { Timings } from './timings.ts'

/** How a call went wrong, in the terms in which it matters. */
export type Failure =
  | { kind: 'rate'; ms: number }
  /** Slack was not reached, or did not say what came of it: it may have done it. */
  | { kind: 'network'; why: string }
  /** The token is no longer good. */
  | { kind: 'token'; error: string }
  | { kind: 'refused'; error: string; messages: string[]; needed?: string }

/** Slack takes these back once somebody has put a good token in place. */
const TOKEN_ERRORS = new Set([
  ...['invalid_auth', 'not_authed', 'account_inactive', 'token_revoked', 'token_expired', 'org_login_required'],
  ...['user_removed_from_team', 'team_disabled', 'ekm_access_denied', 'not_allowed_token_type'],
])
/** Slack's own troubles, answered with status 200. */
const PASSING = new Set([
  ...['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout', 'team_added_to_org'],
  ...['accesslimited', 'ratelimited', 'rate_limited', 'message_limit_exceeded'],
])

export function failureOf(error: unknown): Failure {
  if (error instanceof WebAPIRateLimitedError) return { kind: 'rate', ms: Math.max(1, error.retryAfter) * 1000 }
  if (error instanceof WebAPIPlatformError) {
    const { error: name, response_metadata } = error.data
    const needed = 'needed' in error.data ? error.data.needed : undefined
    if (TOKEN_ERRORS.has(name)) return { kind: 'token', error: name }
    if (PASSING.has(name)) return name.includes('limit') ? { kind: 'rate', ms: 5000 } : { kind: 'network', why: name }
    return {
      kind: 'refused',
      // A proxy's page instead of an answer ends up here as a whole.
      error: name.slice(0, 80),
      messages: (response_metadata?.messages ?? []).slice(0, 5).map((each) => String(each).slice(0, 200)),
      ...(typeof needed === 'string' ? { needed: needed.slice(0, 100) } : {}),
    }
  }
  if (error instanceof WebAPIHTTPError) return { kind: 'network', why: `HTTP ${error.statusCode}` }
  if (error instanceof WebAPIRequestError) return { kind: 'network', why: networkWords(error.original) }
  return { kind: 'network', why: networkWords(error) }
}

function networkWords(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.name : 'unknown'
}

/** A client for one purpose, with options of its own, as the SDK changes and shares what it is given. */
export function createClient(
  token: string,
  { apiUrl, timings, log }: { apiUrl: string; timings: Timings; log: Log },
): WebClient {
  return new WebClient(token, clientOptions({ apiUrl, timings, log }))
}

/**
 * A rate limit is an error that carries its wait: the SDK would pause every channel. Nothing is tried again here, as calls have
 * no key that would keep Slack from doing them twice; the outbox tries again and looks first.
 */
export function clientOptions({ apiUrl, timings, log }: { apiUrl: string; timings: Timings; log: Log }) {
  return {
    slackApiUrl: apiUrl,
    rejectRateLimitedCalls: true,
    retryConfig: { retries: 0, minTimeout: timings.pause, maxTimeout: timings.longestPause },
    timeout: timings.call,
    logger: sdkLog(log),
  }
}

/** The SDK's log: its warnings as details of ours. What it traces may hold addresses with tickets, so it is left out. */
export function sdkLog(log: Log): Logger {
  const say = (words: unknown[]): void => log.debug({ sdk: words.map(String).join(' ').slice(0, 500) }, 'slack sdk')
  return {
    debug: () => {},
    info: () => {},
    warn: (...words) => say(words),
    error: (...words) => say(words),
    setLevel: () => {},
    getLevel: () => LogLevel.WARN,
    setName: () => {},
  }
}
