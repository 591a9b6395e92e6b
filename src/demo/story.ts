import { setTimeout as delay } from 'node:timers/promises'
import type { App } from '../app.ts'
import { guilty } from './story/guilty.ts'
import { innocent } from './story/innocent.ts'
import { backFrom, bad, good } from './story/releases.ts'
import { command, runEverywhere, type Stage } from './story/stage.ts'

/** Limits are derived from what the service did before; a sandbox that has just come up has no past. */
const HISTORY_SECONDS = 15

/** The errors of one canary are out of the rates (4 s) and followed by quiet before the same version comes again: two troubles, not one. */
const QUIET_SECONDS = 12

/** Of the sandbox, what the story needs besides the bot. */
export interface Scenery {
  alertmanagerUrl: string | undefined
  dependency: Stage['dependency']
}

/**
 * The main job, played by alice and bob: a good release from request to done, then a bad one that its gate takes back; with
 * Alertmanager also a bad one that an alert holds and its report convicts, and a good one that its report acquits.
 * Throws Fault `demo.story` at the first stage that does not end as told.
 */
export async function playStory(
  app: App,
  { alertmanagerUrl, dependency }: Scenery,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const stage: Stage = { app, say, signal, dependency }
  const began = performance.now()
  if (!dependency.running()) await dependency.start()
  say(`The service runs for ${HISTORY_SECONDS} s first, so that it has a history to derive limits from.`)
  await delay(HISTORY_SECONDS * 1000, undefined, { signal })
  await backFrom(stage, 'v1.3.0')
  // In the console somebody may have released it before the story began.
  const first = (await runEverywhere(stage, 'v1.1.0')) ? 'v1.1.0' : await good(stage, 'v1.1.0')
  const taken = await bad(stage, 'v1.2.0', 'v1.1.0')
  const ends = [`${first} is released`, `${taken.id} was taken back because ${taken.why}`]
  if (alertmanagerUrl === undefined) {
    say('\nWithout Prometheus and Alertmanager no alert comes: the chapters with alerts are left out.')
  } else {
    await delay(QUIET_SECONDS * 1000, undefined, { signal })
    say('\nThe same version again, and this time alice does not wait for the gate.')
    const convicted = await guilty(stage, 'v1.2.0', 'v1.1.0')
    ends.push(`${convicted.incident} held ${convicted.id} and was over once it was rolled back`)
    say('\nA good version, while something else breaks.')
    const acquitted = await innocent(stage, 'v1.3.0')
    ends.push(`${acquitted.incident} was not the fault of ${acquitted.id}, which is released`)
  }
  await command(stage, 'vera', '/status')
  const seconds = Math.round((performance.now() - began) / 1000)
  say(`\nThe story ended as told after ${seconds} s: ${ends.join('; ')}.`)
}
