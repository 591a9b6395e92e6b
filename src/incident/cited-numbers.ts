import { checkPromql } from './promql-check.ts'
import type { Signal } from './survey.ts'

type Comparison = 'factor' | 'change' | 'difference'
type Unit = Signal['unit']

/** One meaning of a printed number, in base units (seconds, bytes, shares); it holds for values at most `tolerance` away. */
export interface Reading {
  value: number
  tolerance: number
  /** A comparison of two values, a and b: a / b, a / b - 1, a - b. */
  relative?: Comparison
}

export interface Cited {
  /** As it is printed, with its unit. */
  text: string
  readings: Reading[]
  /** What it measures: only values of the same unit confirm it. Any value confirms a number without a unit. */
  unit?: Unit
}

/** What holds digits and is no measurement. Masked in this order. */
const NO_NUMBERS = [
  /https?:\/\/\S+/g,
  // PromQL: selectors, ranges.
  /(?<![\w:])[A-Za-z_:][\w:]{0,200}\{[^{}\n]{0,1000}\}/g,
  /\[\d{1,9}(?:ms|[smhdwy])(?::[\dsmhd]*)?\]/g,
  // Addresses, dates and times.
  /\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?:\/\d+)?/g,
  /\d{4}-\d{1,2}-\d{1,2}(?:[T ]+\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?/g,
  /\d{2,4}\/\d{1,2}\/\d{1,2}/g,
  /(?<![\w.:-])\d{1,2}:\d{2}(?::\d{2})?(?!\d)(?:\.\d+)?(?: ?(?:Z\b|UTC|AM|PM|am|pm))?/g,
  /\d{2,4} ?年(?: ?\d{1,2} ?月)?(?: ?\d{1,2} ?日)?|\d{1,2} ?月 ?\d{1,2} ?日|\d{1,2} ?[时点] ?\d{1,2} ?分(?: ?\d{1,2} ?秒)?/g,
  /UTC ?[+-] ?\d+/g,
  // Versions.
  /(?<![\w.])[vV]?\d+\.\d+\.\d+[\w.+-]*/g,
  // Identifiers: #12, hexadecimal.
  /#\d+/g,
  /(?<!\w)(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{7,64}(?!\w)/g,
  // Ordinals, percentiles, classes of status codes.
  /(?<!\d)\d{1,9}(?:st|nd|rd|th)\b/g,
  /(?<!\d)\d{1,9}(?:\.\d{1,9})? ?分位/g,
  /\dxx\b/gi,
  // List numbering.
  /^[ \t]{0,20}[-*•]?[ \t]{0,20}[(（]?\d{1,2}(?:[.)、）．:：](?!\d)|[)）])/gm,
  /[(（]\d{1,2}[)）]/g,
]

interface Word {
  words: string
  unit?: Unit
  factors: number[]
  relative?: { by: Comparison; factors: number[] }
  /** People round these down, so a whole one is tolerated. */
  coarse?: boolean
}

const MIB = 1024 ** 2
const GIB = 1024 ** 3
const UNITS: Word[] = [
  {
    words: 'percentage points?|个?百分点|pp',
    unit: 'ratio',
    factors: [],
    relative: { by: 'difference', factors: [0.01] },
  },
  { words: '%|％|percent|per cent', unit: 'ratio', factors: [0.01], relative: { by: 'change', factors: [0.01] } },
  { words: 'ms|milliseconds?|毫秒', unit: 'seconds', factors: [1e-3] },
  { words: 'µs|μs|us|microseconds?|微秒', unit: 'seconds', factors: [1e-6] },
  { words: 'minutes?|mins?|分钟', unit: 'seconds', factors: [60], coarse: true },
  { words: 'hours?|hrs?|h|小时', unit: 'seconds', factors: [3600], coarse: true },
  { words: 'days?|d|天', unit: 'seconds', factors: [86_400], coarse: true },
  { words: 'KiB', unit: 'bytes', factors: [1024] },
  { words: 'MiB', unit: 'bytes', factors: [MIB] },
  { words: 'GiB', unit: 'bytes', factors: [GIB] },
  { words: 'TiB', unit: 'bytes', factors: [1024 * GIB] },
  { words: '[kK]B', unit: 'bytes', factors: [1e3, 1024] },
  { words: 'MB|兆字节|兆', unit: 'bytes', factors: [1e6, MIB] },
  { words: 'GB|吉字节', unit: 'bytes', factors: [1e9, GIB] },
  { words: 'TB', unit: 'bytes', factors: [1e12, 1024 * GIB] },
  { words: 'bytes?|B|字节', unit: 'bytes', factors: [1] },
  {
    words: 'requests? per second|requests?/s|reqs?/s|rps|qps|QPS|RPS|per second|/ ?s(?:ec)?|次/秒|请求/秒|个/秒|每秒',
    unit: 'per_second',
    factors: [1],
  },
  { words: 'seconds?|secs?|s|秒', unit: 'seconds', factors: [1] },
  { words: 'm', unit: 'seconds', factors: [60], coarse: true },
  { words: 'cores?|CPUs?|核', unit: 'cores', factors: [1] },
  { words: 'times|fold|[xX×]|倍', factors: [], relative: { by: 'factor', factors: [1] } },
  { words: 'million|M', factors: [1e6] },
  { words: 'thousand|[kK]', factors: [1e3] },
  { words: '万', factors: [1e4] },
]
const FACTOR: Word = { words: '', factors: [], relative: { by: 'factor', factors: [1] } }
const UNIT = UNITS.map(({ words }) => `(${words})`).join('|')
const NUMBER = String.raw`(\d{1,3}(?:,\d{3})+(?!\d)|\d+)(\.\d+)?(?:[eE]([+-]?\d{1,3}))?`
const CITED = new RegExp(
  String.raw`(?<![\w.])([-−](?<![\w)\]][-−])(?<!\d [-−]))?${NUMBER}(?![\d]|[eE]\d)(?:[ \u00a0]?(?:${UNIT})(?![A-Za-z0-9_]))?`,
  'g',
)
const GOES_ON = new RegExp(String.raw`^ ?(?:-|–|—|~|～|to|and|至|到) ?\d[\d.,]*[ \u00a0]?(?:${UNIT})(?![A-Za-z0-9_])`)
/** A word that says what a number names; where a unit follows, it is a measurement all the same. */
const NAMED = [
  String.raw`\b(?:PR|pull request|issue|line|port|code|batch|step|attempt|version|exit code|error code)(?:s|es)? (?:no\. ?)?\d{1,9}(?:(?:,| and| or) \d{1,9})*`,
  String.raw`\b(?:HTTP|status|status code|code)s? [1-5]\d\d(?:(?:,| and| or) [1-5]\d\d)*|\bHTTP [123]`,
  String.raw`(?:合并请求|端口|行号|步骤|批次|版本|错误码|退出码) ?\d{1,9}|第 ?\d{1,9}|状态码 ?[1-5]\d\d`,
].map((pattern) => new RegExp(`(?:${pattern})(?!\\d|\\.\\d|[ \u00a0]?(?:${UNIT})(?![A-Za-z0-9_]))`, 'gi'))
/** What begins with a letter and goes on with digits. */
const IDENTIFIER = /(?<![A-Za-z0-9_./:-])[A-Za-z_][A-Za-z_./:-]{0,200}\d[\w./:-]*/g
/** Unless it ends in a measurement: `latency:731ms`. */
const ENDS_IN_NUMBER = /[:/]\d+(?:\.\d+)?([A-Za-z]*)$/
const UNIT_FOLLOWS = new RegExp(`^[ \u00a0]?(?:${UNIT})(?![A-Za-z0-9_])`)
const ABOUT =
  /(?:\b(?:about|around|roughly|nearly|almost|approximately|approx\.?|some|over|more than|less than|below|above|under|at least|up to)|[~≈]|约|大约|近|接近|超过|不到|高达|以上) ?$/i
const DURATION =
  /(?<!\d)(\d{1,9}) ?(d|days?|天|h|hours?|小时) ?(\d+) ?(h|hours?|小时|min(?:utes?|s)?|m|分钟?)(?: ?(\d+) ?(s|seconds?|秒))?|(?<!\d)(\d{1,9}) ?(min(?:utes?|s)?|m|分钟?) ?(\d+) ?(s|seconds?|秒)/g

/**
 * The numbers that a report states, each once, in order. Versions, dates, times of day, identifiers, names, status codes and list
 * numbering are none. The tolerance is half of the last printed place; 5 % where the text says "about" or the like.
 */
export function citedIn(content: string): Cited[] {
  let text = content
  const found: (Cited & { at: number })[] = []
  // Code of a report is a query, or else it counts like any other text.
  text = text.replace(/`([^`\n]*)`/g, (match, code: string) => (selects(code) ? blank(match) : match))
  for (const pattern of NO_NUMBERS) text = text.replace(pattern, blank)
  text = text.replace(IDENTIFIER, (match, at: number, all: string) => {
    const end = ENDS_IN_NUMBER.exec(match)
    if (end === null || !UNIT_FOLLOWS.test((end[1] ?? '') + all.slice(at + match.length, at + match.length + 20)))
      return blank(match)
    return blank(match.slice(0, end.index + 1)) + match.slice(end.index + 1)
  })
  for (const pattern of NAMED) text = text.replace(pattern, blank)
  text = text.replace(DURATION, (match, ...rest) => {
    const at = rest.find((each): each is number => typeof each === 'number') ?? 0
    const { seconds, last } = durationOf(match)
    found.push({ at, text: match, readings: [{ value: seconds, tolerance: last }], unit: 'seconds' })
    return blank(match)
  })
  for (const match of text.matchAll(CITED)) {
    const [whole, sign, digits = '', fraction = '', exponent = '0', ...words] = match
    let unit = UNITS[words.findIndex((each) => each !== undefined)]
    if (unit === undefined) {
      const next = GOES_ON.exec(text.slice(match.index + whole.length, match.index + whole.length + 40))
      unit = next === null ? undefined : UNITS[next.slice(1).findIndex((each) => each !== undefined)]
      // A name that begins with digits, such as 3scale.
      if (unit === undefined && /^[A-Za-z_]/.test(text.slice(match.index + whole.length))) continue
    }
    if (unit === undefined && /[×xX] ?$/.test(text.slice(Math.max(0, match.index - 2), match.index))) unit = FACTOR
    const scale = 10 ** Number(exponent)
    const value = Number(`${digits.replaceAll(',', '')}${fraction}`) * scale * (sign === undefined ? 1 : -1)
    const place = 10 ** -Math.max(0, fraction.length - 1) * scale
    const about = ABOUT.test(text.slice(Math.max(0, match.index - 20), match.index))
    const half = unit?.coarse === true && fraction === '' ? place : place / 2
    const tolerance = Math.max(half, about ? Math.abs(value) * 0.05 : 0)
    found.push({
      at: match.index,
      text: whole.trim(),
      readings: readingsOf(value, tolerance, unit),
      ...(unit?.unit === undefined ? {} : { unit: unit.unit }),
    })
  }
  const seen = new Set<string>()
  return found
    .sort((a, b) => a.at - b.at)
    .flatMap(({ at: _, ...cited }) => {
      const key = JSON.stringify(cited)
      if (seen.has(key)) return []
      seen.add(key)
      return [cited]
    })
}

function blank(match: string): string {
  return ' '.repeat(match.length)
}

function selects(code: string): boolean {
  const check = checkPromql(code)
  return check.ok && check.selects
}

function readingsOf(value: number, tolerance: number, unit: Word | undefined): Reading[] {
  if (unit === undefined) return [{ value, tolerance }]
  return [
    ...unit.factors.map((factor) => ({ value: value * factor, tolerance: tolerance * factor })),
    ...(unit.relative?.factors ?? []).map((factor) => ({
      value: value * factor,
      tolerance: tolerance * factor,
      relative: unit.relative?.by,
    })),
  ]
}

function durationOf(text: string): { seconds: number; last: number } {
  let seconds = 0
  let last = 1
  for (const [, count, unit = ''] of text.matchAll(/(\d+) ?([a-z]+|天|小时|分钟?|秒)/g)) {
    last = /^(d|天)/.test(unit) ? 86_400 : /^(h|小)/.test(unit) ? 3600 : /^(m|分)/.test(unit) ? 60 : 1
    seconds += Number(count) * last
  }
  return { seconds, last }
}

/** Values that a number may be confirmed by. */
export interface Evidence {
  /** From metrics, in base units: answers of queries, the survey, what the alert says with a unit. */
  measured: Record<Unit, number[]>
  /** Everything that was seen, those among them: also counts and what other tools said. */
  seen: number[]
  /** Comparisons of measured values of one signal; differences are those of shares. */
  factor: number[]
  change: number[]
  difference: number[]
}

export function noEvidence(): Evidence {
  const measured = { ratio: [], seconds: [], bytes: [], cores: [], per_second: [], count: [] }
  return { measured, seen: [], factor: [], change: [], difference: [] }
}

/** For `confirms`: the same values in ascending order, without those that are none. */
export function inOrder({ measured, seen, factor, change, difference }: Evidence): Evidence {
  const sorted = (values: number[]) => [...Float64Array.from(new Set(values.filter(Number.isFinite))).sort()]
  const { ratio, seconds, bytes, cores, per_second, count } = measured
  return {
    measured: {
      ratio: sorted(ratio),
      seconds: sorted(seconds),
      bytes: sorted(bytes),
      cores: sorted(cores),
      per_second: sorted(per_second),
      count: sorted(count),
    },
    seen: sorted([...seen, ...ratio, ...seconds, ...bytes, ...cores, ...per_second, ...count]),
    factor: sorted(factor),
    change: sorted(change),
    difference: sorted(difference),
  }
}

/** True when one of the readings lies within its tolerance of a value of the evidence (in order) in the same unit. */
export function confirms(evidence: Evidence, { readings, unit }: Cited): boolean {
  return readings.some(({ value, tolerance, relative }) => {
    const values =
      relative !== undefined ? evidence[relative] : unit === undefined ? evidence.seen : evidence.measured[unit]
    const slack = tolerance * (1 + 1e-6) + Math.abs(value) * 1e-9
    // A fall by 30 % is stated without its sign.
    return near(values, value, slack) || near(values, -value, slack)
  })
}

function near(values: number[], value: number, slack: number): boolean {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] ?? 0) < value - slack) low = middle + 1
    else high = middle
  }
  const found = values[low]
  return found !== undefined && found <= value + slack
}
