/**
 * What Block Kit allows, from docs.slack.dev/reference/block-kit and the types of @slack/types 3: every rule that is broken gives one
 * message in Slack's form, such as `[ERROR] must be less than 51 items [json-pointer:/blocks]`.
 */
import { type BlockRules, type Check, checkImage, checkText, fieldsOf, length, list, need } from './checks.ts'
import { checkButtonRow, checkElement } from './elements.ts'
import { checkRichText } from './rich-text.ts'
import { isObject, type Json } from './types.ts'

const NATIVE = new Set(['table', 'data_table', 'plan', 'task_card', 'alert', 'card', 'carousel', 'container'])
const MODAL = new Set(['actions', 'alert', 'context', 'divider', 'file', 'header', 'image', 'input', 'markdown'])
for (const type of ['rich_text', 'section', 'table', 'video', 'container', 'card', 'plan', 'task_card']) MODAL.add(type)

export function checkBlocks(blocks: unknown, rules: BlockRules, at = '/blocks'): string[] {
  const problems: string[] = []
  const check: Check = {
    rules,
    problems,
    uses: { blockIds: new Set(), actionIds: new Set(), focused: 0 },
    say: (what, where) => {
      problems.push(`[ERROR] ${what} [json-pointer:${where}]`)
      return undefined
    },
  }
  if (!Array.isArray(blocks)) {
    check.say('must be an array', at)
    return problems
  }
  const most = rules.surface === 'modal' ? 100 : 50
  if (blocks.length > most) check.say(`must be less than ${most + 1} items`, at)
  blocks.forEach((block, index) => {
    checkBlock(check, block, `${at}/${index}`)
  })
  whole(check, blocks.filter(isObject), at)
  return problems
}

/** What counts over all blocks of one payload. */
function whole(check: Check, blocks: Json[], at: string): undefined {
  if (blocks.filter(({ type }) => type === 'table').length > 1) check.say('only_one_table_allowed', at)
  if (blocks.filter(({ type }) => type === 'data_table').length > 1) check.say('only one data table is allowed', at)
  const markdown = blocks.flatMap(({ type, text }) => (type === 'markdown' && typeof text === 'string' ? [text] : []))
  if (markdown.length > 1 && markdown.join('').length > 12_000)
    check.say('cumulative markdown text must be less than 12001 characters', at)
}

/**
 * Characters of text that blocks show, cells and labels of buttons apart. Nothing about it is written down, but chat.postMessage refuses
 * one markdown block from 13,298 on and several blocks earlier (bolt-js #2509 and #2867): whatever is above 13,200 is refused for sure.
 */
export function shownLength(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + shownLength(each), 0)
  if (!isObject(value) || value.type === 'table' || value.type === 'data_table' || value.type === 'button') return 0
  return Object.entries(value).reduce(
    (sum, [name, each]) => sum + (name === 'text' && typeof each === 'string' ? each.length : shownLength(each)),
    0,
  )
}

const FIELDS: Record<string, string[]> = {
  actions: ['elements'],
  alert: ['text', 'level'],
  card: ['hero_image', 'icon', 'title', 'subtitle', 'body', 'actions', 'slack_icon', 'subtext'],
  carousel: ['elements'],
  container: [
    ...['title', 'rich_text_title', 'subtitle', 'child_blocks', 'width', 'icon'],
    ...['is_collapsible', 'default_collapsed', 'has_header_divider'],
  ],
  context: ['elements'],
  context_actions: ['elements'],
  data_table: ['rows', 'caption', 'page_size', 'row_header_column_index'],
  divider: [],
  file: ['external_id', 'source'],
  header: ['text', 'level'],
  image: ['alt_text', 'title', 'image_url', 'slack_file'],
  input: ['label', 'hint', 'optional', 'element', 'dispatch_action'],
  markdown: ['text'],
  plan: ['title', 'tasks'],
  rich_text: ['elements'],
  section: ['text', 'fields', 'accessory', 'expand'],
  table: ['rows', 'column_settings'],
  task_card: ['task_id', 'title', 'details', 'output', 'sources', 'status'],
  video: [
    ...['video_url', 'thumbnail_url', 'alt_text', 'title', 'title_url', 'author_name', 'provider_name'],
    ...['provider_icon_url', 'description'],
  ],
}

export function checkBlock(check: Check, block: unknown, at: string, allowed?: ReadonlySet<string>): undefined {
  if (!isObject(block)) return check.say('must be an object', at)
  if (!need(check, block, ['type'], at)) return
  const type = String(block.type)
  const fields = Object.hasOwn(FIELDS, type) ? FIELDS[type] : undefined
  const here = allowed ?? (check.rules.surface === 'modal' ? MODAL : undefined)
  if (fields === undefined || (check.rules.refuseNative && NATIVE.has(type)) || here?.has(type) === false)
    return check.say(`unsupported type: ${type}`, `${at}/type`)
  if (block.block_id !== undefined) {
    length(check, block.block_id, 255, `${at}/block_id`, 1)
    if (check.uses.blockIds.has(String(block.block_id)))
      check.say(`block_id already exists: ${String(block.block_id)}`, `${at}/block_id`)
    check.uses.blockIds.add(String(block.block_id))
  }
  fieldsOf(check, block, ['type', 'block_id', ...fields], at)
  // action_id has to be unique within its block.
  check.uses.actionIds = new Set()
  const rule = RULES[type]
  rule?.(check, block, at)
}

const IN_CONTAINER = new Set(['actions', 'context', 'divider', 'file', 'header', 'image', 'input', 'rich_text'])
for (const type of ['section', 'table', 'video']) IN_CONTAINER.add(type)
const STATUS = ['pending', 'in_progress', 'complete', 'error']

function task(check: Check, block: Json, at: string): undefined {
  if (!need(check, block, ['task_id', 'title'], at)) return
  length(check, block.task_id, 255, `${at}/task_id`, 1)
  length(check, block.title, 3000, `${at}/title`, 1)
  if (block.status !== undefined && !STATUS.includes(String(block.status)))
    check.say(`must be one of ${STATUS.join(', ')}`, `${at}/status`)
  for (const field of ['details', 'output']) {
    if (block[field] === undefined) continue
    const value = block[field]
    if (!isObject(value) || value.type !== 'rich_text') check.say('must be rich_text', `${at}/${field}`)
    else {
      checkRichText(check, value, `${at}/${field}`)
      if (Array.isArray(value.elements) && value.elements.length !== 1)
        check.say('must have exactly one element', `${at}/${field}/elements`)
    }
  }
  if (block.sources === undefined) return
  list(check, block.sources, 0, 100, `${at}/sources`, (source, index) => {
    if (!isObject(source)) return check.say('must be an object', `${at}/sources/${index}`)
    need(check, source, ['type', 'url', 'text'], `${at}/sources/${index}`)
    if (source.type !== 'url') check.say('unsupported type', `${at}/sources/${index}/type`)
  })
}

/** One cell of a table; how many characters it holds. */
function cell(check: Check, value: unknown, at: string, header: boolean): number {
  if (!isObject(value)) check.say('must be an object', at)
  else if (value.type === 'rich_text') {
    if (header) check.say('header cells must be raw_text', at)
    else checkRichText(check, value, at)
    const words = JSON.stringify(value).match(/"text":"(?:[^"\\]|\\.)*"/g) ?? []
    return words.reduce((sum, each) => sum + each.length - '"text":""'.length, 0)
  } else if (value.type === 'raw_number') {
    if (typeof value.value !== 'number') check.say('must be a number', `${at}/value`)
    fieldsOf(check, value, ['type', 'value', 'text'], at)
  } else if (value.type === 'raw_text') {
    fieldsOf(check, value, ['type', 'text'], at)
    if (!need(check, value, ['text'], at)) return 0
    length(check, value.text, 10_000, `${at}/text`, 1)
    return String(value.text).length
  } else check.say(`unsupported type: ${String(value.type)}`, `${at}/type`)
  return 0
}

function cells(check: Check, block: Json, at: string, most: number, plainHeader: boolean): undefined {
  if (!need(check, block, ['rows'], at)) return
  const widths = new Set<number>()
  let characters = 0
  list(check, block.rows, 1, most, `${at}/rows`, (row, r) => {
    widths.add(Array.isArray(row) ? row.length : 0)
    list(check, row, 1, 20, `${at}/rows/${r}`, (value, c) => {
      characters += cell(check, value, `${at}/rows/${r}/${c}`, plainHeader && r === 0)
    })
  })
  if (widths.size > 1) check.say('all rows must have the same number of cells', `${at}/rows`)
  if (characters > 10_000) check.say('cells must have less than 10001 characters together', `${at}/rows`)
}

type Rule = (check: Check, block: Json, at: string) => undefined
const RULES: Record<string, Rule> = {
  section(check, block, at) {
    if (block.text === undefined && block.fields === undefined)
      return check.say('must define either text or fields', at)
    if (block.text !== undefined) checkText(check, block.text, 3000, `${at}/text`)
    if (block.fields !== undefined)
      list(check, block.fields, 1, 10, `${at}/fields`, (field, index) => {
        checkText(check, field, 2000, `${at}/fields/${index}`)
      })
    if (block.accessory !== undefined) checkElement(check, block.accessory, `${at}/accessory`, 'section')
  },
  header(check, block, at) {
    if (need(check, block, ['text'], at)) checkText(check, block.text, 150, `${at}/text`, true)
  },
  context(check, block, at) {
    if (!need(check, block, ['elements'], at)) return
    list(check, block.elements, 1, 10, `${at}/elements`, (element, index) => {
      const where = `${at}/elements/${index}`
      if (isObject(element) && element.type === 'image') checkImage(check, element, where)
      else checkText(check, element, 3000, where)
    })
  },
  actions(check, block, at) {
    if (!need(check, block, ['elements'], at)) return
    list(check, block.elements, 1, 25, `${at}/elements`, (element, index) => {
      checkElement(check, element, `${at}/elements/${index}`, 'actions')
    })
  },
  image: checkImage,
  markdown(check, block, at) {
    if (need(check, block, ['text'], at)) length(check, block.text, 12_000, `${at}/text`, 1)
  },
  rich_text: checkRichText,
  input(check, block, at) {
    if (!need(check, block, ['label', 'element'], at)) return
    checkText(check, block.label, 2000, `${at}/label`, true)
    if (block.hint !== undefined) checkText(check, block.hint, 2000, `${at}/hint`, true)
    checkElement(check, block.element, `${at}/element`, 'input')
  },
  table(check, block, at) {
    cells(check, block, at, 100, false)
    if (block.column_settings === undefined) return
    list(check, block.column_settings, 0, 20, `${at}/column_settings`, (setting, index) => {
      const where = `${at}/column_settings/${index}`
      if (setting === null) return
      if (!isObject(setting)) return check.say('must be an object', where)
      fieldsOf(check, setting, ['align', 'is_wrapped'], where)
      if (setting.align !== undefined && !['left', 'center', 'right'].includes(String(setting.align)))
        check.say('must be one of left, center, right', `${where}/align`)
    })
  },
  data_table(check, block, at) {
    if (need(check, block, ['caption'], at)) cells(check, block, at, 201, true)
    if (Array.isArray(block.rows) && block.rows.length < 2) check.say('must be more than 1 items', `${at}/rows`)
    const size = block.page_size
    if (size !== undefined && !(Number.isInteger(size) && Number(size) >= 1 && Number(size) <= 100))
      check.say('must be between 1 and 100', `${at}/page_size`)
  },
  task_card: task,
  plan(check, block, at) {
    if (!need(check, block, ['title'], at)) return
    length(check, block.title, 3000, `${at}/title`, 1)
    if (block.tasks === undefined) return
    const ids = new Set<string>()
    list(check, block.tasks, 0, 50, `${at}/tasks`, (each, index) => {
      const where = `${at}/tasks/${index}`
      if (!isObject(each)) return check.say('must be an object', where)
      if (each.type !== undefined && each.type !== 'task_card')
        check.say(`unsupported type: ${String(each.type)}`, `${where}/type`)
      fieldsOf(check, each, ['type', 'block_id', ...(FIELDS.task_card ?? [])], where)
      task(check, each, where)
      if (ids.has(String(each.task_id))) check.say('task_id already exists', `${where}/task_id`)
      ids.add(String(each.task_id))
    })
  },
  alert(check, block, at) {
    if (need(check, block, ['text'], at)) checkText(check, block.text, 3000, `${at}/text`)
    const levels = ['default', 'info', 'warning', 'error', 'success']
    if (block.level !== undefined && !levels.includes(String(block.level)))
      check.say(`must be one of ${levels.join(', ')}`, `${at}/level`)
  },
  card(check, block, at) {
    if (['hero_image', 'title', 'actions', 'body'].every((field) => block[field] === undefined))
      check.say('must define at least one of hero_image, title, actions, body', at)
    for (const [field, most] of [
      ['title', 150],
      ['subtitle', 150],
      ['body', 200],
    ] as const)
      if (block[field] !== undefined) checkText(check, block[field], most, `${at}/${field}`)
    for (const field of ['hero_image', 'icon']) {
      const image = block[field]
      if (image === undefined) continue
      if (isObject(image)) checkImage(check, image, `${at}/${field}`)
      else check.say('must be an object', `${at}/${field}`)
    }
    if (block.actions !== undefined) checkButtonRow(check, block.actions, `${at}/actions`)
  },
  carousel(check, block, at) {
    if (!need(check, block, ['elements'], at)) return
    list(check, block.elements, 1, 10, `${at}/elements`, (each, index) => {
      checkBlock(check, each, `${at}/elements/${index}`, new Set(['card']))
    })
  },
  container(check, block, at) {
    if (block.title === undefined && block.rich_text_title === undefined)
      check.say('must define either title or rich_text_title', at)
    if (block.title !== undefined) checkText(check, block.title, 150, `${at}/title`, true)
    if (block.subtitle !== undefined) checkText(check, block.subtitle, 150, `${at}/subtitle`)
    if (!need(check, block, ['child_blocks'], at)) return
    if (block.default_collapsed === true && block.is_collapsible !== true)
      check.say('requires is_collapsible', `${at}/default_collapsed`)
    list(check, block.child_blocks, 1, 10, `${at}/child_blocks`, (each, index) => {
      checkBlock(check, each, `${at}/child_blocks/${index}`, IN_CONTAINER)
    })
  },
  file(check, block, at) {
    need(check, block, ['external_id', 'source'], at)
  },
  video(check, block, at) {
    need(check, block, ['video_url', 'thumbnail_url', 'alt_text', 'title'], at)
  },
  context_actions(check, block, at) {
    if (need(check, block, ['elements'], at)) list(check, block.elements, 1, 5, `${at}/elements`)
  },
}
