import type { z } from 'zod'
import { suggestion } from '../lib/did-you-mean.ts'
import { type Service, selectorSchema } from '../release/config.ts'
import type { At, Parts } from './parts.ts'
import { type Problem, salvage } from './problems.ts'
import { type Bastion, type Host, lists, sections, words } from './schema.ts'

const known = [...Object.keys(lists), ...Object.keys(sections), ...Object.keys(words)]

/** Parses every section by itself. `path` makes paths absolute. With problems, the values are good for further checks only. */
export function readSections(raw: object, path: (text: string) => string) {
  const problems: Problem[] = Object.keys(raw)
    .filter((key) => !known.includes(key))
    .map((key) => ({
      path: key,
      say: `unknown section.${suggestion(key, known)}`,
      remedy: `remove it, or use one of: ${known.join(', ')}`,
    }))

  const read = <S extends z.ZodType>(schema: S, name: string, fallback?: unknown): z.output<S> | undefined => {
    const result = salvage(schema, Reflect.get(raw, name) ?? fallback, [name])
    problems.push(...result.problems)
    return result.value
  }
  const list = <S extends z.ZodType>(schema: S, name: string, required: boolean): At<z.output<S>>[] => {
    const items: unknown = Reflect.get(raw, name) ?? []
    if (!Array.isArray(items)) {
      problems.push({ path: name, say: 'expected a list', remedy: 'begin each item with a dash' })
      return []
    }
    if (items.length === 0 && required)
      problems.push({ path: name, say: 'missing', remedy: `name at least one under ${name}` })
    return items.flatMap((item, i) => {
      const result = salvage(schema, item, [name, i])
      problems.push(...result.problems)
      return result.value === undefined ? [] : [{ at: `${name}[${i}]`, value: result.value }]
    })
  }
  const withKey = <T extends Host | Bastion>({ at, value }: At<T>): At<T> => ({
    at,
    value: value.key === undefined ? value : { ...value, key: path(value.key) },
  })
  const prometheus =
    (Reflect.get(raw, 'prometheus') ?? undefined) === undefined ? undefined : read(sections.prometheus, 'prometheus')
  const store = read(sections.store, 'store', {})
  const knowledge = read(words.knowledge, 'knowledge')
  const single = {
    prometheus:
      prometheus?.tlsCaFile === undefined ? prometheus : { ...prometheus, tlsCaFile: path(prometheus.tlsCaFile) },
    store: store && { ...store, folder: path(store.folder) },
    knowledge: knowledge && path(knowledge),
    language: read(words.language, 'language'),
    ssh: read(sections.ssh, 'ssh', {}),
    console: read(sections.console, 'console', {}),
    log: read(sections.log, 'log', {}),
  }
  const parts: Parts = {
    services: list(lists.services, 'services', true).map(({ at, value }) => ({
      at,
      value: withChecksumPath(value, path),
    })),
    selectors: itemsOf(raw, 'services').flatMap((item, i) => {
      const selector = selectorSchema.safeParse(property(item, 'hosts') ?? {})
      return selector.success ? [{ at: `services[${i}].hosts`, value: selector.data }] : []
    }),
    hosts: list(lists.hosts, 'hosts', true).map(withKey),
    bastions: list(lists.bastions, 'bastions', false).map(withKey),
    people: list(lists.people, 'people', true),
    prometheus: single.prometheus,
    console: single.console,
    names: {
      services: itemsOf(raw, 'services').map((item) => String(property(item, 'name'))),
      hosts: itemsOf(raw, 'hosts').map((item) => String(property(item, 'id'))),
      bastions: itemsOf(raw, 'bastions').map((item) => String(property(item, 'id'))),
      people: itemsOf(raw, 'people').map((item) => String(property(item, 'id'))),
    },
  }
  return { parts, single, problems }
}

function withChecksumPath(service: Service, path: (text: string) => string): Service {
  const { artifact } = service
  if (artifact.checksum.by === 'url') return service
  return {
    ...service,
    artifact: { ...artifact, checksum: { ...artifact.checksum, path: path(artifact.checksum.path) } },
  }
}

function itemsOf(raw: object, section: string): unknown[] {
  const items: unknown = Reflect.get(raw, section)
  return Array.isArray(items) ? items : []
}

function property(item: unknown, key: string): unknown {
  return typeof item === 'object' && item !== null ? Reflect.get(item, key) : undefined
}
