import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Case, casesIn } from '../../bench/rootcausebench.ts'
import { judge } from '../../src/incident/judge.ts'

const folder = '../shared/data/rootcausebench'

describe.skipIf(!existsSync(folder))('labelled incidents as releases', () => {
  const cases = existsSync(folder) ? casesIn(folder).map((one) => ({ ...one, at: judge(one.survey).at })) : []
  const label = ({ incident, deployedAt, spread }: Case) => `${incident} ${deployedAt} on ${spread}`
  const half = cases.filter(({ spread }) => spread === 'half of the hosts')

  test('there are guilty and innocent ones', () => {
    console.log(cases.map((one) => `${label(one)}: ${one.guilty ? 'guilty' : 'innocent'}, ${one.at}`).join('\n'))
    expect(cases.filter(({ guilty }) => guilty).length).toBeGreaterThanOrEqual(18)
    expect(cases.filter(({ guilty }) => !guilty).length).toBeGreaterThanOrEqual(26)
  })

  test.each(half.filter(({ guilty }) => guilty).map((one) => [label(one), one.at]))(
    'guilty, with hosts to compare: a rollback is offered for %s',
    (_name, at) => expect(at).toBe('release'),
  )

  test.each(cases.filter(({ guilty }) => !guilty).map((one) => [label(one), one.at]))(
    'innocent: a rollback is withheld for %s',
    (_name, at) => expect(at).not.toBe('release'),
  )
})
