import type { Survey } from './survey.ts'

/** Scrapes that may miss a target around its restart, in steps: the one on its way, and the point that repeats it. */
const SCRAPES = 2

/**
 * The survey without the moments in which a host of the service did not answer because it was being deployed to: from the job's
 * beginning (as long before the new version was healthy as the first host took) to two steps after it. A host that does not answer
 * now keeps them, and so does every other gap: only what a deploy explains in full is left out. Pure.
 */
export function withoutRestarts(survey: Survey): Survey {
  const { release, service, stepSeconds, down } = survey
  if (release === undefined) return survey
  const slack = SCRAPES * stepSeconds
  const deploys = new Map(release.upgraded.map(({ host, at }) => [host, at]))
  const away = new Set(down.filter((each) => each.service === service).map(({ host }) => host))
  const signals = survey.signals.map((signal) => {
    if (signal.key !== 'up' || signal.role !== 'service') return signal
    const hosts = signal.hosts.map((each) => {
      const at = deploys.get(each.host)
      const now = each.points.at(-1)?.[1] ?? 0
      if (at === undefined || now <= 0 || away.has(each.host)) return each
      const from = at - (release.jobSeconds ?? 0) - slack
      // Several targets of one host add up: fewer than now is a gap.
      return { ...each, points: each.points.filter(([time, up]) => up >= now || time < from || time > at + slack) }
    })
    return { ...signal, hosts }
  })
  return { ...survey, signals }
}
