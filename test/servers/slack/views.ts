import { checkBlocks } from './blocks.ts'
import { withIds } from './chat.ts'
import type { MethodContext } from './context.ts'
import { rules } from './rules.ts'
import { type Block, isObject, type Json, type Modal, objects, Refusal, text, type View } from './types.ts'
import { APP, BOT, modalsOf, TEAM, token, type Workspace } from './workspace.ts'

const FIELDS = [
  ...['type', 'title', 'blocks', 'close', 'submit', 'private_metadata', 'callback_id', 'clear_on_close'],
  ...['notify_on_close', 'external_id', 'submit_disabled'],
]

/** Takes the trigger: each opens one modal, within three seconds of the deed that brought it. */
function takeTrigger({ workspace, triggerMs }: MethodContext, id: string): string {
  if (id === '') throw new Refusal('invalid_arguments', ['[ERROR] missing required field: trigger_id'])
  const trigger = workspace.triggers.get(id)
  if (trigger === undefined) throw new Refusal('invalid_trigger_id')
  if (Date.now() - trigger.at > triggerMs) throw new Refusal('expired_trigger_id')
  if (trigger.used) throw new Refusal('exchanged_trigger_id')
  trigger.used = true
  return trigger.user
}

export function checkView(context: MethodContext, view: unknown): Json {
  const problems: string[] = []
  const say = (what: string, at: string) => problems.push(`[ERROR] ${what} [json-pointer:/view${at}]`)
  if (!isObject(view)) throw new Refusal('invalid_arguments', ['[ERROR] missing required field: view'])
  if (JSON.stringify(view).length > 250_000) throw new Refusal('view_too_large')
  if (view.type !== 'modal') say('must be modal', '/type')
  for (const field of Object.keys(view)) if (!FIELDS.includes(field)) say(`invalid additional property: ${field}`, '')
  for (const field of ['title', 'submit', 'close']) {
    const value = view[field]
    if (value === undefined) {
      if (field === 'title') say('missing required field: title', '')
      continue
    }
    if (!isObject(value) || value.type !== 'plain_text') say('must be plain_text', `/${field}`)
    else if (typeof value.text !== 'string' || value.text.length < 1)
      say('must be more than 0 characters', `/${field}/text`)
    else if (value.text.length > 24) say('must be less than 25 characters', `/${field}/text`)
  }
  for (const [field, most] of [
    ['private_metadata', 3000],
    ['callback_id', 255],
    ['external_id', 255],
  ] as const) {
    const value = view[field]
    if (value === undefined) continue
    if (typeof value !== 'string') say('must be a string', `/${field}`)
    else if (value.length > most) say(`must be less than ${most + 1} characters`, `/${field}`)
  }
  if (view.blocks === undefined) say('missing required field: blocks', '')
  else problems.push(...checkBlocks(view.blocks, rules(context, 'modal'), '/view/blocks'))
  if (objects(view.blocks).some(({ type }) => type === 'input') && view.submit === undefined)
    say('must define submit when there are input blocks', '')
  if (problems.length > 0) throw new Refusal('invalid_arguments', problems)
  return view
}

function build(view: Json, old?: View): View {
  return {
    type: 'modal',
    id: old?.id ?? `V${token(5).toUpperCase()}`,
    team_id: TEAM,
    hash: `${Date.now()}.${token(4)}`,
    callback_id: text(view.callback_id),
    private_metadata: text(view.private_metadata),
    external_id: text(view.external_id),
    clear_on_close: view.clear_on_close === true,
    notify_on_close: view.notify_on_close === true,
    title: view.title as View['title'],
    ...(view.submit === undefined ? {} : { submit: view.submit as View['title'] }),
    ...(view.close === undefined ? {} : { close: view.close as View['title'] }),
    blocks: withIds(objects(view.blocks) as Block[]),
    previous_view_id: null,
    app_id: APP,
    bot_id: BOT,
  }
}

export function openView(context: MethodContext, args: Json): Json {
  const wanted = checkView(context, args.view)
  const id = text(args.trigger_id)
  const user = takeTrigger(context, id)
  const view = build(wanted)
  if (view.external_id !== '' && find(context.workspace, ({ external_id }) => external_id === view.external_id))
    throw new Refusal('duplicate_external_id')
  // One stack of views a person: another one takes the place of what is open.
  modalsOf(context.workspace, user).splice(0, Number.POSITIVE_INFINITY, { view, trigger: id })
  return { view: { ...view, root_view_id: view.id, state: { values: {} } } }
}

export function find(workspace: Workspace, wanted: (view: View) => boolean): Modal | undefined {
  return [...workspace.modals.values()].flat().find(({ view }) => wanted(view))
}

export function updateView(context: MethodContext, args: Json): Json {
  const modal = find(context.workspace, ({ id, external_id }) =>
    text(args.view_id) === ''
      ? external_id !== '' && external_id === text(args.external_id)
      : id === text(args.view_id),
  )
  const wanted = checkView(context, args.view)
  if (modal === undefined) throw new Refusal('not_found')
  if (text(args.hash) !== '' && args.hash !== modal.view.hash) throw new Refusal('hash_conflict')
  modal.view = build(wanted, modal.view)
  return { view: { ...modal.view, root_view_id: modal.view.id, state: { values: {} } } }
}

/** What the app answers a submission with changes what is open. */
export function replaceView(context: MethodContext, modal: Modal, view: unknown): void {
  modal.view = build(checkView(context, view), modal.view)
}
