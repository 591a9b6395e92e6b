import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '../lib/fault.ts'
import type { Leashed } from './leash.ts'

/**
 * Asks every 100 ms until the answer is undefined; otherwise it says why it is not up yet. Throws an Error when the program has
 * ended, when `until` (ms since 1970) has passed, or the signal's reason.
 */
export async function comesUp(wait: {
  program: Leashed
  until: number
  signal: AbortSignal | undefined
  ask: (bound: AbortSignal) => Promise<string | undefined>
}): Promise<void> {
  let why: string | undefined = 'it does not answer'
  while (!wait.program.exited()) {
    wait.signal?.throwIfAborted()
    if (Date.now() > wait.until) throw new Error(`not ready in time: ${why}`)
    await delay(100)
    try {
      why = await wait.ask(AbortSignal.timeout(2000))
      if (why === undefined) return
    } catch {
      // not yet
    }
  }
  throw new Error('it ended')
}

/** Ends a program that did not come up; the Fault `code` quotes the last errors of its log. */
export async function notUp(
  program: Leashed,
  { code, name, log, cause }: { code: string; name: string; log: string; cause: unknown },
): Promise<Fault> {
  await program.stop()
  const said = (await readFile(log, 'utf8').catch(() => '')).split('\n')
  const last = said.filter((line) => /level=(error|ERROR)|rror:/.test(line)).slice(-2)
  return new Fault(code, {
    say: `${name} did not come up: ${[(cause as Error).message, ...last].join(' | ')}`,
    next: `read ${log}`,
    cause,
  })
}
