/**
 * What went wrong, in words for the person who reads it, and what to do next.
 * Code branches on `code` (`area.what-happened`), never on the words.
 */
export class Fault extends Error {
  readonly code: string
  /** The next command or action for a person; empty when there is none. */
  readonly next: string
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retry: boolean
  /** Typed facts for cards and logs; never a secret. */
  readonly data: Record<string, unknown>

  constructor(
    code: string,
    detail: { say: string; next?: string; retry?: boolean; cause?: unknown; data?: Record<string, unknown> },
  ) {
    super(detail.say, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = 'Fault'
    this.code = code
    this.next = detail.next ?? ''
    this.retry = detail.retry ?? false
    this.data = detail.data ?? {}
  }

  /** The sentence and the next step as one line. */
  get line(): string {
    return this.next === '' ? this.message : `${this.message} Next: ${this.next}`
  }
}

/** The plain form in which a fault is journaled and sent; `cause` stays behind, it may hold anything. */
export interface FaultDocument {
  code: string
  say: string
  next: string
  retry: boolean
  data: Record<string, unknown>
}

export function toDocument(error: unknown): FaultDocument {
  const fault = asFault(error)
  return { code: fault.code, say: fault.message, next: fault.next, retry: fault.retry, data: fault.data }
}

export function fromDocument(document: FaultDocument): Fault {
  return new Fault(document.code, document)
}

/** Any thrown value as a Fault; what is not one becomes `internal.unexpected`. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  const say = error instanceof Error ? error.message : String(error)
  return new Fault('internal.unexpected', {
    say,
    next: 'look into the log, this is a defect of Rollcall',
    cause: error,
  })
}
