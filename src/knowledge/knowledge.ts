import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

const largestFile = 64 * 1024
const largestHead = 8 * 1024
const mostFiles = 500

const word = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'use lower-case letters, digits, _ and - only')
const snake = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'write it in snake_case, such as memory_leak')

// The files may come from anywhere: what is shown is capped and cannot move the cursor or turn the writing direction.
const shown = (most: number) => z.string().transform((text) => printable(text).slice(0, most))

/** What stands between the two `---` of a knowledge file. */
const frontMatterSchema = z
  .strictObject({
    title: z.string().min(1).pipe(shown(120)),
    /** Names of services that the file is about. */
    service: z
      .union([word.transform((name) => [name]), z.array(word).max(50)], 'expected a name or a list of names')
      .default([]),
    /** What a service must be made of (its tags), or `any`, `calls-others`, `called-by-others`. */
    tags: z.array(word).max(50).default([]),
    /** The kind of fault, such as memory_leak. */
    type: snake,
    /** Metric kinds or words by which the fault is seen. */
    signals: z
      .array(z.string().min(1).pipe(shown(60)))
      .max(20)
      .default([]),
    /** What helps first: restart, rollback, scale, ... */
    mitigation: snake,
    /** Multiplies the rank; 1 when left out. */
    weight: z.number().positive().max(10).default(1),
  })
  .refine((head) => head.service.length + head.tags.length > 0, 'needs a service or tags')

/** One knowledge file. `source` is its path as people see it; `text` the runbook, data only and at most 20,000 characters. */
export type KnowledgeEntry = z.output<typeof frontMatterSchema> & { source: string; text: string }

export interface KnowledgeProblem {
  path: string
  say: string
}

/**
 * Reads every `*.md` of the folder, in order of name. A file that cannot be used is reported and does not stop the others;
 * so is a folder that cannot be read. README.md is not knowledge.
 */
export async function loadKnowledge(
  folder: string,
): Promise<{ entries: KnowledgeEntry[]; problems: KnowledgeProblem[] }> {
  const entries: KnowledgeEntry[] = []
  const problems: KnowledgeProblem[] = []
  let names: string[]
  try {
    names = (await readdir(folder)).filter((name) => name.endsWith('.md') && name !== 'README.md').sort()
  } catch (error) {
    return { entries, problems: [{ path: folder, say: `cannot be read: ${reason(error)}` }] }
  }
  if (names.length > mostFiles)
    problems.push({ path: folder, say: `holds ${names.length} files; only the first ${mostFiles} are used` })
  for (const name of names.slice(0, mostFiles)) {
    const source = `${basename(folder)}/${printable(name)}`
    try {
      const { size } = await stat(join(folder, name))
      if (size > largestFile) throw new Error(`has ${size} bytes, at most ${largestFile} are allowed`)
      entries.push(parseKnowledge(source, await readFile(join(folder, name), 'utf8')))
    } catch (error) {
      problems.push({ path: source, say: reason(error) })
    }
  }
  return { entries, problems }
}

/** One file's text as an entry. Throws an Error that says in one line what is wrong with it. */
export function parseKnowledge(source: string, file: string): KnowledgeEntry {
  const [, head, body] = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n([\s\S]*))?$/.exec(file) ?? []
  if (head === undefined) throw new Error('does not begin with front matter between two lines of ---')
  if (head.length > largestHead) throw new Error(`has more than ${largestHead} characters of front matter`)
  const parsed = frontMatterSchema.safeParse(parse(head, { logLevel: 'error' }))
  if (parsed.success) return { ...parsed.data, source, text: printable((body ?? '').trim()).slice(0, 20_000) }
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'front matter'}: ${issue.message}`)
  throw new Error(printable(issues.join('; ')).slice(0, 500))
}

/** Without control characters (but line feeds and tabs), zero-width characters and those that turn the writing direction. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]|[\u200B\u200E\u200F\u202A-\u202E\u2060\u2066-\u2069\uFEFF]/gu, '')
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
}
