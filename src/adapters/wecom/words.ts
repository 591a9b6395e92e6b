import { type Language, translateWord } from '../../lib/catalogue/translate.ts'
import type { Button } from '../../ports/chat.ts'

/** What this surface says by itself, in both languages. */
const WORDS = {
  en: {
    progress: 'Working on it…',
    rolled: 'Still working; it goes on in the next message.',
    pushed: 'Still working; the answer follows as a message of its own.',
    received: 'Received, working on it. The outcome follows.',
    yes: 'Yes',
    no: 'No',
    now: 'Now',
    done: 'Done',
    by: 'by',
    type: 'Type',
    also: 'Also',
    commands: 'To act, type',
    again: '(sent again, nobody knows whether it arrived before)',
    old: 'This card was old; it shows now what stands.',
    unknown: 'This card is not known any more. Type /status.',
    lost: 'It could not be taken in, and nothing was done. Send it again in a minute.',
    onlyText: 'Only text is understood here. Type /help.',
    welcome:
      'Rollcall prepares releases, has them approved and rolls them out in watched batches; when an alert fires, it looks for the cause.',
    welcomeHow: 'In a group, mention it as',
    noChannel: 'This group is none of wecom.channels in rollcall.yaml; its id there would be',
    picture: 'picture',
    state: { plain: '', info: '', good: '✅ ', warn: '⚠ ', bad: '❌ ' },
    test: 'Test card',
    testText: 'Rollcall can post here. The button shows that presses arrive.',
    refreshed: 'The press arrived.',
  },
  zh: {
    progress: '正在处理…',
    rolled: '仍在处理，进展见下一条消息。',
    pushed: '仍在处理，结果将另发一条消息。',
    received: '已收到，正在处理，结果随后发出。',
    yes: '是的',
    no: '不',
    now: '刷新',
    done: '完成',
    by: '操作人',
    type: '请输入',
    also: '还可以',
    commands: '要操作请输入',
    again: '（重发，不确定之前是否送达）',
    old: '这张卡片已过时，现已更新为最新状态。',
    unknown: '这张卡片已失效。请输入 /status。',
    lost: '未能接收，什么也没有执行。请稍后重发一次。',
    onlyText: '这里只能识别文字。请输入 /help。',
    welcome: 'Rollcall 准备发布、请人批准并分批观察着推进；告警触发时，它会查找原因。',
    welcomeHow: '在群里请这样提及它',
    noChannel: '本群还不在 rollcall.yaml 的 wecom.channels 里，它的 id 是',
    picture: '图片',
    state: { plain: '', info: '', good: '✅ ', warn: '⚠ ', bad: '❌ ' },
    test: '测试卡片',
    testText: 'Rollcall 可以在这里发消息。按钮用于确认点击能够送达。',
    refreshed: '点击已送达。',
  },
} as const

export type Words = (typeof WORDS)[Language]
export const wordsIn = (language: Language): Words => WORDS[language]

/** Labels of at most four characters: WeCom may cut what is longer. */
const LABELS: Record<string, Record<Language, string>> = {
  'release.approve': { en: 'OK', zh: '批准' },
  'release.reject': { en: 'Deny', zh: '拒绝' },
  'release.pause': { en: 'Hold', zh: '暂停' },
  'release.resume': { en: 'Go', zh: '继续' },
  'release.promote': { en: 'Next', zh: '推进' },
  'release.abort': { en: 'Stop', zh: '中止' },
  'release.retry': { en: 'Redo', zh: '重试' },
  'release.skip': { en: 'Skip', zh: '跳过' },
  'release.rollback': { en: 'Back', zh: '回滚' },
  'incident.acknowledge': { en: 'Ack', zh: '认领' },
  'incident.diagnose-again': { en: 'Diag', zh: '诊断' },
  'incident.silence': { en: 'Mute', zh: '静默' },
  'incident.end-silence': { en: 'Ring', zh: '解除静默' },
}

const LONGEST_LABEL = 4

/** The label of each button, in order: at most four characters, no two alike. */
export function labelsOf(buttons: readonly Button[], language: Language): string[] {
  const used = new Set<string>()
  return buttons.map(({ action, label }) => {
    const own = LABELS[action]?.[language] ?? translateWord(label, language).replaceAll(':', '：')
    let text = [...own].slice(0, LONGEST_LABEL).join('').trim() || '·'
    for (let number = 2; used.has(text); number++) {
      const end = String(number)
      text = [...own].slice(0, LONGEST_LABEL - end.length).join('') + end
    }
    used.add(text)
    return text
  })
}

const INCIDENT_VERBS: Record<string, string> = {
  'incident.acknowledge': 'ack',
  'incident.diagnose-again': 'diagnose',
  'incident.silence': 'silence',
  'incident.end-silence': 'unsilence',
}

/**
 * The line that does what a button does, such as `/release approve R-3`; what a person has to fill in stands as `<reason>`.
 * Undefined when no command does it, or when it is not known for which release.
 */
export function commandOf(
  button: Button,
  codes: { release?: string; incident?: string },
  language: Language,
): string | undefined {
  const [area = '', verb = ''] = button.action.split('.')
  const code = area === 'release' ? codes.release : codes.incident
  const word = area === 'release' ? verb : INCIDENT_VERBS[button.action]
  if ((area !== 'release' && area !== 'incident') || code === undefined || word === undefined) return undefined
  const filled = (button.fields ?? []).map(({ value, label }) => value ?? `<${translateWord(label, language)}>`)
  return [area === 'release' ? '/release' : '/alerts', word, code, ...filled].join(' ')
}
