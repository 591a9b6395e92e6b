import { detectableRise, exceedsShare, fisherGreater, overdispersion, pool } from '../../lib/statistics.ts'
import { countsOf, shareOf, sortHosts } from './hosts.ts'
import type { Comparison, GatePolicy, HostCounts, MetricObservation, Observation } from './schema.ts'
import { say } from './units.ts'
import { type Judged, sayGaps } from './why.ts'

interface Share {
  k: number
  n: number
}

/** The four pooled shares of a difference in differences. */
interface Cells {
  treated: Share
  control: Share
  treatedBefore: Share
  controlBefore: Share
  /** Divisor of counts for tests; from the cells that the release cannot have touched. */
  spread: number
}

/**
 * Judges the error share from counted requests and errors, pooled over hosts.
 * Fails when the share of all upgraded hosts, or of one with enough requests, is above the limit beyond chance (exact
 * binomial tail), or when upgraded hosts are worse than the waiting ones (or their own past) beyond chance and beyond the
 * floor. Worse counts on upgraded hosts never turn a fail into anything else.
 */
export function judgeErrors(metric: MetricObservation, observation: Observation, policy: GatePolicy): Judged {
  const hosts = sortHosts(metric, policy, false)
  const upgraded = countsOf(observation, hosts.upgraded)
  const waiting = countsOf(observation, hosts.waiting)
  const cells = cellsOf(upgraded, waiting)
  const { treated } = cells
  const limit = metric.limits.fail
  const base = {
    key: metric.key,
    limit,
    samples: { upgraded: hosts.upgraded.length, waiting: hosts.waiting.length, requests: Math.round(treated.n) },
    query: metric.query,
  }
  if (treated.n === 0 || treated.n < policy.minRequests) {
    const { gaps } = hosts
    const few = `${Math.round(treated.n)} of ${policy.minRequests} requests needed on upgraded hosts`
    // Where no host can be judged, that nothing was counted on them says nothing new.
    const shared = gaps.length > 0 && hosts.upgraded.length === 0 ? undefined : few
    const words = [...(gaps.length === 0 ? [] : [sayGaps(gaps)]), ...(shared === undefined ? [] : [shared])]
    return { ...base, at: 'inconclusive', why: `error rate: ${words.join(', ')}`, gaps, shared }
  }
  const value = treated.k / treated.n
  const comparison = compareShares(cells, policy)
  const numbers = describe(cells, limit, comparison)
  const seen = { ...base, value, comparison, smallestRegression: smallest(cells, policy) }

  const over = overLimit(treated, upgraded, limit, cells.spread, policy)
  const alike = over === 'no' || comparison?.worse ? undefined : excuse(cells, limit as number, policy)
  if (comparison?.worse || (over === 'beyond chance' && alike === undefined))
    return { ...seen, at: 'fail', why: numbers }
  if (hosts.gaps.length > 0)
    return { ...seen, at: 'inconclusive', why: `error rate: ${sayGaps(hosts.gaps)}`, gaps: hosts.gaps }
  if (hosts.controlLost) return { ...seen, at: 'inconclusive', why: `${numbers}; no waiting host has data` }
  if (alike !== undefined) return { ...seen, at: 'inconclusive', why: `${numbers}; ${alike}` }
  if (over === 'maybe') return { ...seen, at: 'inconclusive', why: `${numbers}; too few to tell from chance` }
  return { ...seen, at: 'pass', why: numbers + warning(value, metric.limits.warn) }
}

function cellsOf(upgraded: readonly HostCounts[], waiting: readonly HostCounts[]): Cells {
  const afterOf = (hosts: readonly HostCounts[]) => hosts.map(({ after }) => shareOf([after]))
  const beforeOf = (hosts: readonly HostCounts[]) => hosts.map(({ before }) => shareOf([before]))
  return {
    treated: shareOf(upgraded.map(({ after }) => after)),
    control: shareOf(waiting.map(({ after }) => after)),
    treatedBefore: shareOf(upgraded.map(({ before }) => before)),
    controlBefore: shareOf(waiting.map(({ before }) => before)),
    spread: overdispersion([afterOf(waiting), beforeOf(waiting), beforeOf(upgraded)]),
  }
}

/**
 * Worse means: more errors than the waiting hosts beyond chance, still so after each group's own past is taken off
 * (difference in differences), and by more than the floor. Hosts that were already worse must be worse than their own
 * past as well. From a baseline without any error, `minErrors` above the floor are enough.
 */
function compareShares(cells: Cells, policy: GatePolicy): Comparison | undefined {
  const { treated, control, treatedBefore, controlBefore, spread } = cells
  const alpha = policy.alpha / policy.looks
  const against = control.n > 0 ? 'waiting' : 'before'
  const reference = against === 'waiting' ? control : treatedBefore
  if (reference.n === 0) return undefined
  const past = against === 'waiting' && treatedBefore.n > 0 && controlBefore.n > 0
  const headStart = past ? rate(treatedBefore) - rate(controlBefore) : 0
  const expected = Math.max(0, rate(reference) + headStart)
  const did = rate(treated) - rate(reference) - headStart
  const p = fisherGreater(scaled(treated, spread), scaled(testAgainst(cells), spread))
  const beyondOwnPast = headStart <= 0 || fisherGreater(scaled(treated, spread), scaled(treatedBefore, spread)) < alpha
  const baseline = [control, treatedBefore, controlBefore]
  const zeroBaseline =
    baseline.every(({ k }) => k === 0) && baseline.reduce((sum, { n }) => sum + n, 0) >= policy.minRequests
  const material = did >= Math.max(policy.floors.ratio, policy.minRelative * expected) && treated.k >= policy.minErrors
  return {
    against,
    control: rate(reference),
    treated: rate(treated),
    did,
    relative: expected > 0 ? did / expected : undefined,
    p,
    effect: rate(treated) - rate(reference),
    worse: material && (zeroBaseline || (p < alpha && beyondOwnPast)),
  }
}

/**
 * What the treated share is tested against: the waiting hosts, and with them the past of all hosts unless the waiting ones
 * are now worse than that past. A canary's window is short, and the past makes three errors in a hundred requests tell.
 */
function testAgainst({ control, treatedBefore, controlBefore, spread }: Cells): Share {
  if (control.n === 0) return treatedBefore
  const past = pool([treatedBefore, controlBefore])
  const unchanged = past.n > 0 && fisherGreater(scaled(control, spread), scaled(past, spread)) >= 0.1
  return unchanged ? pool([control, past]) : control
}

function overLimit(
  treated: Share,
  upgraded: readonly HostCounts[],
  limit: number | undefined,
  spread: number,
  policy: GatePolicy,
): 'no' | 'maybe' | 'beyond chance' {
  if (limit === undefined) return 'no'
  const alone = upgraded.map(({ after }) => shareOf([after])).filter(({ n }) => n > 0 && n >= policy.minRequests)
  const over = [treated, ...alone].filter((share) => rate(share) > limit)
  // One test per host and one for all: the chance of condemning is shared out among them.
  const alpha = policy.alpha / policy.looks / (1 + alone.length)
  const certain = over.some(
    (share) => share.k >= policy.minErrors && exceedsShare(scaled(share, spread), limit) < alpha,
  )
  if (certain) return 'beyond chance'
  return rate(treated) > limit ? 'maybe' : 'no'
}

/** Why a share above the limit may not come from the release. */
function excuse(cells: Cells, limit: number, policy: GatePolicy): string | undefined {
  const tells = (share: Share) => share.n > 0 && share.n >= policy.minRequests && rate(share) > limit
  if (tells(cells.control)) return 'the waiting hosts are above it as well, so it is not the release alone'
  if (tells(cells.treatedBefore)) return 'these hosts were above it before the release'
  return undefined
}

function smallest(cells: Cells, policy: GatePolicy): number | undefined {
  const reference = testAgainst(cells)
  const [n, m] = [cells.treated.n / cells.spread, reference.n / cells.spread]
  const rise = detectableRise(rate(reference), n, m, policy.alpha / policy.looks)
  return rise === undefined ? undefined : Math.max(rise, policy.floors.ratio, policy.minErrors / cells.treated.n)
}

function describe(cells: Cells, limit: number | undefined, comparison: Comparison | undefined): string {
  const { treated } = cells
  const others = comparison?.against === 'before' ? 'before' : 'on the others'
  const against = comparison === undefined ? '' : ` against ${say('ratio', comparison.control)} ${others}`
  const bound = limit === undefined ? 'no limit' : `limit ${say('ratio', limit)}`
  return `error rate ${say('ratio', rate(treated))} on upgraded hosts${against}; ${bound}, ${Math.round(treated.n)} requests`
}

function warning(value: number, warn: number | undefined): string {
  return warn !== undefined && value > warn ? `; above the warning ${say('ratio', warn)}` : ''
}

function rate({ k, n }: Share): number {
  return n === 0 ? 0 : k / n
}

function scaled({ k, n }: Share, spread: number): Share {
  return { k: k / spread, n: n / spread }
}
