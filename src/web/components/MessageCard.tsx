import { type ReactNode, useId, useState } from 'react'
import type { Block, Message } from '../../ports/chat.ts'
import { useT } from '../i18n/index.tsx'
import { BlockView } from './Blocks.tsx'
import { Buttons } from './Buttons.tsx'
import { numbered } from './numbered.ts'
import { isReport } from './report-text.ts'
import { ToneIcon } from './State.tsx'

/** A longer first sentence scrolls away with the rest of a tall card; a shorter one stays at its top with the title. */
const LONG_LEAD = 120

interface Props {
  message: Message
  /** Beside the title: when it was posted, say. */
  aside?: ReactNode
  /** Below the buttons: replies, links. */
  footer?: ReactNode
  /** Long blocks begin folded; the first sentence, the fields and the buttons are always there. */
  folded?: boolean
  compact?: boolean
  titleLevel?: 2 | 3
}

/**
 * A message as every surface has it, drawn as a card. All of it is text nodes: nothing that a person or a host wrote is ever read
 * as markup.
 */
export function MessageCard({ message, aside, footer, folded = false, compact = false, titleLevel = 3 }: Props) {
  const t = useT()
  const [open, setOpen] = useState<boolean>()
  const titleId = useId()
  const [lead, rest] = split(message.blocks)
  const long = rest.filter((block) => !isShort(block))
  const isFolded = !(open ?? !folded) && long.length > 0
  const isLong = lead !== undefined && lead.length > LONG_LEAD
  const Title = titleLevel === 2 ? 'h2' : 'h3'
  return (
    <article
      className={compact ? 'card compact' : 'card'}
      data-tone={message.tone}
      data-asks={message.buttons.length > 0}
      aria-labelledby={titleId}
    >
      <header className="card-head">
        <span className="card-icon" data-tone={message.tone}>
          <ToneIcon tone={message.tone} />
          <span className="sr-only">{t(`tone.${message.tone}`)}</span>
        </span>
        <Title className="card-title" id={titleId} data-long={message.title.length > LONG_LEAD}>
          {message.title}
        </Title>
        {aside === undefined ? null : <span className="card-aside">{aside}</span>}
        {isLong ? null : <Lead text={lead} />}
      </header>
      <div className="card-body">
        {isLong ? <Lead text={lead} /> : null}
        {numbered(rest).map(({ id, value: block }, index) => {
          if (isFolded && !isShort(block)) return null
          if (index === rest.length - 1 && endsReport(rest)) {
            return (
              <div className="report-foot" key={id}>
                <BlockView block={block} about={message.title} />
              </div>
            )
          }
          return <BlockView key={id} block={block} about={message.title} />
        })}
        {folded && long.length > 0 ? (
          <button type="button" className="link-button" aria-expanded={!isFolded} onClick={() => setOpen(isFolded)}>
            {t(isFolded ? 'message.details' : 'message.fewer')}
          </button>
        ) : null}
        <Buttons buttons={message.buttons} about={message.title} />
      </div>
      {footer === undefined ? null : <footer className="card-foot">{footer}</footer>}
    </article>
  )
}

function Lead({ text }: { text: string | undefined }) {
  return text === undefined ? null : <p className="card-lead">{text}</p>
}

/** What tells the state at a glance stays when the rest is folded. */
function isShort(block: Block): boolean {
  return block.type === 'fields' || block.type === 'progress' || block.type === 'links'
}

/** The first sentence says where it stands, and is set apart from the rest. */
function split(blocks: Block[]): [string | undefined, Block[]] {
  const [first, ...rest] = blocks
  return first?.type === 'text' && !isReport(first.text) ? [first.text, rest] : [undefined, blocks]
}

/** Below a report, the last figures say what it cost: they are not part of it. */
function endsReport(blocks: Block[]): boolean {
  const before = blocks.slice(0, -1).some((block) => block.type === 'text' && isReport(block.text))
  return before && blocks.at(-1)?.type === 'fields'
}
