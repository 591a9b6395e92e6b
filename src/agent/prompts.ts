import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { Fault } from '../lib/fault.ts'

/** The folder of prompts that comes with the project. */
const bundledFolder = fileURLToPath(new URL('../../prompts', import.meta.url))

const headSchema = z.strictObject({
  /** Names of the placeholders in the text. */
  inputs: z.array(z.string().regex(/^[a-z][A-Za-z]*$/)),
  /** What has to come back: a diagnosis, or nothing of its own because the text is a part of another. */
  output: z.enum(['diagnosis', 'none']),
  /** Tools that the text speaks of. */
  tools: z.array(z.string()),
})

export interface Prompt {
  name: string
  inputs: string[]
  tools: string[]
  text: string
}

export type Language = 'en' | 'zh'

export interface Prompts {
  /** The prompt in this language; the English one where there is no other. Fault `agent.prompt-missing`. */
  get(name: string, language: Language): Prompt
  /**
   * The text with every placeholder replaced. Inputs are put in as they are and never looked at for placeholders again.
   * Fault `agent.prompt-inputs` when one is missing or too many.
   */
  render(name: string, language: Language, inputs: Record<string, string>): string
}

function broken(file: string, say: string): Fault {
  return new Fault('agent.prompt-broken', {
    say: `The prompt ${file} cannot be used: ${say}.`,
    next: 'correct the file, or restore the one that came with Rollcall',
  })
}

/** `diagnose-alert.zh.md` is the Chinese form of `diagnose-alert.md`. All files are read and checked: Fault `agent.prompt-broken`. */
export function loadPrompts(folder: string = bundledFolder): Prompts {
  let files: string[]
  try {
    files = readdirSync(folder).filter((file) => file.endsWith('.md'))
  } catch (cause) {
    throw new Fault('agent.prompt-missing', {
      say: `The folder of prompts ${folder} cannot be read.`,
      next: 'restore the folder prompts of Rollcall',
      cause,
    })
  }
  const prompts = new Map(files.map((file) => [file.replace(/\.md$/, ''), read(folder, file)]))
  const get = (name: string, language: Language): Prompt => {
    const prompt = (language === 'en' ? undefined : prompts.get(`${name}.${language}`)) ?? prompts.get(name)
    if (prompt !== undefined) return prompt
    throw new Fault('agent.prompt-missing', {
      say: `There is no prompt ${name}.`,
      next: `restore prompts/${name}.md of Rollcall`,
    })
  }
  return {
    get,
    render(name, language, inputs) {
      const prompt = get(name, language)
      const wrong = [
        ...prompt.inputs.filter((input) => !Object.hasOwn(inputs, input)).map((input) => `${input} is missing`),
        ...Object.keys(inputs).flatMap((input) => (prompt.inputs.includes(input) ? [] : [`${input} is not asked for`])),
      ]
      if (wrong.length > 0) {
        throw new Fault('agent.prompt-inputs', {
          say: `The prompt ${prompt.name} does not fit what it is given: ${wrong.join(', ')}.`,
          next: `correct prompts/${prompt.name}.md, or restore the one that came with Rollcall`,
        })
      }
      return prompt.text.replace(placeholder, (_, input: string) => inputs[input] ?? '')
    },
  }
}

let kept: Prompts | undefined

/** The prompts that came with the project, read once. */
export function bundledPrompts(): Prompts {
  kept ??= loadPrompts()
  return kept
}

const placeholder = /\{\{([^{}]*)\}\}/g

function read(folder: string, file: string): Prompt {
  const match = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(readFileSync(join(folder, file), 'utf8'))
  if (match === null) throw broken(file, 'it does not begin with front matter between two lines of ---')
  let head: unknown
  try {
    head = parse(match[1] ?? '')
  } catch {
    throw broken(file, 'its front matter is not YAML')
  }
  const parsed = headSchema.safeParse(head)
  if (!parsed.success) throw broken(file, z.prettifyError(parsed.error).replaceAll('\n', ' '))
  const { inputs, tools } = parsed.data
  const text = (match[2] ?? '').trim()
  const used = [...text.matchAll(placeholder)].map(([, name = '']) => name)
  const undeclared = used.filter((name) => !inputs.includes(name))
  if (undeclared.length > 0) throw broken(file, `{{${undeclared[0]}}} is not among its inputs`)
  const unused = inputs.filter((name) => !used.includes(name))
  if (unused.length > 0) throw broken(file, `its input ${unused[0]} stands nowhere in the text`)
  return { name: file.replace(/\.md$/, ''), inputs, tools, text }
}
