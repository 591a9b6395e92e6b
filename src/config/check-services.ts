import { suggestion } from '../lib/did-you-mean.ts'
import { selects } from '../release/config.ts'
import { exists, type Parts } from './parts.ts'
import type { Problem } from './problems.ts'

/** Hosts that services name and that are not there; a host that cannot be read otherwise is there all the same. */
export function checkHostsNamed({ hostsNamed, names }: Parts): Problem[] {
  const known = names.hosts.map(({ value }) => value)
  return hostsNamed.flatMap(({ at, value: id }) => {
    if (known.includes(id)) return []
    const say = `no host has the id ${id}.${suggestion(id, known)}`
    return [{ path: at, say, remedy: 'add the host under hosts, or correct the id' }]
  })
}

/** Selectors that name no host; they are looked at even when the rest of the service cannot be read. */
export function checkSelectors({ selectors, hosts, names, readable }: Parts): Problem[] {
  const all = hosts.map(({ value }) => value)
  const regions = [...new Set(all.map((host) => host.region))].filter((region) => region !== '')
  // A host that could not be read may be the one that is meant.
  const complete = hosts.length > 0 && hosts.length === readable.hosts.length
  if (!complete) return []
  const ids = names.hosts.map(({ value }) => value)
  return selectors.flatMap(({ at, value: selector }) => {
    const unknown = (selector.regions ?? []).flatMap((region, i) => {
      if (regions.includes(region)) return []
      const remedy = regions.length === 0 ? 'set region under hosts' : `use one of: ${regions.join(', ')}`
      return [
        {
          path: `${at}.regions[${i}]`,
          say: `no host is in the region ${region}.${suggestion(region, regions)}`,
          remedy,
        },
      ]
    })
    // Told as such, each.
    const strangers = (selector.ids ?? []).some((id) => !ids.includes(id))
    if (unknown.length > 0 || strangers || all.some((host) => selects(selector, host))) return unknown
    return [
      {
        path: at,
        say: 'the selector names no host',
        remedy: 'correct ids, regions or labels; a host must fit all of them',
      },
    ]
  })
}

/** Folders that two services would share on a host. */
export function checkRoots({ services, hosts }: Parts): Problem[] {
  const owners = new Map<string, string>()
  return services.flatMap(({ at, value: service }) => {
    const places = hosts
      .filter(({ value }) => selects(service.hosts, value))
      .map(({ value }) => `${service.recipe.root} on ${value.id}`)
    const shared = places.find((place) => owners.has(place))
    for (const place of places) owners.set(place, service.name)
    if (shared === undefined) return []
    return [
      {
        path: `${at}.recipe.root`,
        say: `${shared} belongs to another service already`,
        remedy: 'give each service a folder of its own',
      },
    ]
  })
}

export function checkChecksumFiles({ services }: Parts): Problem[] {
  return services.flatMap(({ at, value: { artifact } }) => {
    const { checksum } = artifact
    if (checksum.by !== 'file' || exists(checksum.path)) return []
    const remedy = 'create it in the format of sha256sum, or correct the path'
    return [{ path: `${at}.artifact.checksum.file`, say: `no such file ${checksum.path}`, remedy }]
  })
}

export function unknownNeighbours({ services, names }: Parts): Problem[] {
  const known = names.services.map(({ value }) => value)
  const remedy = 'correct it if it is a misspelling; otherwise it is watched, and never released'
  return services.flatMap(({ at, value }) =>
    (['upstream', 'downstream'] as const).flatMap((way) =>
      value[way].flatMap((name, i) => {
        const near = suggestion(name, known)
        // A neighbour that others release is nothing to be warned of.
        if (known.includes(name) || near === '') return []
        return [{ path: `${at}.${way}[${i}]`, say: `${name} is no service here.${near}`, remedy }]
      }),
    ),
  )
}

// A window that ends within the warm-up has no sample to judge.
export function hurriedWindows({ services }: Parts): Problem[] {
  const say = 'the window is not longer than warmup and interval: the gate will see nothing and ask'
  return services.flatMap(({ at, value: { policy } }) =>
    policy.windows.flatMap((window, i) => {
      if (window > policy.warmup + policy.interval) return []
      return [{ path: `${at}.policy.windows[${i}]`, say, remedy: 'make it longer, or warmup shorter' }]
    }),
  )
}
