import { z } from 'zod'
import type { FaultDocument } from '../lib/fault.ts'
import { toDocument } from '../lib/fault.ts'
import { compareVersions } from '../lib/version.ts'
import type { FoundArtifact } from '../ports/artifacts.ts'
import type { HostFacts } from '../ports/target.ts'
import { type Service, toRecipe } from './config.ts'
import type { Desk, HostEntry } from './desk.ts'
import { localTime } from './issue.ts'
import type { StepResult } from './release.ts'

/** What a probe brought: facts, or why there are none. */
export interface Probe {
  host: HostEntry
  facts?: HostFacts
  fault?: FaultDocument
}

/** Something that forbids the release, and what a person can do about it. */
const conflictSchema = z.object({ say: z.string(), next: z.string() })
export type Conflict = z.infer<typeof conflictSchema>

export interface VersionCheck {
  conflicts: Conflict[]
  warnings: string[]
  /** Hosts that will be changed. */
  targets: { host: HostEntry; facts: HostFacts }[]
  /** The version that most hosts run; null when none runs any. */
  current: string | null
}

/** Probes all hosts at once; a host that does not answer is a result, not an error. */
export function probeAll(desk: Desk, service: Service, hosts: HostEntry[]): Promise<Probe[]> {
  const recipe = toRecipe(service)
  return Promise.all(
    hosts.map(async (host): Promise<Probe> => {
      try {
        return { host, facts: await desk.target.probe(host.id, recipe) }
      } catch (error) {
        return { host, fault: toDocument(error) }
      }
    }),
  )
}

/** Room for the archive, the unpacked tree and as much again, plus 50 MB that the host keeps. */
function diskNeededMb(artifactBytes: number): number {
  return Math.ceil((artifactBytes * 4) / 1_000_000) + 50
}

/** Whether this version may go to these hosts, from what was seen. Pure. */
export function checkVersions(input: {
  service: Service
  candidate: string
  probes: Probe[]
  artifact: FoundArtifact | FaultDocument
  /** Another release of the service that is not over, if any. */
  inProgress?: string
  frozen?: { reason: string; until?: Date }
  overrideFreeze: boolean
}): VersionCheck {
  const { service, candidate, probes } = input
  const conflicts: Conflict[] = []
  const warnings: string[] = []
  const seen = probes.flatMap(({ host, facts }) => (facts === undefined ? [] : [{ host, facts }]))
  const current = mostCommon(seen.flatMap(({ facts }) => (facts.version === undefined ? [] : [facts.version])))

  if (input.inProgress !== undefined) {
    conflicts.push(inTheWay(service.name, input.inProgress))
  }
  if (input.frozen !== undefined) {
    const until = input.frozen.until === undefined ? '' : ` until ${localTime(input.frozen.until)}`
    const say = `Releases are frozen${until}: ${input.frozen.reason}.`
    if (input.overrideFreeze)
      warnings.push(`${say} Overridden; ${service.policy.freezeOverrideApprovals} approvals are needed.`)
    else conflicts.push({ say, next: 'wait, or request it with --override-freeze, which needs a second approver' })
  }
  if ('code' in input.artifact) conflicts.push({ say: input.artifact.say, next: input.artifact.next })

  const down = probes.filter((probe) => probe.fault !== undefined)
  const downLines = down.map((probe) => `${probe.host.id}: ${probe.fault?.say ?? ''}`)
  if (down.length > service.policy.failureBudget.unreachable) {
    conflicts.push({
      say: `${down.length} of ${probes.length} hosts cannot be used: ${downLines.slice(0, 5).join(' ')}${down.length > 5 ? ' …' : ''}`,
      next: down[0]?.fault?.next || 'bring them back, or name the hosts to release to',
    })
  } else {
    warnings.push(...downLines.map((line) => `left out, ${line}`))
  }

  if (seen.length === 0 && down.length > 0 && conflicts.length === 0) {
    conflicts.push({
      say: `No host is left: ${downLines.slice(0, 5).join(' ')}`,
      next: down[0]?.fault?.next || 'bring one back',
    })
  }
  const fresh = seen.filter(({ facts }) => facts.version !== candidate || facts.state !== 'running')
  if (seen.length > 0 && fresh.length === 0) {
    conflicts.push({
      say:
        seen.length === 1
          ? `The only host runs ${candidate} already.`
          : `All ${seen.length} hosts run ${candidate} already.`,
      next: 'nothing to do; /hosts shows the versions',
    })
  } else if (fresh.length < seen.length) {
    const there = seen.filter((each) => !fresh.includes(each)).map(({ host }) => host.id)
    warnings.push(
      `${there.join(', ')} ${there.length === 1 ? 'runs' : 'run'} ${candidate} already and will not be touched`,
    )
  }
  if (seen.length === 0 && down.length === 0) {
    conflicts.push({
      say: `${service.name} has no hosts.`,
      next: 'check the hosts selector of the service in rollcall.yaml',
    })
  }
  if (current !== null && !service.policy.allowDowngrade && compareVersions(candidate, current) === -1) {
    conflicts.push({
      say: `${candidate} is older than ${current}, which runs now.`,
      next: `to go back, type /rollback ${service.name}; or set policy.allowDowngrade`,
    })
  }

  const needed = 'code' in input.artifact ? 50 : diskNeededMb(input.artifact.sizeBytes ?? 0)
  for (const { host, facts } of fresh) {
    if (facts.missing.length > 0) {
      conflicts.push({
        say: `${host.id} lacks ${facts.missing.join(', ')}.`,
        next: `install it there, then request the release again`,
      })
    }
    if (facts.unwritable !== undefined) {
      conflicts.push({
        say: `${host.id} does not let Rollcall write to ${facts.unwritable}.`,
        next: `on ${host.id}, let the user that Rollcall signs in as own ${service.recipe.root}, then request the release again`,
      })
    }
    if (facts.freeDiskMb < needed) {
      conflicts.push({
        say: `${host.id} has ${facts.freeDiskMb} MB free where ${needed} MB are needed.`,
        next: `free some disk on ${host.id}, or lower recipe.keep`,
      })
    }
    if (facts.version === undefined) {
      warnings.push(`${host.id} has no release of ${service.name} yet: a rollback takes the service away there`)
    } else if (!facts.versions.includes(facts.version)) {
      conflicts.push({
        say: `${host.id} runs ${facts.version}, but its files are not under the deploy path: there is nothing to roll back to.`,
        next: `restore ${facts.version} on ${host.id} first`,
      })
    }
    if (facts.version !== undefined && facts.state !== 'running') {
      warnings.push(`${host.id}: the service is ${facts.state} before the release`)
    }
    if (Math.abs(facts.clockSkewSeconds) > 30) {
      warnings.push(`${host.id}: its clock is ${Math.round(facts.clockSkewSeconds)} s off`)
    }
  }
  return { conflicts, warnings, targets: fresh, current }
}

export function inTheWay(service: string, release: string): Conflict {
  return {
    say: `${release} of ${service} is in progress.`,
    next: `wait until it is over; /status ${release} shows it and what may be done`,
  }
}

/** Warnings that the step's summary names itself. */
export const WARNINGS_SUMMARISED = 5

/** The step in the specification's JSON. */
export function versionCheckStep(service: string, candidate: string, check: VersionCheck, at: Date): StepResult {
  const conflict = check.conflicts.length > 0
  return {
    step_name: 'VersionCheck',
    status: conflict ? 'failed' : check.warnings.length > 0 ? 'warning' : 'success',
    summary: conflict
      ? `${check.conflicts.length} conflict${check.conflicts.length === 1 ? '' : 's'} detected`
      : ['No conflict detected', ...check.warnings.slice(0, WARNINGS_SUMMARISED)].join('; '),
    details: {
      candidate,
      conflict_reason: check.conflicts.map((each) => each.say).join(' '),
      current: check.current ?? '',
      has_conflict: conflict,
      service,
    },
    timestamp: at.toISOString(),
  }
}

function mostCommon(values: string[]): string | null {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const [first] = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  return first?.[0] ?? null
}
