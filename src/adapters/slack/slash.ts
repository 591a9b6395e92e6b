import type { Block, Message } from '../../ports/chat.ts'

/** Slack keeps `/status` and `/help` for itself, so that manifest.yml registers them with this in front. */
const PREFIX = 'rollcall-'

/** `/rollcall-status R-1` -> `/status R-1`; any other line as it is. */
export function withoutPrefix(line: string): string {
  return line.replace(new RegExp(`^/${PREFIX}(?=[a-z])`, 'i'), '/')
}

const NAME = '/(status|help)'
/** Where a word ends; what goes on with a sign and a letter is a path or a file. */
const END = String.raw`(?=$|\s|[.,;:!?)](?:\s|$)|[。，；：！？、）])`
/** After words that tell people to do something. */
const TOLD = new RegExp(
  String.raw`((?:^|[\s(])(?:[Tt]ype|[Uu]se|[Ll]ook at|then at|Next:) |(?:输入|查看|使用|下一步：) ?)${NAME}${END}`,
  'gm',
)
/** With what only stands behind a command: a number of ours, or the name of what has to be put in. */
const WITH_WORD = new RegExp(
  String.raw`(^|[\s(（；，。：;])(?<!\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) )${NAME}(?= (?:[RA]-(?:\d+|n)(?![\w/-])|<\p{L}))`,
  'gmu',
)
/** Heads and lines of a list of what may be typed. */
const USAGE = new RegExp(`^((?: {2})?)${NAME}(?=$|: |：| [<[])`, 'gm')
const CODE_USAGE = new RegExp(String.raw`^( *)${NAME}(?= <\p{L})`, 'gmu')

/**
 * A sentence with its commands as they are typed in Slack: `type /help` -> `type /rollcall-help`. Only what is told to be typed:
 * paths, addresses, requests (`GET /status`) and other text from outside stay as they are. In any language of ours.
 */
export function asTyped(text: string): string {
  if (!text.includes('/status') && !text.includes('/help')) return text
  return [TOLD, WITH_WORD].reduce((now, each) => now.replace(each, `$1/${PREFIX}$2`), text)
}

/** As `asTyped`, for an answer, which may be a list of what can be typed. */
export function answerAsTyped(text: string): string {
  return asTyped(text).replace(USAGE, `$1/${PREFIX}$2`)
}

/** The message with its commands as they are typed in Slack. Code is from outside, except for lines of usage in it. */
export function messageAsTyped(message: Message): Message {
  return {
    ...message,
    title: asTyped(message.title),
    blocks: message.blocks.map(blockAsTyped),
    buttons: message.buttons.map((button) => ({
      ...button,
      ...(button.confirm === undefined ? {} : { confirm: asTyped(button.confirm) }),
      ...(button.fields === undefined
        ? {}
        : { fields: button.fields.map((field) => ({ ...field, label: asTyped(field.label) })) }),
    })),
  }
}

function blockAsTyped(block: Block): Block {
  switch (block.type) {
    case 'text':
      return { ...block, text: asTyped(block.text) }
    case 'fields':
      return { ...block, items: block.items.map((item) => ({ ...item, value: asTyped(item.value) })) }
    case 'table': {
      const caption = block.caption === undefined ? {} : { caption: asTyped(block.caption) }
      return { ...block, ...caption, rows: block.rows.map((row) => row.map(asTyped)) }
    }
    case 'progress':
      return { ...block, items: block.items.map((item) => ({ ...item, note: asTyped(item.note) })) }
    case 'code':
      return { ...block, text: block.text.replace(CODE_USAGE, `$1/${PREFIX}$2`) }
    case 'links':
    case 'picture':
      return block
  }
}
