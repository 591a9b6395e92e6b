import { statSync } from 'node:fs'
import type { z } from 'zod'
import type { Person } from '../access/config.ts'
import type { Service } from '../release/config.ts'
import type { Bastion, consoleSchema, Host } from './schema.ts'

/** An item of a list together with its place in the file, such as `hosts[2]`. */
export interface At<T> {
  at: string
  value: T
}

export interface Parts {
  services: At<Service>[]
  /** `services[i].hosts` of every service, also of those that cannot be read otherwise. */
  selectors: At<Service['hosts']>[]
  hosts: At<Host>[]
  bastions: At<Bastion>[]
  people: At<Person>[]
  prometheus: { headers: Record<string, string>; tlsCaFile?: string | undefined } | undefined
  console: z.output<typeof consoleSchema> | undefined
  /** Names and ids of all that was written down, also of what is wrong otherwise. */
  names: { services: string[]; hosts: string[]; bastions: string[]; people: string[] }
}

export function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
