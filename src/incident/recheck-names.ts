import { parser } from '@prometheus-io/lezer-promql'

const METRICS = 2
const LONGEST = 80

/** What people may call a query that is no signal's: the first metrics that it reads; without any, that it is the report's. */
export function nameOfQuery(query: string): string {
  const names: string[] = []
  parser.parse(query).iterate({
    enter({ node, type }) {
      const name = type.name === 'VectorSelector' ? node.getChild('Identifier') : null
      if (name !== null) names.push(query.slice(name.from, name.to).slice(0, LONGEST))
    },
  })
  const unique = [...new Set(names)]
  if (unique.length === 0) return 'a query of the report'
  return unique.slice(0, METRICS).join(', ')
}

/** The host that a series' text names by one of these labels, as in `{host="bj-1"}`; undefined when it names none. */
export function hostIn(labels: string, hostLabels: readonly string[]): string | undefined {
  const found = new Map(
    [...labels.matchAll(/([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*")/g)].map(([, name = '', value = '""']) => [name, value]),
  )
  const text = hostLabels.map((label) => found.get(label)).find((value) => value !== undefined)
  try {
    return text === undefined ? undefined : String(JSON.parse(text))
  } catch {
    return undefined
  }
}
