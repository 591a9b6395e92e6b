import { createHash } from 'node:crypto'
import { App, type ReceiverEvent } from '@slack/bolt'
import { newId } from '../../lib/id.ts'
import type { Deed, Envelope } from '../../ports/surface.ts'
import { answerEnvelope, type Reply, rememberResponse, say } from './answer.ts'
import { actionBody, anyBody, commandBody, eventBody, HEARD, viewBody } from './bodies.ts'
import { type Bot, call } from './bot.ts'
import { clientOptions } from './calls.ts'
import { errorsOf, FORM, formData, formView, PRESS, pressData, pressView, valuesOf } from './forms.ts'
import { carriedBy } from './render-buttons.ts'
import { typedLine } from './text.ts'
import { createCardOf, lacking } from './thread.ts'

const NOT_TAKEN = {
  say: 'Rollcall could not store this just now, so it may not have been taken. Next: do it again in a moment',
}
const TAKEN_LATE = { say: 'That took long, but it has been taken: there is no need to do it again.' }
const NOT_YET = {
  say: 'Rollcall is still storing this, and it may be taken. Next: wait a moment, you are told what came of it',
}
const UNKNOWN = { say: 'This button is none that Rollcall still knows. Next: /status shows what may be done now' }
const UNKNOWN_FORM = { say: 'Rollcall does not know this form any more. Next: /help shows what may be typed' }
const NO_SHORTCUTS = { say: 'Rollcall has no shortcuts. Next: /help shows what may be typed' }
const UNKNOWN_DEED = { say: 'Rollcall does not know what that was. Next: /help shows what may be typed' }
const AGAIN = { next: 'press the button again' }

/** What the handler of an event says about it: Bolt would acknowledge events before anybody has heard them. */
interface Verdict {
  taken: boolean
}
const verdictOf = (context: object): Verdict | undefined =>
  'verdict' in context ? (context.verdict as Verdict | undefined) : undefined

/** Bolt's App whose events are acknowledged only once they are durable, and which hands over what Bolt has no listener for. */
class HoldingApp extends App {
  stranger: (body: unknown) => Promise<void> = async () => {}

  override async processEvent(event: ReceiverEvent): Promise<void> {
    const { event: heard, command, type } = event.body
    if (heard === undefined && command === undefined && !HEARD.includes(type)) {
      await event.ack()
      return await this.stranger(event.body)
    }
    // Only events of the Events API are acknowledged by Bolt itself.
    if (event.body.event === undefined) return await super.processEvent(event)
    const verdict: Verdict = { taken: true }
    const held = { ...event, ack: async () => {}, customProperties: { ...event.customProperties, verdict } }
    await super.processEvent(held)
    if (verdict.taken) await event.ack()
  }
}

export interface Incoming {
  app: App
  /** Takes nothing more in; resolves when what was begun is done, at the latest after `ms`. */
  drain(ms: number): Promise<void>
}

/**
 * What people do, as envelopes. An envelope is durable before its deed is acknowledged. Its id is the same whenever and on
 * whichever way Slack delivers the deed again: `event_id` for events; `trigger_id`, made once for each deed, for commands and
 * buttons (the id of the socket's envelope does not exist over HTTP); for a submission id and hash of the view, which stay the same
 * when a form is corrected, and a digest of what was filled in.
 */
export function createIncoming(bot: Bot, botToken: string): Incoming {
  /** Whoever did it is told, wherever that can be told from what came. */
  async function answerUnknown(body: unknown, text: string): Promise<void> {
    const parsed = anyBody.safeParse(body)
    if (!parsed.success) {
      bot.log.info('slack deed without a person')
      return
    }
    const { user, channel, trigger_id: trigger = newId(), response_url } = parsed.data
    const id = `unknown/${trigger}`
    rememberResponse(bot, id, response_url)
    const where = channel?.id
    const direct = where?.startsWith('D') ? { direct: true } : {}
    await say(bot, { id, user: user.id, reply: where === undefined ? {} : { channel: where, ...direct } }, text)
  }

  const app = new HoldingApp({
    token: botToken,
    // Slack being away must not throw inside of the constructor.
    deferInitialization: true,
    receiver: { init: () => {}, start: async () => {}, stop: async () => {} },
    convoStore: false,
    logger: clientOptions({ apiUrl: bot.config.apiUrl, timings: bot.timings, log: bot.log }).logger,
    clientOptions: clientOptions({ apiUrl: bot.config.apiUrl, timings: bot.timings, log: bot.log }),
  })
  app.stranger = (body) => track(answerUnknown(body, UNKNOWN_DEED.say))
  const running = new Set<Promise<unknown>>()
  /** Envelopes of which somebody is told once it is known whether they were taken. */
  const awaited = new Set<string>()
  let stopped = false
  const cardOf = createCardOf(bot)
  const names = new Map(Object.entries(bot.config.channels).map(([name, id]) => [id, name]))

  const track = <T>(work: Promise<T>): Promise<T> => {
    const quiet = work.then(
      () => {},
      (error: unknown) => bot.log.warn({ err: error }, 'slack deed not handled'),
    )
    running.add(quiet)
    quiet.finally(() => running.delete(quiet))
    return work
  }

  const envelopeOf = (id: string, user: string, reply: Reply, deed: Deed): Envelope => {
    const channel = names.get(reply.channel ?? '')
    return {
      surface: 'slack',
      id: id.slice(0, 200),
      user: user.slice(0, 200),
      ...(channel === undefined ? {} : { channel }),
      deed,
      reply: { ...reply },
      at: bot.clock().toISOString(),
    }
  }

  /**
   * 'taken' once it is durable. Slack waits 3 s; what is not durable well before that is not acknowledged: it is 'late', and `told`
   * hears what became of it.
   */
  const accept = async (envelope: Envelope, told?: (taken: boolean) => void): Promise<'taken' | 'not' | 'late'> => {
    if (stopped) return 'not'
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), bot.timings.accept)
    })
    const durable = track(
      (async () => {
        try {
          await bot.reception().accept(envelope)
          return 'taken' as const
        } catch (error) {
          bot.log.warn({ err: error, envelope: envelope.id }, 'slack envelope not accepted')
          return 'not' as const
        }
      })(),
    )
    try {
      const now = await Promise.race([durable, late])
      // Delivered again meanwhile, it is told once.
      if (now === 'late' && told !== undefined && !awaited.has(envelope.id)) {
        awaited.add(envelope.id)
        track(
          durable.then((then) => {
            awaited.delete(envelope.id)
            told(then === 'taken')
          }),
        )
      }
      return now
    } finally {
      clearTimeout(timer)
    }
  }

  /** The one who did it is told, as Slack does not always deliver again, and shows as failed what was taken late. */
  const tellTaken = (envelope: Envelope, reply: Reply, taken: boolean): void => {
    const to = { id: envelope.id, user: envelope.user, reply }
    track(say(bot, to, (taken ? TAKEN_LATE : NOT_TAKEN).say, taken))
  }

  /** Acknowledges what is durable. Where nobody knows in time, the person is told once somebody does. */
  const take = async (envelope: Envelope, reply: Reply, ack: () => Promise<void>): Promise<void> => {
    const at = await accept(envelope, (taken) => tellTaken(envelope, reply, taken))
    if (at === 'taken') return await ack()
    if (at === 'not') tellTaken(envelope, reply, false)
  }

  app.command(/.*/, async ({ body, ack }) => {
    const {
      command,
      text,
      user_id: user,
      channel_id: channel,
      trigger_id: trigger,
      response_url,
    } = commandBody.parse(body)
    const line = typedLine(`${command.startsWith('/') ? command : `/${command}`} ${text}`, undefined)
    const reply: Reply = { channel, ...(channel.startsWith('D') ? { direct: true } : {}) }
    const envelope = envelopeOf(`command/${trigger}`, user, reply, { kind: 'typed', text: line })
    rememberResponse(bot, envelope.id, response_url)
    const form = stopped ? undefined : bot.reception().form(line)
    if (form !== undefined) {
      const view = formView(form, { command: form.command, ...reply }, bot.words, bot.language)
      const usage = bot.reception().commands.find(({ name }) => name === form.command.split(' ', 1)[0])?.usage[0] ?? ''
      const instead = `/${form.command} ${usage}`.trim()
      track(openModal(envelope, reply, trigger, view, instead))
      return await ack()
    }
    await take(envelope, reply, ack)
  })

  /** Within the 3 s that a trigger lives; when it is over, what to type instead is said. */
  async function openModal(
    envelope: Envelope,
    reply: Reply,
    trigger: string,
    view: ReturnType<typeof formView>,
    instead: string,
  ): Promise<void> {
    const opened = await call(bot, () => bot.client.views.open({ trigger_id: trigger, view }))
    if (opened.ok) return
    const error = opened.failure.kind === 'refused' ? opened.failure.error : opened.failure.kind
    // It was delivered twice, and the form is open.
    if (error === 'exchanged_trigger_id') return
    bot.log.info({ error }, 'slack form not opened')
    const text = `The form could not be opened in time. Next: ${instead}`
    await say(bot, { id: envelope.id, user: envelope.user, reply }, text)
  }

  /** In the thread of a card, a line whose number is left out means that card. */
  const inThread = async (line: string, { channel, thread, direct }: Reply, botUser: string | undefined) => {
    if (channel === undefined || thread === undefined || direct === true || stopped) return line
    const withCode = lacking(line, bot.reception().commands)
    if (withCode === undefined) return line
    const code = await cardOf({ channel, thread }, botUser)
    return (code === undefined ? undefined : withCode(code)) ?? line
  }

  const hear = async (body: unknown, context: object, botUser: string | undefined): Promise<void> => {
    const parsed = eventBody.safeParse(body)
    if (!parsed.success) return
    const { event_id, event } = parsed.data
    const direct = event.channel_type === 'im' || event.channel.startsWith('D')
    // A direct message that mentions the bot comes as both.
    if (event.type === 'app_mention' ? direct : !direct) return
    if (event.user === undefined || event.bot_id !== undefined || event.user === botUser) return
    if (event.subtype !== undefined && event.subtype !== 'file_share' && event.subtype !== 'thread_broadcast') return
    const reply: Reply = {
      channel: event.channel,
      ...(event.thread_ts === undefined ? {} : { thread: event.thread_ts }),
      ...(direct ? { direct } : {}),
    }
    const verdict = verdictOf(context)
    // A handler that throws has not taken it.
    if (verdict !== undefined) verdict.taken = false
    const deed: Deed = { kind: 'typed', text: await inThread(typedLine(event.text, botUser), reply, botUser) }
    const taken = await accept(envelopeOf(`event/${event_id}`, event.user, reply, deed))
    if (verdict !== undefined) verdict.taken = taken === 'taken'
  }
  app.event('app_mention', ({ body, context }) => track(hear(body, context, context.botUserId)))
  app.event('message', ({ body, context }) => track(hear(body, context, context.botUserId)))

  app.action(/.*/, async ({ body, ack }) => {
    const parsed = actionBody.safeParse(body)
    const action = parsed.data?.actions[0]
    if (!parsed.success || action === undefined) {
      await ack()
      return await track(answerUnknown(body, UNKNOWN.say))
    }
    const { trigger_id: trigger, user, response_url } = parsed.data
    const channel = parsed.data.channel?.id ?? parsed.data.container?.channel_id
    const thread = parsed.data.container?.thread_ts
    const reply: Reply = {
      ...(channel === undefined ? {} : { channel }),
      ...(thread === undefined ? {} : { thread }),
      ...(channel?.startsWith('D') ? { direct: true } : {}),
    }
    const id = `press/${trigger}`
    const to = { id, user: user.id, reply }
    rememberResponse(bot, id, response_url)
    const carried = carriedBy(action.value)
    if (carried === undefined) {
      await ack()
      await track(say(bot, to, UNKNOWN.say))
      return
    }
    const envelope = envelopeOf(id, user.id, reply, { kind: 'pressed', button: carried.button, fields: {} })
    if (carried.fields.length > 0) {
      if (stopped) return
      // Nothing has happened yet that would have to be kept.
      await ack()
      await track(ask(envelope, reply, trigger, carried))
      return
    }
    await take(envelope, reply, ack)
  })

  /** Whoever may not press is told so at once; everybody else is asked. */
  async function ask(
    envelope: Envelope,
    reply: Reply,
    trigger: string,
    { button, label, fields }: NonNullable<ReturnType<typeof carriedBy>>,
  ): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), bot.timings.refusal)
    })
    const who = { surface: 'slack' as const, user: envelope.user }
    const refusal = await Promise.race([bot.reception().refusal(who, button), late]).catch(() => undefined)
    clearTimeout(timer)
    if (refusal !== undefined) {
      await answerEnvelope(bot, envelope, refusal)
      return
    }
    const view = pressView(label || 'Rollcall', fields, { button, ...reply }, bot.words)
    await openModal(envelope, reply, trigger, view, AGAIN.next)
  }

  app.view({ type: 'view_submission' }, async ({ body, ack }) => {
    const parsed = viewBody.safeParse(body)
    if (!parsed.success) {
      await ack()
      return await track(answerUnknown(body, UNKNOWN_FORM.say))
    }
    const { user, view } = parsed.data
    const values = valuesOf(view.state)
    const id = `view/${view.id}/${view.hash}/${digestOf(values)}`
    const first = Object.keys(values)[0] ?? ''
    const refuse = async (wrong: Record<string, string>) => {
      const known = Object.fromEntries(Object.entries(wrong).map(([name, why]) => [name in values ? name : first, why]))
      await ack({ response_action: 'errors', errors: errorsOf(known, bot.language) })
    }
    if (stopped) return
    const made = deedOf(view.callback_id, view.private_metadata, values)
    if (made === undefined) {
      await ack()
      return await track(answerUnknown(body, UNKNOWN_FORM.say))
    }
    if ('wrong' in made) return await refuse(made.wrong)
    const envelope = envelopeOf(id, user.id, made.reply, made.deed)
    const at = await accept(envelope, (taken) => tellTaken(envelope, made.reply, taken))
    if (at === 'taken') return await ack()
    // The form stays open with what was filled in; there is no other way to say it.
    await refuse({ [first]: at === 'late' ? NOT_YET.say : NOT_TAKEN.say })
  })

  function deedOf(
    callback: string,
    data: string,
    values: Record<string, string>,
  ): { deed: Deed; reply: Reply } | { wrong: Record<string, string> } | undefined {
    try {
      if (callback === PRESS) {
        const { button, ...reply } = pressData.parse(JSON.parse(data))
        return { deed: { kind: 'pressed', button, fields: values }, reply }
      }
      if (callback !== FORM) return undefined
      const { command, ...reply } = formData.parse(JSON.parse(data))
      const line = bot.reception().line(command, values)
      if ('wrong' in line) return line
      return { deed: { kind: 'typed', text: line.text }, reply }
    } catch (error) {
      bot.log.warn({ err: error }, 'slack submission not understood')
      return undefined
    }
  }

  // What nobody asked for is acknowledged, or Slack shows a warning sign.
  app.view({ type: 'view_closed' }, async ({ ack }) => await ack())
  app.options(/.*/, async ({ ack }) => await ack({ options: [] }))
  app.shortcut(/.*/, async ({ body, ack }) => {
    await ack()
    await track(answerUnknown(body, NO_SHORTCUTS.say))
  })
  app.error(async (error) => {
    // A socket that has just been renewed takes no more acknowledgements: Slack delivers it again on the other one.
    bot.log.info({ err: error }, 'slack deed not acknowledged')
  })

  return {
    app,
    async drain(ms) {
      stopped = true
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms)
      })
      await Promise.race([settled(running), late])
      clearTimeout(timer)
    },
  }
}

/** Whatever the order in which the fields came. */
function digestOf(values: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('base64url').slice(0, 22)
}

async function settled(running: ReadonlySet<Promise<unknown>>): Promise<void> {
  while (running.size > 0) await Promise.all(running)
  // Acknowledgements leave right after the handlers.
  await new Promise((resolve) => setImmediate(resolve))
}
