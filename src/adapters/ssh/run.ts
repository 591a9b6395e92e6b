import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../lib/fault.ts'
import type { Job, JobState, Output } from '../../ports/target.ts'
import type { Artifacts } from './artifact.ts'
import { type Call, startCall } from './call.ts'
import type { SshOptions } from './config.ts'
import { protocolFault, timedOut } from './connect.ts'
import { createDecoder } from './frames.ts'
import type { Pool } from './pool.ts'
import { runArgs } from './protocol.ts'

const over = (state: JobState) => state.at !== 'new' && state.at !== 'starting' && state.at !== 'running'

/**
 * Submits and follows in one exec: the agent is told everything at once and answers with the log. When the connection
 * is lost, the same is done again from the last whole byte on: the host has the job, or takes it now; it runs once.
 * The link may break as often as it likes while it makes progress in between; without any, `reconnectSeconds` bounds it.
 */
export async function runJob(
  parts: { pool: Pool; artifacts: Artifacts; options: SshOptions },
  host: string,
  job: Job,
  from: number,
  onOutput: (chunk: Output) => Promise<void>,
): Promise<JobState> {
  const { pool, options } = parts
  const allowed = job.timeoutSeconds + options.graceSeconds
  const progress: Progress = { at: from, begun: undefined, contact: false, moved: false }
  let failures = 0
  for (;;) {
    try {
      return await attempt(parts, host, job, progress, allowed, onOutput)
    } catch (error) {
      const lost = error instanceof Fault && (error.code === 'target.unreachable' || error.code === 'target.timeout')
      // A host that was never reached is the caller's to try again.
      if (!lost || !progress.contact) throw error
      if (progress.moved) failures = 0
      progress.moved = false
      const pause = options.reconnectSeconds[failures]
      failures++
      if (pause === undefined || late(progress, allowed)) throw error
      await sleep(pause * 1000)
      await pool.leave([host])
    }
  }
}

interface Progress {
  /** First byte of the log that was not handed on yet. */
  at: number
  /** When the upload was through, or the host said that it has the job. */
  begun: number | undefined
  /** A channel was open at least once. */
  contact: boolean
  /** The host has answered since the last failure. */
  moved: boolean
}

const late = ({ begun }: Progress, seconds: number) => begun !== undefined && performance.now() - begun > seconds * 1000

async function attempt(
  { pool, artifacts, options }: { pool: Pool; artifacts: Artifacts; options: SshOptions },
  host: string,
  job: Job,
  progress: Progress,
  allowed: number,
  onOutput: (chunk: Output) => Promise<void>,
): Promise<JobState> {
  return pool.use(host, 'follow', async (client, at) => {
    const call = await startCall(client, at, options, 'run', job.recipe.root, runArgs(job, progress.at))
    progress.contact = true
    const begin = () => {
      progress.begun ??= performance.now()
    }
    // Asked for only now and not awaited: a job that the host already has needs no artifact.
    let failure: unknown
    const upload = deliver(job, artifacts, call)
      .then(begin)
      .catch((error: unknown) => {
        failure = error
        call.close()
      })
    const decoder = createDecoder(progress.at)
    let expected = progress.at
    let last: JobState | undefined
    try {
      for await (const frame of call.frames) {
        progress.moved = true
        if (frame.type === 'skip') call.stop()
        if (frame.type === 'skip' || frame.type === 'out') begin()
        if (frame.type === 'fail') throw protocolFault(at, `cannot run the job: ${frame.text}.`)
        if (frame.type === 'out') {
          if (frame.offset !== expected)
            throw protocolFault(at, `sent output from ${frame.offset}, asked for was ${expected}.`)
          expected += frame.bytes.length
          const output = decoder.push(frame.bytes, false)
          if (output !== undefined) {
            await onOutput(output)
            progress.at = decoder.at()
          }
        }
        if (frame.type === 'state') last = frame.state
        else if (late(progress, allowed)) throw timedOut(at, `did not end the job ${job.kind} ${job.version}`, allowed)
      }
    } catch (error) {
      if (failure === undefined) throw error
    } finally {
      call.stop()
      call.close()
    }
    if (last === undefined) {
      await upload
      return refusedArtifact(failure)
    }
    if (!over(last)) throw protocolFault(at, `stopped following while the job was ${last.at}.`)
    const rest = decoder.push(Buffer.alloc(0), true)
    if (rest !== undefined) await onOutput(rest)
    progress.at = decoder.at()
    return last
  })
}

async function deliver(job: Job, artifacts: Artifacts, call: Call): Promise<void> {
  if (job.artifact?.delivery !== 'upload') return call.stop()
  const busy = setInterval(call.touch, 5000)
  try {
    await call.send(await artifacts.get(job.artifact))
  } finally {
    clearInterval(busy)
  }
}

/** An artifact that will never fit is an answer about the job, not a fault of the way there. */
function refusedArtifact(failure: unknown): JobState {
  if (failure instanceof Fault && failure.code === 'target.artifact' && !failure.retry) {
    return { at: 'refused', why: 'upload', detail: failure.message }
  }
  throw failure
}
