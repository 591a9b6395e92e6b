import { causeText, changeText, type Facts, moment, reason } from './rules-facts.ts'
import { mainFinding } from './rules-findings.ts'

const STEPS = 9
const GAPS = 12

/** The fourth section: what to do, numbered, most urgent first; then what could not be looked at. */
export function nextSteps(facts: Facts): string[] {
  const { verdict, survey, causes, release, words } = facts
  const { steps } = words
  // Nothing can be done about a release that is over.
  const outside = causes.map((cause) => steps.cause(causeText(facts, cause))).filter((step) => step !== '')
  const blind = survey.signals.length === 0
  const lookers = [
    ...(blind ? [steps.configure] : []),
    ...(!blind && survey.service !== undefined && lonely(facts) ? [steps.topology] : []),
  ]
  const todo = decision(facts, outside)
  if (verdict.at === 'unknown' && release !== undefined) todo.push(steps.compare(release))
  if (verdict.at !== 'release' && outside.length === 0) todo.push(steps.lookAt(moment(survey.onset)))
  if (blind || (verdict.at === 'unknown' && lookers.length > 0)) todo.push(...lookers, steps.again)
  return [...todo.slice(0, STEPS).map((step, n) => `${n + 1}. ${step}`), ...gapLines(facts)]
}

function decision(facts: Facts, outside: string[]): string[] {
  const { verdict, release, words, found } = facts
  const { steps } = words
  if (verdict.at !== 'release' || release === undefined) {
    const back = verdict.at === 'not the release' && release !== undefined ? [steps.noRollback(release)] : []
    return [...outside, ...back]
  }
  const main = mainFinding(found)
  const own = main?.signal.key === 'up' ? undefined : main
  const change = own === undefined ? undefined : changeText(facts, own)
  return [
    steps.rollback(release),
    ...(release.others === '' ? [] : [steps.keepOthers(release)]),
    ...(change === undefined ? [] : [steps.recheck(change.metric, change.before)]),
    ...outside,
  ]
}

/** No neighbour has been looked at. */
function lonely({ survey }: Facts): boolean {
  return !survey.signals.some(({ role }) => role === 'upstream' || role === 'downstream')
}

function gapLines(facts: Facts): string[] {
  const { survey, words } = facts
  if (survey.gaps.length === 0) return []
  return [
    words.gaps,
    ...survey.gaps.slice(0, GAPS).map((gap) => `- ${words.sentence(reason(facts, gap.slice(0, 500)))}`),
  ]
}
