import type { Command } from '../src/entry/command.ts'
import { alerts } from './alerts.ts'
import { help } from './help.ts'
import { hosts } from './hosts.ts'
import { release } from './release.ts'
import { rollback } from './rollback.ts'
import { status } from './status.ts'

/** All commands, in the order in which /help lists them. */
export const commands: Command[] = [release, status, rollback, hosts, alerts, help]
