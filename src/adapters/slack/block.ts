import type {
  ActionsBlock,
  ContextBlock,
  HeaderBlock,
  ImageBlock,
  PlainTextElement,
  PlanBlock,
  SectionBlock,
  TableBlock,
} from '@slack/web-api'
import { escaped } from './text.ts'

/** The kinds of blocks that a message of ours is made of. */
export type SlackBlock = ActionsBlock | ContextBlock | HeaderBlock | ImageBlock | PlanBlock | SectionBlock | TableBlock

/** A block with what a file holds in its place, and what it adds to the message. */
export interface Part {
  block: SlackBlock
  plain: string
  characters: number
}

/** Slack reads no formatting, no mention and no emoji in it. */
export function plainText(text: string): PlainTextElement {
  return { type: 'plain_text', text: escaped(text), emoji: false }
}

/** A section of text that was escaped and made literal where it came from outside. */
export function markup(text: string): SectionBlock {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } }
}

export function part(block: SlackBlock, plain: string): Part {
  return { block, plain, characters: escaped(plain).length + 20 }
}
