import { createHash } from 'node:crypto'
import { z } from 'zod'
import { seenOf } from '../../lib/text.ts'

/** What came over the long connection, typed and capped. */
export type Heard = { id: string; user: string; chat?: string; reqId: string } & (
  | { kind: 'typed'; text: string; quote?: string }
  | { kind: 'click'; key: string; task: string }
  | { kind: 'enter' }
  | { kind: 'feedback'; about: string; type: string }
  /** A file, a picture, a kind that is not known. */
  | { kind: 'other'; type: string; event: boolean }
)

const LONGEST = 10_000
const text = z.object({ content: z.string() })
const partSchema = z.object({
  msgtype: z.string(),
  text: text.optional(),
  voice: text.optional(),
  mixed: z.object({ msg_item: z.array(z.object({ text: text.optional() })) }).optional(),
})
const id = z.union([z.string(), z.number()]).transform(String)
const frameSchema = z.object({
  headers: z.object({ req_id: z.string().min(1) }),
  body: partSchema.extend({
    msgid: id.optional(),
    chatid: z.string().min(1).max(200).optional(),
    chattype: z.string().optional(),
    create_time: z.number().optional(),
    from: z.object({ userid: z.string().min(1).max(200) }),
    quote: z.unknown().optional(),
    event: z.looseObject({ eventtype: z.string() }).optional(),
  }),
})
const clickSchema = z.object({
  event_key: z.string().min(1).max(1024),
  task_id: z.string().max(128).optional(),
  taskid: z.string().max(128).optional(),
})
const feedbackSchema = z.object({ id: z.string().optional(), type: z.union([z.string(), z.number()]).optional() })

/** A frame as the SDK hands it over; undefined when it is none of those that are known. `name` is taken off what people type. */
export function parseFrame(frame: unknown, name: string): Heard | undefined {
  const read = frameSchema.safeParse(frame)
  if (!read.success) return undefined
  const { headers, body } = read.data
  const chat = body.chattype === 'single' ? undefined : body.chatid
  const given =
    body.msgid ??
    createHash('sha256')
      .update(JSON.stringify([headers.req_id, body]))
      .digest('hex')
  const common = { id: given.slice(0, 200), user: body.from.userid, ...(chat ? { chat } : {}), reqId: headers.req_id }
  if (body.event !== undefined) return parseEvent(body.event, common)
  const words = wordsOf(body)
  if (words === undefined) return { ...common, kind: 'other', type: body.msgtype.slice(0, 40), event: false }
  const quoted = partSchema.safeParse(body.quote)
  const quote = quoted.success ? wordsOf(quoted.data) : undefined
  return {
    ...common,
    kind: 'typed',
    text: typedText(words, { name, group: chat !== undefined }),
    ...(quote ? { quote: quote.slice(0, LONGEST) } : {}),
  }
}

function parseEvent(
  event: { eventtype: string; [key: string]: unknown },
  common: { id: string; user: string; chat?: string; reqId: string },
): Heard {
  switch (event.eventtype) {
    case 'template_card_event': {
      // Nested in the live service; the SDK's own types have it flat.
      const click = [event.template_card_event, event]
        .map((place) => clickSchema.safeParse(place))
        .find((each) => each.success)
      const task = click?.data?.task_id ?? click?.data?.taskid
      if (click?.data === undefined || task === undefined)
        return { ...common, kind: 'other', type: 'template_card_event', event: true }
      return { ...common, kind: 'click', key: click.data.event_key, task }
    }
    case 'enter_chat':
      return { ...common, kind: 'enter' }
    case 'feedback_event': {
      const feedback = [event.feedback_event, event]
        .map((place) => feedbackSchema.safeParse(place))
        .find((each) => each.success)
      return {
        ...common,
        kind: 'feedback',
        about: String(feedback?.data?.id ?? '').slice(0, 200),
        type: String(feedback?.data?.type ?? '').slice(0, 40),
      }
    }
    default:
      return { ...common, kind: 'other', type: event.eventtype.slice(0, 40), event: true }
  }
}

function wordsOf(part: z.infer<typeof partSchema>): string | undefined {
  if (part.msgtype === 'mixed') return part.mixed?.msg_item.flatMap((item) => item.text?.content ?? []).join(' ')
  // Others carry words as well: a quoted card is `template_card` with its text beside it.
  return part.text?.content ?? part.voice?.content
}

/** What a person typed, as a command: without the mention, with one kind of blank and of slash, and with a slash in front. */
export function typedText(words: string, { name, group }: { name: string; group: boolean }): string {
  let plain = seenOf(words.slice(0, LONGEST * 2))
    .replace(/[\u00a0\u2000-\u200a\u202f\u205f\u3000]/g, ' ')
    .replaceAll('＠', '@')
    .trim()
  plain = plain
    .replaceAll(new RegExp(`@${name.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')}(?=$|[\\s/／,，])`, 'gi'), ' ')
    .trim()
  // A group hears nothing but mentions: the name may have been changed since it was configured.
  if (group) plain = plain.replace(/^@[^\s/／]+\s*/u, '')
  plain = plain.replace(/^[,，\s]+/, '').replace(/^[／/]\s*/, '/')
  const command = plain === '' || plain === '/' ? '/help' : plain.startsWith('/') ? plain : `/${plain}`
  return command.slice(0, LONGEST)
}

/**
 * A quote carries words but no message id, so the short code in it stands for the message: `/release approve` with a quoted card
 * of R-142 means R-142. Which word a command lacks is read off its usage, such as `<approve|reject> <service or R-number>`.
 */
export function withQuoted(
  line: string,
  quote: string | undefined,
  commands: readonly { name: string; usage: readonly string[] }[],
): string {
  if (quote === undefined) return line
  const [first = '', ...args] = line.split(/\s+/).filter((word) => word !== '')
  const command = commands.find((each) => `/${each.name}` === first.toLowerCase())
  for (const usage of command?.usage ?? []) {
    const tokens = usage.match(/<[^>]*>|\[[^\]]*\]|\S+/g) ?? []
    const slot = tokens.findIndex((token) => /\b[RA]-number\b/.test(token))
    if (slot < 0 || args.length < slot) continue
    if (
      !tokens.slice(0, slot).every((token, at) =>
        token
          .replace(/[<>]/g, '')
          .split('|')
          .includes(args[at] ?? ''),
      )
    )
      continue
    const kind = /\bR-number\b/.test(tokens[slot] ?? '') ? 'R' : 'A'
    const code = new RegExp(`(?<![A-Za-z0-9-])${kind}-\\d{1,9}(?![0-9])`).exec(quote)?.[0]
    if (code === undefined) continue
    const there = args[slot]
    // A service may stand where an R-number may; an A-number is told from a time.
    const lacks = there === undefined || (/^<A-number>$/.test(tokens[slot] ?? '') && !/^(a-?)?\d{1,9}$/i.test(there))
    if (lacks && (slot > 0 || args.length === 0))
      return [first, ...args.slice(0, slot), code, ...args.slice(slot)].join(' ').slice(0, LONGEST)
  }
  return line
}
