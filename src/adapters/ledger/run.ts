import { asFault, Fault, type FaultDocument, fromDocument, toDocument } from '../../lib/fault.ts'
import type { Flow, FlowStatus, Retry, Story } from '../../ports/flow.ts'
import type { Json } from '../../ports/store.ts'
import { abandoned, type Context, pause, persist, unreadable } from './context.ts'
import { runEffect } from './fence.ts'
import { showEnd } from './flows.ts'
import { createJournal, type Mark, type Past } from './journal.ts'
import type { Mailbox } from './mailbox.ts'

export interface RunSpec {
  id: string
  kind: string
  input: Json
  story: Story
  past: Past
  fence: number
  mailbox: Mailbox
  /** True when others may already have taken this process for gone: then no effect begins before `renew`. */
  overdue: () => boolean
  /** Shows life and gives up what was taken over meanwhile; false when that is not possible. */
  renew: () => Promise<boolean>
}

/** One flow that this process owns and runs. */
export interface Run {
  status(): FlowStatus
  mailbox: Mailbox
  /** True while an effect, a journal write or the end is under way. */
  busy(): boolean
  /** Resolves when the flow has ended or this process no longer owns it. */
  over: Promise<void>
  /** True when its journal or its end cannot be written: only a restart may help. */
  refused(): boolean
  /** Gives the flow up when another owner wrote to its journal. */
  check(): Promise<void>
  /** Gives the flow up; resolves when nothing of it is on its way to the store. */
  stop(): Promise<void>
}

/** Well under the 16 MiB that a document of MongoDB may have, at three bytes a character. */
const maxResultCharacters = 4 * 1024 * 1024
const maxDelay = 2 ** 31 - 1

/** What a replay would give: the value after its way through JSON. */
function throughJson(name: string, value: unknown): Json | undefined {
  if (value === undefined) return undefined
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    // The error would name keys of the value.
  }
  if (text === undefined || text.length > maxResultCharacters) {
    throw new Fault('flow.result-not-storable', {
      say: `The result of the step "${name}" ${text === undefined ? 'is not JSON' : 'is too large'} and cannot be kept.`,
      next: 'this is a defect of Rollcall, report it',
    })
  }
  return JSON.parse(text)
}

function faultThroughJson(error: unknown): FaultDocument {
  const document = toDocument(error)
  try {
    return JSON.parse(JSON.stringify(document))
  } catch {
    return { ...document, data: {} }
  }
}

/**
 * Runs a story from its beginning, answering from `past` what the journal holds. Names of steps, waits, times and phases are
 * four name spaces. A step and a wait may have the same name; two steps may not.
 */
export function startRun(ctx: Context, spec: RunSpec): Run {
  const { id, kind, past, mailbox } = spec
  const used = new Set<string>()
  const waiting: string[] = []
  const over = Promise.withResolvers<void>()
  let phase = past.phase
  let broken: Fault | undefined
  let effects = 0
  let onIdle = () => {}
  let ending = false
  let gone = false
  let refused = false

  const leave = () => {
    gone = true
    over.resolve()
  }
  const journal = createJournal(ctx, id, spec.fence, (error) => {
    refused = error !== undefined
    leave()
    if (error === undefined) ctx.log.warn({ flow: id, kind, code: 'flow.fenced' }, 'flow goes on in another process')
    else ctx.log.error({ flow: id, kind, code: asFault(error).code }, 'journal refused, flow stopped until a restart')
  })

  const live = () => !gone && !ctx.draining.aborted
  const point = (stage: string, is: Mark['is'], name: string) =>
    ctx.probe(`${stage} ${is === 'step' ? '' : `${is} `}${kind}:${name}`)

  const enter = (is: Mark['is'], name: string) => {
    if (broken) throw broken
    const key = `${is} ${name}`
    if (used.has(key)) {
      broken = new Fault('flow.name-used-twice', {
        say: `The flow ${id} used the name "${name}" for two ${is === 'now' ? 'times' : `${is}s`}.`,
        next: 'this is a defect of Rollcall, report it',
        data: { flow: id, kind, name },
      })
      throw broken
    }
    used.add(key)
  }

  const mayStart = () => live() && !ending
  const run = <T>(effect: () => Promise<T>): Promise<T> =>
    ctx.effects === undefined ? effect() : runEffect(ctx.effects, () => gone, effect)

  /** Undefined when the effect failed in a way that may be tried again. */
  const attempt = async (name: string, effect: () => Promise<unknown>, retriesLeft: boolean) => {
    let mark: Extract<Mark, { is: 'step' }>
    let cause: unknown
    effects++
    try {
      mark = { is: 'step', name, value: throughJson(name, await run(effect)) }
    } catch (error) {
      if (retriesLeft && asFault(error).retry) return undefined
      mark = { is: 'step', name, fault: faultThroughJson(error) }
      cause = error
    }
    point('after', 'step', name)
    return { mark, cause }
  }

  const settled = () => {
    effects--
    if (effects === 0) onIdle()
  }

  const step = async <T>(name: string, effect: () => Promise<T>, retry?: Retry): Promise<T> => {
    enter('step', name)
    const recorded = past.steps.get(name)
    if (recorded) {
      past.steps.delete(name)
      if (recorded.fault) throw fromDocument(recorded.fault)
      return recorded.value as T
    }
    const delays = retry?.delays ?? []
    for (let tries = 0; ; tries++) {
      // Nothing may come between this look at the lease and the effect, not even a microtask: the process may be stopped there.
      while (mayStart() && spec.overdue()) if (!(await spec.renew())) return abandoned()
      if (!mayStart()) return abandoned()
      point('before', 'step', name)
      const outcome = await attempt(name, effect, tries < delays.length)
      if (outcome) {
        const written = journal.write(outcome.mark)
        settled()
        await written
        point('journaled', 'step', name)
        const { fault, value } = outcome.mark
        if (fault) throw new Fault(fault.code, { ...fault, cause: outcome.cause })
        return value as T
      }
      settled()
      if (!(await pause(Math.min(delays[tries] ?? 0, maxDelay), ctx.draining))) return abandoned()
    }
  }

  const wait = async (name: string, until?: Date) => {
    enter('wait', name)
    const recorded = past.waits.get(name)
    if (recorded) return recorded.mail === undefined ? undefined : takeMail(recorded.mail)
    if (until !== undefined && Number.isNaN(until.getTime())) {
      throw new Fault('flow.bad-deadline', { say: `The deadline of the wait "${name}" is not a time.` })
    }
    if (!live()) return abandoned<undefined>()
    point('before', 'wait', name)
    let begun = past.begun.get(name)
    if (!begun) {
      begun = { is: 'waiting', name, until: until?.getTime() }
      await journal.write(begun)
      point('begun', 'wait', name)
    }
    waiting.push(name)
    const mail = await mailbox.next(begun.until)
    point('after', 'wait', name)
    await journal.write({ is: 'wait', name, mail })
    waiting.splice(waiting.indexOf(name), 1)
    point('journaled', 'wait', name)
    return mail === undefined ? undefined : takeMail(mail)
  }

  const takeMail = (seq: number) => {
    const event = mailbox.take(seq)
    if (!event) throw unreadable(id, 'mailbox')
    return event
  }

  const now = async (name: string) => {
    enter('now', name)
    const recorded = past.nows.get(name)
    if (recorded !== undefined) return new Date(recorded)
    if (!live()) return abandoned<Date>()
    point('before', 'now', name)
    const at = ctx.clock.wall()
    await journal.write({ is: 'now', name, at })
    point('journaled', 'now', name)
    return new Date(at)
  }

  const setPhase = async (name: string) => {
    enter('phase', name)
    if (past.phases.has(name)) return
    if (!live()) return abandoned<void>()
    point('before', 'phase', name)
    await journal.write({ is: 'phase', name })
    phase = name
    point('journaled', 'phase', name)
  }

  const flow: Flow = {
    id,
    step: (name, effect, retry) => handled(step(name, effect, retry)),
    wait: (name, options) => handled(wait(name, options?.until)),
    now: (name) => handled(now(name)),
    phase: (name) => handled(setPhase(name)),
  }

  /** What still runs when the story ends is let end and recorded, so that the journal tells all that was done. */
  const end = async (thrown: { error: unknown } | undefined) => {
    ending = true
    if (effects > 0) await new Promise<void>((resolve) => (onIdle = resolve))
    const error = broken ?? thrown?.error
    const fault = broken || thrown ? faultThroughJson(error) : undefined
    ctx.probe(`before end ${kind}`)
    await journal.write({ is: 'end', fault })
    ctx.probe(`journaled end ${kind}`)
    if (fault) ctx.log.warn({ flow: id, kind, code: fault.code }, 'flow failed')
    await persist(ctx, () => showEnd(ctx, id, fault, phase))
    ctx.probe(`recorded end ${kind}`)
    over.resolve()
  }

  const tell = async () => spec.story(flow, spec.input)
  tell()
    .then(
      () => end(undefined),
      (error: unknown) => end({ error }),
    )
    .catch((error: unknown) => {
      ctx.log.error({ flow: id, kind, code: asFault(error).code }, 'flow could not be ended')
      refused = true
      leave()
    })

  return {
    mailbox,
    status: () => ({ at: 'running', phase, waiting: waiting.at(-1) }),
    busy: () => !gone && (effects > 0 || journal.busy() || ending),
    over: over.promise,
    refused: () => refused,
    check: async () => {
      if (!gone && !(await journal.owned())) {
        leave()
        await journal.stop()
        ctx.log.warn({ flow: id, kind, code: 'flow.fenced' }, 'flow goes on in another process')
      }
    },
    stop: () => {
      leave()
      return journal.stop()
    },
  }
}

/** A story may await a step later than the step fails; until then its rejection is not one that nobody handles. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
