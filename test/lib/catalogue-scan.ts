import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from '@swc/core'
import { z } from 'zod'

/** A sentence or label that stands in the code, each placeholder written as `{}`. */
export interface Said {
  text: string
  file: string
}

/** An argument of these is a name, a pattern or a log message: nobody but developers reads it. */
const SILENT_CALLS =
  /^(phase|step|wait|now|mark|numbered|startsWith|endsWith|includes|split|join|replace|replaceAll|RegExp|Error|TypeError|exec|prepare|trace|debug|info|warn|error|describe|regex|header|hasHeader|removeHeader|getHeader|setHeader|createHmac|createHash|update|register|addHook|on|once|listen|test|match|indexOf|hasOwn|get|post|writeHead|deliver|keep|send|insert|append|start|find|define)$/
/** Their text arguments are names of steps; what else they are given may speak. */
const NAMED_CALLS = /^(tell|heed|waitUntil|hear|oneRound)$/
/** PromQL, media types and lines of the event stream. */
const NO_PROSE = /\b(by \(|rate\()|_over_time\(|^eval |charset=|\{\} or \{\}|^(id|retry|event|data): |^: beat/
/** What stands under these keys is read by code, or by developers: an OpenAPI description, a Fastify option. */
const SILENT_KEYS =
  /^(schema|target|about|code|type|tone|action|id|key|style|openapi|timeWindow|areas|url|method|surface|at|gate)$/
/** What stands under these is shown, also when it is one word. */
const SHOWN_KEYS = /^(label|value|caption|columns|title|note|usage|confirm|why|say|next|summary|text|reason)$/
/** Only these carry words for people in an adapter or a library. */
const FAULT_KEYS = /^(say|next|why|summary|reason)$/

const node = z.looseObject({ type: z.string() })
type Node = z.infer<typeof node>
const isNode = (value: unknown): value is Node => node.safeParse(value).success

/** Only what stands under `say`, `next` and their like, or only what stands under a key that is shown; everything if left out. */
export type Only = 'faults' | 'shown'

interface Where {
  file: string
  only: Only | undefined
  shown: boolean
}

/** Every sentence and label of the TypeScript files below these folders, in order; `skip` are files that do not count. */
export function scan(root: string, folders: { path: string; only?: Only }[], skip: readonly string[]): Said[] {
  const found: Said[] = []
  for (const { path, only } of folders) {
    for (const file of filesOf(root, path)) {
      if (skip.includes(file)) continue
      found.push(...scanSource(readFileSync(join(root, file), 'utf8'), { file, only }))
    }
  }
  return found
}

function filesOf(root: string, path: string): string[] {
  if (path.endsWith('.ts')) return [path]
  return readdirSync(join(root, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted()
}

export function scanSource(source: string, { file, only }: { file: string; only?: Only }): Said[] {
  const found: Said[] = []
  const add = (texts: string[], shown: boolean): void => {
    for (const text of texts.flatMap((each) => each.split('\n'))) if (isSaid(text, shown)) found.push({ text, file })
  }
  const visit = (value: unknown, where: Where): void => {
    if (Array.isArray(value)) {
      for (const each of value) visit(each, where)
      return
    }
    if (typeof value !== 'object' || value === null) return
    // swc wraps arguments and the like in objects without a type.
    if (!isNode(value)) {
      for (const each of Object.values(value)) visit(each, where)
      return
    }
    const speaks = where.only === undefined || where.shown
    switch (value.type) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
      case 'TsTypeAliasDeclaration':
      case 'TsInterfaceDeclaration':
      case 'TsTypeAnnotation':
      case 'TsTypeParameterInstantiation':
      case 'TaggedTemplateExpression':
        return
      case 'TsAsExpression':
      case 'TsSatisfiesExpression':
        visit(value.expression, where)
        return
      case 'StringLiteral':
        if (speaks) add([String(value.value)], where.shown)
        return
      case 'TemplateLiteral': {
        const { variants, apart } = expand(value)
        if (speaks) add(variants, where.shown)
        for (const each of apart) visit(each, { ...where, shown: speaks })
        return
      }
      case 'KeyValueProperty':
      case 'AssignmentProperty': {
        const name = nameOf(value.key)
        if (SILENT_KEYS.test(name)) return
        const shown = (where.only === 'faults' ? FAULT_KEYS : SHOWN_KEYS).test(name)
        visit(value.value, { ...where, shown: shown || (where.shown && isArrayish(value.value)) })
        return
      }
      case 'VariableDeclarator':
        visit(value.init, { ...where, shown: SHOWN_KEYS.test(nameOf(value.id)) })
        return
      case 'ConditionalExpression':
        visit(value.test, { ...where, shown: false })
        visit(value.consequent, where)
        visit(value.alternate, where)
        return
      case 'SwitchCase':
        visit(value.consequent, { ...where, shown: false })
        return
      case 'BinaryExpression':
        if (value.operator === '??' || value.operator === '||' || value.operator === '&&' || value.operator === '+') {
          visit(value.left, where)
          visit(value.right, where)
        } else {
          visit(numberless(value.left), { ...where, shown: false })
          visit(numberless(value.right), { ...where, shown: false })
        }
        return
      case 'CallExpression':
      case 'NewExpression': {
        const name = calleeOf(value.callee)
        if (SILENT_CALLS.test(name)) {
          visit(value.callee, { ...where, shown: false })
          // A function that is handed over may speak.
          for (const each of asList(value.arguments)) visit(functionsIn(each), { ...where, shown: false })
          if (name === 'join') visit(value.callee, where)
          return
        }
        visit(value.callee, where)
        if (NAMED_CALLS.test(name)) {
          for (const each of asList(value.arguments)) visit(functionsIn(each), where)
          return
        }
        visit(value.arguments, { ...where, shown: where.shown && !isFunctionCall(value) })
        return
      }
      case 'ArrowFunctionExpression':
        // What a body returns is shown where the call is; what else it does is not.
        visit(
          value.body,
          isNode(value.body) && value.body.type !== 'BlockStatement' ? where : { ...where, shown: false },
        )
        return
      case 'MemberExpression':
        visit(value.object, where)
        return
      default:
        for (const [key, each] of Object.entries(value)) if (key !== 'key') visit(each, where)
    }
  }
  visit(parseSync(source, { syntax: 'typescript', target: 'es2024' }).body, { file, only, shown: false })
  return found
}

/**
 * The texts that a template literal can make. A choice between two plain texts, or between a text and nothing, is written out;
 * every other value is `{}`, and what it is made of is returned apart.
 */
function expand(template: Node): { variants: string[]; apart: unknown[] } {
  const quasis = asList(template.quasis).map((each) => (isNode(each) ? String(each.cooked) : ''))
  const apart: unknown[] = []
  let variants = [quasis[0] ?? '']
  asList(template.expressions).forEach((expression, index) => {
    const tail = quasis[index + 1] ?? ''
    const choices = choicesOf(expression, apart)
    variants = variants.flatMap((head) => choices.map((choice) => `${head}${choice}${tail}`))
  })
  return { variants, apart }
}

function choicesOf(value: unknown, apart: unknown[]): string[] {
  const expression = unwrap(value)
  if (isNode(expression) && expression.type === 'ConditionalExpression') {
    const branches = [unwrap(expression.consequent), unwrap(expression.alternate)]
    const literal = branches.every((each) => isNode(each) && /^(StringLiteral|TemplateLiteral)$/.test(each.type))
    const plain = branches.filter((each) => isNode(each) && each.type === 'StringLiteral')
    const empty = plain.some((each) => isNode(each) && each.value === '')
    if (literal && (plain.length === 2 || empty)) {
      return branches.flatMap((each) => {
        if (!isNode(each)) return []
        if (each.type === 'StringLiteral') return [String(each.value)]
        const inner = expand(each)
        apart.push(...inner.apart)
        return inner.variants
      })
    }
  }
  apart.push(expression)
  return ['{}']
}

function unwrap(value: unknown): unknown {
  return isNode(value) && value.type === 'ParenthesisExpression' ? unwrap(value.expression) : value
}

/** Has letters of words outside its placeholders, and a space unless it stands where everything is shown. */
function isSaid(text: string, shown: boolean): boolean {
  const words = text.replaceAll('{}', ' ')
  if (!/[a-z]{2}/i.test(words) || NO_PROSE.test(text)) return false
  // A name of code or of a file, a path, an address.
  if (/^[\w./@:{}-]*[./@:_][\w./@:{}-]*$/.test(text) || /^--?\w/.test(text)) return false
  return shown || /\s/.test(text.trim())
}

/** A literal that something is compared with is no text. */
function numberless(value: unknown): unknown {
  return isNode(value) && value.type === 'StringLiteral' ? undefined : value
}

function functionsIn(value: unknown): unknown {
  const argument = typeof value === 'object' && value !== null && 'expression' in value ? value.expression : value
  return isNode(argument) && /^(StringLiteral|TemplateLiteral)$/.test(argument.type) ? undefined : argument
}

function isArrayish(value: unknown): boolean {
  return isNode(value) && value.type === 'ArrayExpression'
}

function isFunctionCall(value: Node): boolean {
  return value.type === 'CallExpression' && isNode(value.callee) && value.callee.type === 'MemberExpression'
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function calleeOf(callee: unknown): string {
  if (!isNode(callee)) return ''
  if (callee.type === 'MemberExpression') return nameOf(callee.property)
  return callee.type === 'Identifier' ? String(callee.value) : ''
}

function nameOf(key: unknown): string {
  return isNode(key) && (key.type === 'Identifier' || key.type === 'StringLiteral') ? String(key.value) : ''
}

/** Every string literal of the TypeScript files below these folders, wherever it stands. */
export function literalsOf(root: string, folders: readonly string[]): Set<string> {
  const found = new Set<string>()
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const each of value) visit(each)
      return
    }
    if (typeof value !== 'object' || value === null) return
    if (isNode(value) && value.type === 'StringLiteral') found.add(String(value.value))
    if (isNode(value) && (value.type === 'KeyValueProperty' || value.type === 'AssignmentProperty'))
      found.add(nameOf(value.key))
    for (const each of Object.values(value)) visit(each)
  }
  for (const folder of folders) {
    for (const file of filesOf(root, folder)) {
      if (file.startsWith('src/lib/catalogue/') || file.startsWith('src/web/')) continue
      visit(parseSync(readFileSync(join(root, file), 'utf8'), { syntax: 'typescript', target: 'es2024' }).body)
    }
  }
  return found
}
