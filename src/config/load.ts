import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import type { z } from 'zod'
import type { Person } from '../access/config.ts'
import { Fault } from '../lib/fault.ts'
import type { LogLevel } from '../lib/log.ts'
import { maskable } from '../lib/redact.ts'
import type { Service } from '../release/config.ts'
import { surfaceVariables } from './check-surfaces.ts'
import { crossCheck } from './checks.ts'
import { type Problem, problemLine } from './problems.ts'
import { readSections } from './read.ts'
import type { Bastion, Env, Host, sections } from './schema.ts'
import { secretsIn } from './secrets.ts'

/** The whole configuration, checked. Paths are absolute; durations are milliseconds. */
export interface Config {
  services: Service[]
  hosts: Host[]
  bastions: Bastion[]
  ssh: z.output<typeof sections.ssh>
  people: Person[]
  /** Undefined when none is configured: gates are inconclusive then. */
  prometheus: z.output<typeof sections.prometheus> | undefined
  store: z.output<typeof sections.store> | z.output<typeof sections.mongo>
  console: z.output<typeof sections.console>
  alerts: z.output<typeof sections.alerts>
  /** As configured; src/agent/config.ts says what it comes to with the environment. */
  ai: z.output<typeof sections.ai>
  mcp: z.output<typeof sections.mcp>
  /** Undefined when it is not used. */
  slack: z.output<typeof sections.slack> | undefined
  wecom: z.output<typeof sections.wecom> | undefined
  /** Folder of the knowledge files. */
  knowledge: string
  language: 'en' | 'zh'
  log: { level: LogLevel }
  /** The file that it was read from, if any. */
  file: string | undefined
  /** What is not wrong but probably not meant. */
  warnings: Problem[]
  /** Values of secrets, for the redactor; never printed. */
  secrets: string[]
}

/**
 * Reads a file, or takes an object of the same shape. Relative paths start at the file's folder (at the working directory for an
 * object), `~` is the home folder. Fault `config.invalid` names every problem at once: one line each in its words, and as
 * `data.problems: Problem[]`; Fault `config.missing` when there is no such file.
 */
export function loadConfig(source: string | object, env: Env): Config {
  const file = typeof source === 'string' ? resolve(source) : undefined
  const base = file === undefined ? process.cwd() : dirname(file)
  const raw = typeof source === 'string' ? readYaml(resolve(source)) : structuredClone(source)
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw invalid([
      {
        path: file ?? 'config',
        say: 'does not hold sections such as services and hosts',
        remedy: 'start from rollcall.example.yaml',
      },
    ])
  }
  const path = (text: string): string =>
    resolve(
      base,
      text.replace(/^~(?=\/|$)/, () => env.HOME ?? homedir()),
    )
  const { parts, single, problems } = readSections(raw, path)
  const crossed = crossCheck(parts, env)
  // As they are written: a section that lacks something else names its variables all the same.
  const named = ['prometheus', 'console', 'alerts', 'ai', 'mcp'].map((section) =>
    secretsIn(Reflect.get(raw, section), section, env),
  )
  // With the names that stand in the defaults.
  const variables = surfaceVariables(parts)
  named.push(secretsIn(variables.slack, 'slack', env), secretsIn(variables.wecom, 'wecom', env))
  if (single.store?.kind === 'mongo') named.push(secretsIn({ uriEnv: single.store.uriEnv }, 'store', env))
  // What was wrong by itself is told once.
  const told = new Set(problems.map((problem) => problem.path))
  problems.push(
    ...[...crossed.problems, ...named.flatMap((each) => each.problems)].filter((problem) => !told.has(problem.path)),
  )
  const { prometheus, ssh, store, console, alerts, ai, mcp, slack, wecom, log, knowledge, language } = single
  if (problems.length > 0 || !ssh || !store || !console || !alerts || !ai || !mcp || !log) throw invalid(problems)
  if (knowledge === undefined || language === undefined) throw invalid(problems)
  return {
    services: parts.services.map(({ value }) => value),
    hosts: parts.hosts.map(({ value }) => value),
    bastions: parts.bastions.map(({ value }) => value),
    people: parts.people.map(({ value }) => value),
    ssh,
    prometheus,
    store,
    console,
    alerts,
    ai,
    mcp,
    slack,
    wecom,
    knowledge,
    language,
    log,
    file,
    warnings: crossed.warnings,
    secrets: [...named.flatMap((each) => each.values), ...usualSecrets(env)],
  }
}

/** Secrets that are found in the environment without being named in the file. */
function usualSecrets(env: Env): string[] {
  return ['AI_API_KEY', 'GITHUB_TOKEN', 'GITHUB_PERSONAL_ACCESS_TOKEN'].flatMap((name) => {
    const value = env[name] ?? ''
    return maskable(value) ? [value] : []
  })
}

function readYaml(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw new Fault('config.missing', {
      say: missing ? `There is no file ${file}.` : `${file} cannot be read.`,
      next: missing
        ? 'copy rollcall.example.yaml to rollcall.yaml and edit it, or name another with --config'
        : 'check who owns it and its mode',
      cause,
    })
  }
  const document = parseDocument(text, { prettyErrors: true })
  if (document.errors.length > 0) {
    throw invalid(
      document.errors.map((error) => {
        const [{ line, col } = { line: 1, col: 1 }] = error.linePos ?? []
        // Without the excerpt that follows: it may show a secret.
        return {
          path: `${file}:${line}:${col}`,
          say: error.message.split(/ at line \d/, 1)[0] ?? 'not YAML',
          remedy: 'correct the YAML there',
        }
      }),
    )
  }
  try {
    return document.toJS()
  } catch {
    throw invalid([{ path: file, say: 'has an alias that leads nowhere or multiplies', remedy: 'write the value out' }])
  }
}

function invalid(problems: Problem[]): Fault {
  const lines = problems.map(problemLine)
  return new Fault('config.invalid', {
    say: `${lines.length} ${lines.length === 1 ? 'problem' : 'problems'} in the configuration:\n${lines.join('\n')}`,
    next: 'correct them, then type rollcall doctor',
    data: { problems },
  })
}
