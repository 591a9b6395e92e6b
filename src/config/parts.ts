import { statSync } from 'node:fs'
import type { z } from 'zod'
import type { Person } from '../access/config.ts'
import type { SlackConfig } from '../adapters/slack/config.ts'
import type { WecomConfig } from '../adapters/wecom/config.ts'
import type { AlertsConfig } from '../incident/config.ts'
import type { Service } from '../release/config.ts'
import type { Readable } from './problems.ts'
import type { Bastion, consoleSchema, Host } from './schema.ts'

/** An item of a list together with its place in the file, such as `hosts[2]`. */
export interface At<T> {
  at: string
  value: T
}

export interface Parts {
  services: At<Service>[]
  /** `services[i].hosts` of every service whose selector is right, also of those that cannot be read otherwise. */
  selectors: At<Service['hosts']>[]
  hosts: At<Host>[]
  bastions: At<Bastion>[]
  people: At<Person>[]
  /** Names of headers, and the file; also when the section lacks something else. */
  prometheus: { headers: string[]; tlsCaFile: string | undefined } | undefined
  console: z.output<typeof consoleSchema> | undefined
  alerts: AlertsConfig | undefined
  slack: SlackConfig | undefined
  wecom: WecomConfig | undefined
  /** Names and ids of all that was written down, also of what is wrong otherwise. */
  names: Record<Section, At<string>[]>
  /** What can be read of every item, also of one that lacks something: each part is right by itself. */
  readable: Record<Section, At<Readable>[]>
  /** Hosts that services name by id, each with its place; also those of services that are wrong otherwise. */
  hostsNamed: At<string>[]
}

type Section = 'services' | 'hosts' | 'bastions' | 'people'

/** A part of an item, when it is a text. */
export function textOf(item: Readable, key: string): string | undefined {
  const value = item[key]
  return typeof value === 'string' ? value : undefined
}

export function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
