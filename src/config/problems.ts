import { z } from 'zod'
import { suggestion } from '../lib/did-you-mean.ts'

/** One thing that is wrong with the configuration: where (`hosts[2].key`), what, and what to do. */
export interface Problem {
  path: string
  say: string
  remedy: string
}

/** `hosts[2].key: no such file ~/.ssh/x. Create it, or ...` */
export function problemLine({ path, say, remedy }: Problem): string {
  const sentence = /[.?!]$/.test(say) ? say : `${say}.`
  return `${path}: ${sentence} ${remedy.charAt(0).toUpperCase()}${remedy.slice(1)}${/[.?!]$/.test(remedy) ? '' : '.'}`
}

type Path = readonly PropertyKey[]

/** Parts of an item of which each is right by itself; what is wrong is left out. */
export type Readable = Readonly<Record<string, unknown>>

/**
 * Parses, and when that fails goes on without the parts that are wrong, so that every problem is found at once: what a schema
 * checks across fields runs only when the fields by themselves are right. `value` is undefined when too much is missing;
 * with problems, it is good for further checks only. `rest` is what stands there in words that are right by themselves, also
 * when too much is missing.
 */
export function salvage<S extends z.ZodType>(
  schema: S,
  raw: unknown,
  at: Path,
): { value: z.output<S> | undefined; rest: Readable; problems: Problem[] } {
  const problems = new Map<string, Problem>()
  const removed: Path[] = []
  let input = structuredClone(raw)
  for (;;) {
    const known = new Map<string, string[]>()
    const parsed = schema.safeParse(input, {
      error: (issue) => {
        if (issue.code === 'unrecognized_keys') known.set(format(issue.path ?? []), keysOf(issue.inst))
        return undefined
      },
    })
    if (parsed.success) return { value: parsed.data, rest: readable(input), problems: [...problems.values()] }
    const wrong: Path[] = []
    for (const issue of parsed.error.issues) {
      const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
      for (const path of paths) {
        wrong.push(path)
        // What a removed part entails is no mistake of its own.
        if (removed.some((gone) => startsWith(gone, path) || startsWith(path, gone))) continue
        const problem = {
          path: format([...at, ...path]),
          ...explain(issue, input, path, known.get(format(issue.path)) ?? []),
        }
        problems.set(`${problem.path} ${problem.say}`, problem)
      }
    }
    const next = without(input, wrong)
    if (next === undefined) return { value: undefined, rest: readable(input), problems: [...problems.values()] }
    removed.push(...next.removed)
    input = next.input
  }
}

function readable(input: unknown): Readable {
  return isObject(input) && !Array.isArray(input) ? { ...input } : {}
}

/** The keys that a schema takes; those of a record when they are listed. */
function keysOf(schema: unknown): string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape)
  return schema instanceof z.ZodRecord && schema.keyType instanceof z.ZodEnum ? schema.keyType.options.map(String) : []
}

function explain(
  issue: z.core.$ZodIssue,
  input: unknown,
  path: Path,
  known: string[],
): { say: string; remedy: string } {
  const value = path.reduce<unknown>((node, key) => (isObject(node) ? Reflect.get(node, key) : undefined), input)
  const example = 'correct it; rollcall.example.yaml shows how it is written'
  if (issue.code === 'unrecognized_keys') {
    const key = String(path.at(-1))
    const others = known.length === 0 ? '' : `, or use one of: ${known.join(', ')}`
    return { say: `unknown key.${suggestion(key, known)}`, remedy: `remove it${others}` }
  }
  if (issue.code === 'invalid_type' && value === undefined)
    return { say: 'missing', remedy: `set it to ${article(issue.expected)}` }
  if (issue.code === 'invalid_type')
    return { say: `expected ${article(issue.expected)}, found ${kind(value)}`, remedy: example }
  if (issue.code === 'invalid_value') {
    const options = issue.values.map(String)
    const guess = typeof value === 'string' ? suggestion(value, options) : ''
    return {
      say: value === undefined ? 'missing' : `not one of the values that are allowed.${guess}`,
      remedy: `use one of: ${options.join(', ')}`,
    }
  }
  if (issue.code === 'custom' && typeof issue.params?.remedy === 'string')
    return { say: issue.message, remedy: issue.params.remedy }
  if (value === undefined) return { say: `missing: ${issue.message}`, remedy: example }
  return { say: issue.message, remedy: example }
}

/** The input without the parts at these paths. An item of a list takes the list with it; undefined when nothing can be taken away. */
function without(input: unknown, paths: Path[]): { input: unknown; removed: Path[] } | undefined {
  const copy = structuredClone(input)
  const removed: Path[] = []
  for (const path of paths) {
    for (let length = path.length; length > 0; length--) {
      const parent = path
        .slice(0, length - 1)
        .reduce<unknown>((node, key) => (isObject(node) ? Reflect.get(node, key) : undefined), copy)
      const key = path[length - 1]
      if (key === undefined || !isObject(parent) || Array.isArray(parent) || !Object.hasOwn(parent, key)) continue
      Reflect.deleteProperty(parent, key)
      removed.push(path.slice(0, length))
      break
    }
  }
  return removed.length === 0 ? undefined : { input: copy, removed }
}

/** `hosts[2].labels.zone` */
export function format(path: Path): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('')
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((key, i) => path[i] === key)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

const articles: Record<string, string> = {
  array: 'a list',
  object: 'a group of keys',
  record: 'a group of keys',
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

function article(expected: string): string {
  return articles[expected] ?? expected
}

function kind(value: unknown): string {
  if (value === null) return 'nothing'
  return Array.isArray(value) ? 'a list' : (articles[typeof value] ?? typeof value)
}
