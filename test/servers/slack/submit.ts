/** A person fills in a modal and sends it. */
import { type PeopleContext, personOf, userDocument, VERIFICATION } from './people.ts'
import { type Delivered, isObject, type Json, objects, text } from './types.ts'
import { replaceView } from './views.ts'
import { APP, modalsOf, newTrigger, TEAM } from './workspace.ts'

export type Submitted = Delivered & { errors?: Record<string, string> }
type Values = Record<string, string | string[]>

const labelOf = (value: unknown): string => (isObject(value) ? text(value.text) : '')

export async function submit(context: PeopleContext, userId: string, values: Values): Promise<Submitted> {
  const user = personOf(context, userId)
  const open = modalsOf(context.workspace, user.id)
  const modal = open.at(-1)
  if (modal === undefined) throw new Error(`${userId} has no modal open`)
  if (modal.view.submit === undefined) throw new Error('this modal cannot be submitted')
  const inputs = modal.view.blocks.filter(({ type }) => type === 'input')
  for (const name of Object.keys(values))
    if (!inputs.some((block) => block.block_id === name || labelOf(block.label) === name))
      throw new Error(
        `no input ${JSON.stringify(name)} here, only ${JSON.stringify(inputs.map((each) => labelOf(each.label)))}`,
      )
  const errors: Record<string, string> = {}
  const state: Record<string, Json> = {}
  for (const block of inputs) {
    const id = text(block.block_id)
    const element = isObject(block.element) ? block.element : {}
    const given = values[id] ?? values[labelOf(block.label)]
    const { value, empty, wrong } = filledIn(element, given)
    state[id] = { [text(element.action_id)]: value }
    if (empty && block.optional !== true) errors[id] = 'Please complete this required field.'
    else if (wrong !== undefined) errors[id] = wrong
  }
  // Slack itself refuses these, the app never hears of it.
  if (Object.keys(errors).length > 0) return { acked: false, ms: 0, attempts: 0, errors }
  const delivered = await context.deliverer.deliver('interactive', {
    type: 'view_submission',
    team: { id: TEAM, domain: 'rollcall' },
    user: userDocument(user),
    api_app_id: APP,
    token: VERIFICATION,
    trigger_id: newTrigger(context.workspace, user.id),
    view: { ...modal.view, root_view_id: modal.view.id, app_installed_team_id: TEAM, state: { values: state } },
    response_urls: [],
    is_enterprise_install: false,
    enterprise: null,
  })
  if (!delivered.acked) return delivered
  const response = isObject(delivered.response) ? delivered.response : {}
  if (response.response_action === undefined) open.pop()
  if (response.response_action === 'clear') open.length = 0
  if (response.response_action === 'update') replaceView(context, modal, response.view)
  if (response.response_action !== 'errors') return delivered
  const told = isObject(response.errors) ? response.errors : {}
  const unknown = Object.keys(told).filter((id) => !inputs.some(({ block_id }) => block_id === id))
  if (unknown.length > 0 || Object.keys(told).length === 0)
    throw new Error(`Slack says: errors name no input block of this view: ${unknown.join(', ')}`)
  return { ...delivered, errors: Object.fromEntries(Object.entries(told).map(([id, words]) => [id, text(words)])) }
}

/** An element's value as a payload holds it; what was filled in beforehand when nothing is given. */
function filledIn(
  element: Json,
  given: string | string[] | undefined,
): { value: Json; empty: boolean; wrong?: string } {
  const type = text(element.type)
  const options = [
    ...objects(element.options),
    ...objects(element.option_groups).flatMap((group) => objects(group.options)),
  ]
  const pick = (name: string): Json => {
    const found = options.find((option) => labelOf(option.text) === name || option.value === name)
    if (found === undefined)
      throw new Error(
        `no option ${JSON.stringify(name)}, only ${JSON.stringify(options.map((each) => labelOf(each.text)))}`,
      )
    return found
  }
  const many = given === undefined ? undefined : [given].flat()
  if (type === 'static_select' || type === 'radio_buttons') {
    const chosen =
      many === undefined ? element.initial_option : many[0] === undefined || many[0] === '' ? undefined : pick(many[0])
    return { value: { type, selected_option: chosen ?? null }, empty: chosen === undefined }
  }
  if (type === 'multi_static_select' || type === 'checkboxes') {
    const chosen = many === undefined ? objects(element.initial_options) : many.filter((name) => name !== '').map(pick)
    const most = element.max_selected_items
    const wrong = typeof most === 'number' && chosen.length > most ? `Please select at most ${most}.` : undefined
    return { value: { type, selected_options: chosen }, empty: chosen.length === 0, ...(wrong ? { wrong } : {}) }
  }
  if (type === 'datepicker' || type === 'timepicker' || type === 'users_select' || type === 'channels_select') {
    const field = { datepicker: 'date', timepicker: 'time', users_select: 'user', channels_select: 'channel' }[type]
    const chosen = many?.[0] ?? element[`initial_${field}`]
    return { value: { type, [`selected_${field}`]: chosen ?? null }, empty: chosen === undefined }
  }
  const typed = many?.join('\n') ?? text(element.initial_value)
  const wrong = lengthOf(element, typed)
  return { value: { type, value: typed === '' ? null : typed }, empty: typed === '', ...(wrong ? { wrong } : {}) }
}

function lengthOf(element: Json, typed: string): string | undefined {
  const least = Number(element.min_length ?? 0)
  const most = Number(element.max_length ?? 3000)
  if (typed !== '' && typed.length < least) return `Please use at least ${least} characters.`
  return typed.length > most ? `Please use at most ${most} characters.` : undefined
}

/** The person closes the newest modal without sending it. */
export async function dismiss(context: PeopleContext, userId: string): Promise<Delivered | undefined> {
  const user = personOf(context, userId)
  const modal = modalsOf(context.workspace, user.id).pop()
  if (modal === undefined) throw new Error(`${userId} has no modal open`)
  if (!modal.view.notify_on_close) return undefined
  return context.deliverer.deliver('interactive', {
    type: 'view_closed',
    team: { id: TEAM, domain: 'rollcall' },
    user: userDocument(user),
    api_app_id: APP,
    token: VERIFICATION,
    view: { ...modal.view, state: { values: {} } },
    is_cleared: false,
    is_enterprise_install: false,
    enterprise: null,
  })
}
