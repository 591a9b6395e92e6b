import { access } from './zh/access.ts'
import { commands } from './zh/commands.ts'
import { faults } from './zh/faults.ts'
import { gate, gateTable } from './zh/gate.ts'
import { hosts } from './zh/hosts.ts'
import { incident } from './zh/incident.ts'
import { preparation } from './zh/preparation.ts'
import { release } from './zh/release.ts'
import { surfaces } from './zh/surfaces.ts'
import { verdict } from './zh/verdict.ts'

/**
 * The Chinese catalogue. A key is the English sentence as the code says it, with placeholders as template.ts describes them; what
 * stands under it says the same with the same names. As with gettext, the English sentence is the id: a sentence that is changed
 * in the code has to be changed here, and a test says which.
 */
export const zh: Readonly<Record<string, string>> = {
  ...release,
  ...gate,
  ...gateTable,
  ...preparation,
  ...commands,
  ...access,
  ...faults,
  ...hosts,
  ...incident,
  ...surfaces,
  ...verdict,
}
