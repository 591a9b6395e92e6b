import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import type { JobKey, JobState, Output, Recipe, Target } from '../../ports/target.ts'
import { createArtifacts } from './artifact.ts'
import { startCall } from './call.ts'
import { type BastionConfig, type HostConfig, type SshOptions, sshOptionsSchema } from './config.ts'
import { type Endpoint, protocolFault, shake, timedOut } from './connect.ts'
import { createDecoder, type Frame } from './frames.ts'
import { families, type PresentedKey } from './host-key.ts'
import { createPool, type Repin } from './pool.ts'
import { checkJob, checkRecipe, deployDigest, encodeKey, parseFacts, probeArgs } from './protocol.ts'
import { runJob } from './run.ts'

export type { BastionConfig, HostConfig, SshOptions } from './config.ts'
export type { PresentedKey } from './host-key.ts'

export interface SshTargetOptions {
  hosts: readonly HostConfig[]
  bastions?: readonly BastionConfig[]
  options?: Partial<SshOptions>
  /**
   * Asked when a machine's key was refused: the key that the operator has pinned for it in the meantime, undefined when
   * there is none. The connection is then tried once more with it, and it holds from then on.
   */
  repin?: Repin
}

/** More than any honest answer to a short call holds. */
const shortAnswer = 262_144

/**
 * The Target port over SSH. Beside the port's faults: `target.unknown-host`, `target.bad-job` (nothing was sent),
 * `target.artifact` (the bot could not fetch what it should upload; `retry` says whether that may change) and
 * `target.root-unknown` (look or cancel without a root for a job that this process did not run).
 */
export function createSshTarget(settings: SshTargetOptions): Target {
  const options = sshOptionsSchema.parse(settings.options ?? {})
  const pool = createPool(settings.hosts, settings.bastions ?? [], options, settings.repin)
  const artifacts = createArtifacts(options)
  const roots = new Map<string, string>()

  /** One short verb; its frames, capped in time and bytes. */
  async function ask(host: string, verb: string, root: string, args: string[], extraSeconds = 0): Promise<Frame[]> {
    return pool.use(host, 'call', async (client, at) => {
      const call = await startCall(client, at, options, verb, root, args)
      const seconds = options.commandSeconds + extraSeconds
      let out = false
      const timer = setTimeout(() => {
        out = true
        call.close()
      }, seconds * 1000)
      const frames: Frame[] = []
      let bytes = 0
      try {
        call.stop()
        for await (const frame of call.frames) {
          if (frame.type === 'fail') throw protocolFault(at, `cannot do ${verb}: ${frame.text}.`)
          bytes += frame.type === 'out' ? frame.bytes.length : 64 + (frame.type === 'fact' ? frame.value.length : 0)
          if (bytes > shortAnswer) throw protocolFault(at, `answers ${verb} without end.`)
          frames.push(frame)
        }
        return frames
      } catch (error) {
        if (out) throw timedOut(at, `did not finish ${verb}`, seconds)
        throw error
      } finally {
        clearTimeout(timer)
        call.close()
      }
    })
  }

  const stateIn = (host: string, frames: readonly Frame[]): JobState => {
    const frame = frames.find((each) => each.type === 'state')
    if (frame === undefined) throw protocolFault(pool.host(host), 'answered without a state.')
    return frame.state
  }

  const rootOf = (host: string, key: JobKey, root: string | undefined): string => {
    const found = root ?? roots.get(`${host}\n${encodeKey(key)}`)
    if (found !== undefined) return found
    throw new Fault('target.root-unknown', {
      say: `Where job ${encodeKey(key)} lies on ${host} is not known any more.`,
      next: 'give the root of its recipe',
    })
  }

  return {
    scriptDigest: deployDigest,

    async probe(host, recipe) {
      checkRecipe(recipe)
      const sent = Date.now()
      const frames = await ask(host, 'probe', recipe.root, probeArgs(recipe))
      try {
        return parseFacts(host, frames, sent, Date.now())
      } catch (error) {
        if (!(error instanceof z.ZodError)) throw error
        const what = error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
        throw protocolFault(pool.host(host), `gave facts that make no sense (${what.slice(0, 300)}).`)
      }
    },

    async run(host, job, from, onOutput) {
      checkJob(job)
      roots.set(`${host}\n${encodeKey(job.key)}`, job.recipe.root)
      return runJob({ pool, artifacts, options }, host, job, from, onOutput)
    },

    async look(host, key, from, root) {
      const frames = await ask(host, 'look', rootOf(host, key, root), [encodeKey(key), String(from)])
      const state = stateIn(host, frames)
      const out = frames.find((frame) => frame.type === 'out')
      if (out === undefined || out.offset !== from) throw protocolFault(pool.host(host), 'answered without the output.')
      const ended = state.at !== 'new' && state.at !== 'starting' && state.at !== 'running' && state.at !== 'orphaned'
      const last = ended && from + out.bytes.length >= out.size
      const output: Output = createDecoder(from).push(out.bytes, last) ?? { offset: from, text: '', bytes: 0 }
      return { state, output }
    },

    async cancel(host, key, root) {
      return stateIn(host, await ask(host, 'cancel', rootOf(host, key, root), [encodeKey(key)], 20))
    },

    async fence(host, recipe: Recipe, epoch) {
      checkRecipe(recipe)
      await ask(host, 'fence', recipe.root, [String(Math.trunc(epoch))])
    },

    leave: (hosts) => pool.leave(hosts),

    async close() {
      await pool.close()
      await artifacts.close()
    },
  }
}

export interface ScanOptions {
  /** Bastions, and hosts that serve as one; their own host keys must be pinned. */
  bastions?: readonly BastionConfig[]
  hosts?: readonly HostConfig[]
  options?: Partial<SshOptions>
}

/**
 * The host keys that a machine presents, the preferred one (ed25519) first; nothing is authenticated and nothing is
 * trusted. Throws `target.unreachable` and `target.timeout`.
 */
export async function scanHostKeys(
  host: Pick<HostConfig, 'id' | 'ip' | 'port'> & Partial<HostConfig>,
  settings: ScanOptions = {},
): Promise<PresentedKey[]> {
  const options = sshOptionsSchema.parse(settings.options ?? {})
  const at: Endpoint = { user: 'nobody', agent: false, region: '', labels: {}, ...host }
  const pool = createPool(settings.hosts ?? [], settings.bastions ?? [], options)
  const keys: PresentedKey[] = []
  try {
    for (const { algorithms } of families) {
      const accept = (key: PresentedKey) => {
        keys.push(key)
        return false
      }
      await shake(at, await pool.reach(at), options, { offer: algorithms, accept }).catch((error: unknown) => {
        // The server has no key of this family.
        if (!(error instanceof Fault) || !/no matching host key/i.test(String((error.cause as Error)?.message)))
          throw error
      })
    }
  } finally {
    await pool.close()
  }
  return keys
}
