import { describe, expect, it } from 'vitest'
import { parseDiagnosis } from '../../src/incident/parse-diagnosis.ts'

const english = ['【Summary】', '【Root cause】', '【Impact】', '【Next steps】']
const chinese = ['【问题概述】', '【根因分析】', '【影响范围】', '【解决方案】']
const written = (headings: string[], below: string[]) =>
  headings.map((heading, n) => `${heading}\n${below[n] ?? ''}`).join('\n')
const parse = (content: string) => parseDiagnosis({ promQL: [], content })
const words = ['Errors at 8 %.', 'v1.2.0 answers with 500.', 'Two hosts.', '1. Roll back.']

describe('a report of a model', () => {
  it.each([
    ['in English', written(english, words)],
    ['in Chinese', written(chinese, ['错误率上升', '新版本', '两台', '回滚'])],
    [
      'with headings in bold and a colon',
      written(
        english.map((each) => `**${each}**:`),
        words,
      ),
    ],
    ['with Windows line ends', written(english, words).replaceAll('\n', '\r\n')],
  ])('with words below each heading is taken: %s', (_, content) => {
    expect(parse(content)).toMatchObject({ ok: true, value: { content } })
  })

  it.each([
    ['nothing at all', english.join(''), 'a line of its own'],
    ['nothing below', english.join('\n'), 'text below 【Summary】'],
    ['nothing below one', written(english, ['Errors.', 'v1.2.0.', ' \n\n', 'Roll back.']), 'text below 【Impact】'],
    ['nothing below the last', written(english, words.slice(0, 3)), 'text below 【Next steps】'],
    ['only signs below', written(english, ['Errors.', '…', 'Two hosts.', 'Look.']), 'text below 【Root cause】'],
    ['a single letter below', written(chinese, ['错误率上升', '新', '两台', '回滚']), 'text below 【根因分析】'],
    [
      'text on the line of a heading',
      written(english, words).replace('【Impact】\n', '【Impact】 '),
      'a line of its own',
    ],
    ['headings in another order', written([...english].reverse(), words), 'in this order'],
  ])('with %s is not', (_, content, problem) => {
    const parsed = parse(content)
    expect(parsed.ok).toBe(false)
    expect(parsed.ok ? '' : parsed.problems.join('; ')).toContain(problem)
  })
})
