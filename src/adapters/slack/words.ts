import { type Language, translate } from '../../lib/catalogue/translate.ts'

/** What the surface itself says on a card and in a modal. */
export interface Words {
  cancel: string
  send: string
  progress: string
  rest: string
  gone: string
  tones: Record<'info' | 'good' | 'warn' | 'bad', string>
}

const SAID = {
  cancel: { say: 'Cancel' },
  send: { say: 'Send' },
  progress: { say: 'Progress' },
  rest: { say: 'This is longer than Slack shows: the rest is in the attached file.' },
  gone: { say: 'This picture is no longer kept.' },
  info: { say: 'For information' },
  good: { say: 'All is well' },
  warn: { say: 'Needs attention' },
  bad: { say: 'Something is wrong' },
}

export function wordsIn(language: Language): Words {
  const word = ({ say }: { say: string }): string => translate(say, language)
  return {
    cancel: word(SAID.cancel),
    send: word(SAID.send),
    progress: word(SAID.progress),
    rest: word(SAID.rest),
    gone: word(SAID.gone),
    tones: {
      info: `🔵 ${word(SAID.info)}`,
      good: `🟢 ${word(SAID.good)}`,
      warn: `🟡 ${word(SAID.warn)}`,
      bad: `🔴 ${word(SAID.bad)}`,
    },
  }
}
