/**
 * Whether a rollback would be offered, over labelled incidents adapted to releases: `npm run bench:verdict -- <folder>`
 * (../shared/data/rootcausebench unless told). Prints each deploy, and how often the guilty were offered and the innocent withheld.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { judge } from '../src/incident/judge.ts'
import { casesIn } from './rootcausebench.ts'

const folder = resolve(process.argv[2] ?? '../shared/data/rootcausebench')
if (!existsSync(folder)) {
  console.error(`There is no folder ${folder}. Next: name one with labelled incidents.`)
  process.exit(1)
}
const cases = casesIn(folder).map((one) => ({ ...one, verdict: judge(one.survey) }))
for (const { incident, deployedAt, spread, guilty, verdict } of cases) {
  const is = guilty ? 'guilty' : 'innocent'
  console.log(
    [incident.padEnd(34), deployedAt, spread.padEnd(17), is.padEnd(8), verdict.at.padEnd(15), verdict.why].join('  '),
  )
}
console.log(
  'Half of the hosts: what hosts without the deploy saw is inferred from the label, as the data has one series a service.',
)
for (const spread of ['half of the hosts', 'all hosts'] as const) {
  const here = cases.filter((one) => one.spread === spread)
  const guilty = here.filter((one) => one.guilty)
  const innocent = here.filter((one) => !one.guilty)
  const offered = guilty.filter(({ verdict }) => verdict.at === 'release').length
  const withheld = innocent.filter(({ verdict }) => verdict.at !== 'release').length
  console.log(
    `${spread}: guilty offered ${offered} of ${guilty.length}, innocent withheld ${withheld} of ${innocent.length}`,
  )
}
