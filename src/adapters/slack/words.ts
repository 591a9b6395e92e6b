import { type Language, translate } from '../../lib/catalogue/translate.ts'

/** What the surface itself says on a card and in a modal. */
export interface Words {
  cancel: string
  send: string
  progress: string
  rest: string
  /** That all of an answer is a file in a direct message, or in this one. */
  wholeDirect: string
  wholeHere: string
  /** What stands above that file. */
  whole: string
  leftOut(count: number): string
  gone: string
  tones: Record<'info' | 'good' | 'warn' | 'bad', string>
}

const SAID = {
  cancel: { say: 'Cancel' },
  send: { say: 'Send' },
  progress: { say: 'Progress' },
  rest: { say: 'This is longer than Slack shows: the rest is in the attached file.' },
  wholeDirect: {
    say: 'This is longer than Slack shows: the whole answer is a file in your direct messages with Rollcall.',
  },
  wholeHere: { say: 'This is longer than Slack shows: the whole answer is in the attached file.' },
  whole: { say: 'The whole of an answer that was too long to be shown:' },
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
    wholeDirect: word(SAID.wholeDirect),
    wholeHere: word(SAID.wholeHere),
    whole: word(SAID.whole),
    leftOut: (count) =>
      word({
        say: `This is longer than Slack shows: the last ${count} characters are left out. Next: ask for less, such as one release or one host, or read it in the console`,
      }),
    gone: word(SAID.gone),
    tones: {
      info: `🔵 ${word(SAID.info)}`,
      good: `🟢 ${word(SAID.good)}`,
      warn: `🟡 ${word(SAID.warn)}`,
      bad: `🔴 ${word(SAID.bad)}`,
    },
  }
}
