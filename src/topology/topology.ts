/** What the configuration says about one service: who calls it (upstream) and whom it calls (downstream). */
export interface Declared {
  name: string
  upstream: readonly string[]
  downstream: readonly string[]
}

export interface Neighbours {
  /** Services that call this one. */
  upstream: string[]
  /** Services that this one calls. */
  downstream: string[]
}

/** By service name; names that are only mentioned by others are in it too. */
export type Topology = ReadonlyMap<string, Neighbours>

/**
 * Each edge may be declared at either end: `a` downstream `b` says the same as `b` upstream `a`.
 * Neighbours are unique and sorted; a service is no neighbour of itself; cycles are allowed.
 */
export function createTopology(services: readonly Declared[]): Topology {
  const callers = new Map<string, Set<string>>()
  const callees = new Map<string, Set<string>>()
  const add = (map: Map<string, Set<string>>, from: string, to: string): void => {
    map.set(from, (map.get(from) ?? new Set()).add(to))
  }
  const edge = (caller: string, callee: string): void => {
    if (caller === callee) return
    add(callees, caller, callee)
    add(callers, callee, caller)
  }
  for (const service of services) {
    for (const caller of service.upstream) edge(caller, service.name)
    for (const callee of service.downstream) edge(service.name, callee)
  }
  const names = new Set([...services.map((service) => service.name), ...callers.keys(), ...callees.keys()])
  return new Map(
    [...names]
      .sort()
      .map((name) => [name, { upstream: sorted(callers.get(name)), downstream: sorted(callees.get(name)) }]),
  )
}

/** The direct neighbours of one service among those declared; both lists are empty for a service that nobody names. */
export function neighbours(services: readonly Declared[], service: string): Neighbours {
  return createTopology(services).get(service) ?? { upstream: [], downstream: [] }
}

/**
 * Every service that can be reached along one direction, nearest first, with its distance in hops; the service itself is left out.
 * A cycle is walked once.
 */
export function reach(
  topology: Topology,
  service: string,
  direction: keyof Neighbours,
): { name: string; hops: number }[] {
  const found: { name: string; hops: number }[] = []
  const seen = new Set([service])
  let ring = [service]
  for (let hops = 1; ring.length > 0; hops++) {
    const next = new Set(
      ring.flatMap((name) => topology.get(name)?.[direction] ?? []).filter((name) => !seen.has(name)),
    )
    for (const name of next) {
      seen.add(name)
      found.push({ name, hops })
    }
    ring = [...next]
  }
  return found
}

function sorted(names: Set<string> | undefined): string[] {
  return [...(names ?? [])].sort()
}
