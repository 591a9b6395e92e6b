import { existsSync } from 'node:fs'
import type { z } from 'zod'
import { bundledKnowledge } from '../lib/bundled.ts'
import { suggestion } from '../lib/did-you-mean.ts'
import { type Service, selectorSchema } from '../release/config.ts'
import { type At, type Parts, textOf } from './parts.ts'
import { type Problem, salvage } from './problems.ts'
import { type Bastion, type Host, lists, sections, usualKnowledge, words } from './schema.ts'

const known = [...Object.keys(lists), ...Object.keys(sections), ...Object.keys(words)].filter(
  (name) => name !== 'mongo',
)

/** Parses every section by itself. `path` makes paths absolute. With problems, the values are good for further checks only. */
export function readSections(raw: object, path: (text: string) => string) {
  const problems: Problem[] = Object.keys(raw)
    .filter((key) => !known.includes(key))
    .map((key) => ({
      path: key,
      say: `unknown section.${suggestion(key, known)}`,
      remedy: `remove it, or use one of: ${known.join(', ')}`,
    }))

  const part = <S extends z.ZodType>(schema: S, name: string, fallback?: unknown) => {
    const result = salvage(schema, Reflect.get(raw, name) ?? fallback, [name])
    problems.push(...result.problems)
    return result
  }
  const read = <S extends z.ZodType>(schema: S, name: string, fallback?: unknown): z.output<S> | undefined =>
    part(schema, name, fallback).value
  const readable: Parts['readable'] = { services: [], hosts: [], bastions: [], people: [] }
  const list = <S extends z.ZodType>(schema: S, name: keyof typeof lists, required: boolean): At<z.output<S>>[] => {
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
      const { key } = result.rest
      const rest = typeof key === 'string' ? { ...result.rest, key: path(key) } : result.rest
      readable[name].push({ at: `${name}[${i}]`, value: rest })
      return result.value === undefined ? [] : [{ at: `${name}[${i}]`, value: result.value }]
    })
  }
  const withKey = <T extends Host | Bastion>({ at, value }: At<T>): At<T> => ({
    at,
    value: value.key === undefined ? value : { ...value, key: path(value.key) },
  })
  const hasPrometheus = (Reflect.get(raw, 'prometheus') ?? undefined) !== undefined
  const metrics = hasPrometheus ? part(sections.prometheus, 'prometheus') : undefined
  const prometheus = metrics?.value
  const tlsCaFile = metrics && textOf(metrics.rest, 'tlsCaFile')
  const shared = property(Reflect.get(raw, 'store'), 'kind') === 'mongo'
  const store = shared ? read(sections.mongo, 'store') : read(sections.store, 'store', {})
  // A service that is not named is not used.
  const named = <S extends z.ZodType>(schema: S, name: string): z.output<S> | undefined =>
    (Reflect.get(raw, name) ?? undefined) === undefined ? undefined : read(schema, name)
  const knowledge = read(words.knowledge, 'knowledge')
  const folder = knowledge && path(knowledge)
  const single = {
    prometheus:
      prometheus?.tlsCaFile === undefined ? prometheus : { ...prometheus, tlsCaFile: path(prometheus.tlsCaFile) },
    store: store && { ...store, folder: path(store.folder) },
    // Ours, where the operator has none of their own in the usual place.
    knowledge: folder === undefined || knowledge !== usualKnowledge || existsSync(folder) ? folder : bundledKnowledge,
    language: read(words.language, 'language'),
    ssh: read(sections.ssh, 'ssh', {}),
    console: read(sections.console, 'console', {}),
    alerts: read(sections.alerts, 'alerts', {}),
    ai: read(sections.ai, 'ai', {}),
    mcp: read(sections.mcp, 'mcp', {}),
    slack: named(sections.slack, 'slack'),
    wecom: named(sections.wecom, 'wecom'),
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
    prometheus: metrics && {
      headers: Object.keys(Object(metrics.rest.headers)),
      tlsCaFile: tlsCaFile && path(tlsCaFile),
    },
    console: single.console,
    alerts: single.alerts,
    slack: single.slack,
    wecom: single.wecom,
    names: {
      services: textsOf(raw, 'services', 'name'),
      hosts: textsOf(raw, 'hosts', 'id'),
      bastions: textsOf(raw, 'bastions', 'id'),
      people: textsOf(raw, 'people', 'id'),
    },
    readable,
    hostsNamed: itemsOf(raw, 'services').flatMap((item, i) => {
      const ids: unknown = property(property(item, 'hosts'), 'ids')
      return texts(Array.isArray(ids) ? ids : [], (j) => `services[${i}].hosts.ids[${j}]`)
    }),
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

function textsOf(raw: object, section: string, key: string): At<string>[] {
  const found = itemsOf(raw, section).map((item) => property(item, key))
  return texts(found, (i) => `${section}[${i}]`)
}

function texts(items: unknown[], at: (i: number) => string): At<string>[] {
  return items.flatMap((value, i) => (typeof value === 'string' ? [{ at: at(i), value }] : []))
}

function property(item: unknown, key: string): unknown {
  return typeof item === 'object' && item !== null ? Reflect.get(item, key) : undefined
}
