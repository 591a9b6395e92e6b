import { type Check, checkImage, checkText, fieldsOf, length, list, need } from './checks.ts'
import { isObject, type Json } from './types.ts'

const SELECTS = ['static_select', 'external_select', 'users_select', 'conversations_select', 'channels_select']
const MULTI = SELECTS.map((type) => `multi_${type}`)
const PICKERS = ['datepicker', 'timepicker', 'datetimepicker', 'checkboxes', 'radio_buttons']
const PLACES: Record<'section' | 'actions' | 'input', ReadonlySet<string>> = {
  section: new Set(['button', 'image', 'overflow', 'workflow_button', ...SELECTS, ...MULTI, ...PICKERS]),
  actions: new Set(['button', 'overflow', 'workflow_button', 'rich_text_input', ...SELECTS, ...MULTI, ...PICKERS]),
  input: new Set([
    ...['plain_text_input', 'rich_text_input', 'email_text_input', 'url_text_input', 'number_input', 'file_input'],
    ...SELECTS,
    ...MULTI,
    ...PICKERS,
  ]),
}

export function checkElement(check: Check, element: unknown, at: string, place: keyof typeof PLACES): undefined {
  if (!isObject(element)) return check.say('must be an object', at)
  if (!need(check, element, ['type'], at)) return
  const type = String(element.type)
  if (!PLACES[place].has(type)) return check.say(`unsupported type: ${type}`, `${at}/type`)
  if (type === 'image') return checkImage(check, element, at)
  actionId(check, element, at)
  if (element.focus_on_load === true && ++check.uses.focused > 1)
    check.say('only one element can be focused', `${at}/focus_on_load`)
  if (element.confirm !== undefined) confirm(check, element.confirm, `${at}/confirm`)
  if (element.placeholder !== undefined) checkText(check, element.placeholder, 150, `${at}/placeholder`, true)
  if (type === 'button') return button(check, element, at)
  if (type === 'overflow') return options(check, element, at, 5)
  if (type === 'checkboxes' || type === 'radio_buttons') return options(check, element, at, 10)
  if (type.endsWith('static_select')) return staticSelect(check, element, at)
  if (type === 'plain_text_input') return textInput(check, element, at)
  if (type === 'number_input') need(check, element, ['is_decimal_allowed'], at)
}

/** Only buttons, as on a card. */
export function checkButtonRow(check: Check, buttons: unknown, at: string): undefined {
  list(check, buttons, 1, 3, at, (each, index) => {
    const where = `${at}/${index}`
    if (!isObject(each) || each.type !== 'button') return check.say('must be a button', where)
    checkElement(check, each, where, 'actions')
  })
}

function actionId(check: Check, element: Json, at: string): undefined {
  if (element.action_id === undefined) return
  length(check, element.action_id, 255, `${at}/action_id`, 1)
  const id = String(element.action_id)
  if (check.uses.actionIds.has(id)) check.say(`action_id already exists: ${id}`, `${at}/action_id`)
  check.uses.actionIds.add(id)
}

const BUTTON = ['type', 'text', 'action_id', 'url', 'value', 'style', 'confirm', 'accessibility_label', 'icon']

function button(check: Check, element: Json, at: string): undefined {
  fieldsOf(check, element, BUTTON, at)
  if (!need(check, element, ['text'], at)) return
  checkText(check, element.text, 75, `${at}/text`, true)
  if (element.value !== undefined) length(check, element.value, 2000, `${at}/value`)
  if (element.url !== undefined) {
    length(check, element.url, 3000, `${at}/url`, 1)
    if (!/^[a-z][a-z0-9+.-]*:/i.test(String(element.url))) check.say('invalid url', `${at}/url`)
  }
  if (element.style !== undefined && element.style !== 'primary' && element.style !== 'danger')
    check.say('must be one of primary, danger', `${at}/style`)
  if (element.accessibility_label !== undefined)
    length(check, element.accessibility_label, 75, `${at}/accessibility_label`)
}

function confirm(check: Check, value: unknown, at: string): undefined {
  if (!isObject(value)) return check.say('must be an object', at)
  fieldsOf(check, value, ['title', 'text', 'confirm', 'deny', 'style'], at)
  if (!need(check, value, ['title', 'text', 'confirm', 'deny'], at)) return
  checkText(check, value.title, 100, `${at}/title`, true)
  checkText(check, value.text, 300, `${at}/text`)
  checkText(check, value.confirm, 30, `${at}/confirm`, true)
  checkText(check, value.deny, 30, `${at}/deny`, true)
  if (value.style !== undefined && value.style !== 'primary' && value.style !== 'danger')
    check.say('must be one of primary, danger', `${at}/style`)
}

function option(check: Check, value: unknown, at: string, plain: boolean): undefined {
  if (!isObject(value)) return check.say('must be an object', at)
  fieldsOf(check, value, ['text', 'value', 'description', 'url'], at)
  if (!need(check, value, ['text', 'value'], at)) return
  checkText(check, value.text, 75, `${at}/text`, plain)
  length(check, value.value, 150, `${at}/value`)
  if (value.description !== undefined) checkText(check, value.description, 75, `${at}/description`, plain)
}

function options(check: Check, element: Json, at: string, most: number): undefined {
  if (!need(check, element, ['options'], at)) return
  const plain = element.type !== 'checkboxes' && element.type !== 'radio_buttons'
  list(check, element.options, 1, most, `${at}/options`, (each, index) => {
    option(check, each, `${at}/options/${index}`, plain)
  })
  initial(check, element, at)
}

function staticSelect(check: Check, element: Json, at: string): undefined {
  if ((element.options === undefined) === (element.option_groups === undefined))
    return check.say('must define exactly one of options and option_groups', at)
  if (element.options !== undefined) return options(check, element, at, 100)
  list(check, element.option_groups, 1, 100, `${at}/option_groups`, (group, index) => {
    const where = `${at}/option_groups/${index}`
    if (!isObject(group)) return check.say('must be an object', where)
    if (!need(check, group, ['label', 'options'], where)) return
    checkText(check, group.label, 75, `${where}/label`, true)
    options(check, group, where, 100)
  })
}

/** What is chosen beforehand has to be one of the options, word for word. */
function initial(check: Check, element: Json, at: string): undefined {
  const known = Array.isArray(element.options) ? element.options.map((each) => JSON.stringify(each)) : []
  if (element.initial_option !== undefined && !known.includes(JSON.stringify(element.initial_option)))
    check.say('must be one of the provided options', `${at}/initial_option`)
  if (element.initial_options === undefined) return
  list(check, element.initial_options, 1, 100, `${at}/initial_options`, (each, index) => {
    if (!known.includes(JSON.stringify(each)))
      check.say('must be one of the provided options', `${at}/initial_options/${index}`)
  })
}

const TEXT_INPUT = [
  ...['type', 'action_id', 'initial_value', 'multiline', 'min_length', 'max_length', 'dispatch_action_config'],
  ...['focus_on_load', 'placeholder'],
]

function textInput(check: Check, element: Json, at: string): undefined {
  fieldsOf(check, element, TEXT_INPUT, at)
  const { min_length: least, max_length: most } = element
  if (least !== undefined && !(Number.isInteger(least) && Number(least) >= 0 && Number(least) <= 3000))
    check.say('must be between 0 and 3000', `${at}/min_length`)
  if (most !== undefined && !(Number.isInteger(most) && Number(most) >= 1 && Number(most) <= 3000))
    check.say('must be between 1 and 3000', `${at}/max_length`)
  if (least !== undefined && most !== undefined && Number(least) > Number(most))
    check.say('min_length must be less than max_length', at)
  if (element.initial_value !== undefined)
    length(check, element.initial_value, Number(most ?? 3000), `${at}/initial_value`)
}
