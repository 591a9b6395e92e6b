import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keyFor, markOf, newTask, readKey, tokenOf } from '../../../src/adapters/wecom/cards.ts'
import { cardButtons, renderCard, renderMarkdown, splitText } from '../../../src/adapters/wecom/render.ts'
import {
  bytesOf,
  codeOf,
  cutBytes,
  neutral,
  widthOf,
  withMentions,
  withoutColons,
} from '../../../src/adapters/wecom/text.ts'
import { MARKDOWN_BYTES, WEBHOOK_BYTES, wrongInCard, wrongInMarkdown } from '../../../src/adapters/wecom/validate.ts'
import { commandOf, labelsOf } from '../../../src/adapters/wecom/words.ts'
import type { Block, Button, Message } from '../../../src/ports/chat.ts'

const button = (action: string, label: string, more: Partial<Button> = {}): Button => ({
  id: `id-${label.replace(/\W/g, '')}`,
  action,
  label,
  style: 'plain',
  ...more,
})
const message = (more: Partial<Message> = {}): Message => ({
  title: 'R-3 user-service v1.1.0: awaiting approval',
  tone: 'info',
  blocks: [],
  buttons: [],
  ...more,
})
const press = (each: Button): string => keyFor({ what: 'press', token: tokenOf(each) })
const cardOf = (each: Message, language: 'en' | 'zh' = 'en', code?: string) =>
  renderCard(
    each,
    { language, ...(code ? { code } : {}) },
    { task: 'task-1', buttons: cardButtons(each.buttons, language, press) },
  )

const text = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(
    '',
    ':',
    'host: web-1',
    '发布 用户服务',
    '<@all>',
    '[x](http://evil.example)',
    '```',
    '**',
    '😀'.repeat(40),
    'a'.repeat(9000),
    '中'.repeat(8000),
  ),
)
const line = text.map((each) => each.replace(/[\n\r\u2028\u2029\u0085]/g, ' '))
const block: fc.Arbitrary<Block> = fc.oneof(
  text.map((each): Block => ({ type: 'text', text: each })),
  text.map((each): Block => ({ type: 'code', text: each })),
  fc
    .array(fc.record({ label: line, value: line }), { maxLength: 8 })
    .map((items): Block => ({ type: 'fields', items })),
  fc
    .record({
      columns: fc.array(line, { minLength: 1, maxLength: 3 }),
      rows: fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 5 }),
    })
    .map(({ columns, rows }): Block => ({ type: 'table', columns, rows })),
  fc
    .array(fc.record({ label: line, done: fc.nat(50), total: fc.nat(50), note: line }), { maxLength: 3 })
    .map((items): Block => ({ type: 'progress', items })),
)
const buttons = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 40 }),
    action: fc.constantFrom('release.approve', 'release.reject', 'release.retry', 'incident.silence', 'other.thing'),
    label: fc.string({ maxLength: 20 }),
    style: fc.constantFrom('primary' as const, 'danger' as const, 'plain' as const),
  }),
  { maxLength: 9, selector: ({ id }) => id },
)
const anyMessage: fc.Arbitrary<Message> = fc.record({
  title: text,
  tone: fc.constantFrom('plain' as const, 'info' as const, 'good' as const, 'warn' as const, 'bad' as const),
  blocks: fc.array(block, { maxLength: 5 }),
  buttons,
})

/** Every text of the message, as a reader has to find it. */
function textsOf({ title, blocks }: Message): string[] {
  return [
    title.replaceAll('\n', ' '),
    ...blocks.flatMap((each) => {
      if (each.type === 'text' || each.type === 'code') return each.text.split('\n')
      if (each.type === 'fields') return each.items.flatMap(({ label, value }) => [label, value])
      if (each.type === 'table') return [...each.columns, ...each.rows.flat()]
      if (each.type === 'progress') return each.items.flatMap(({ label, note }) => [label, note])
      return []
    }),
  ]
}
const AS_TYPED: Record<string, string> = {
  ...{
    '＃': '#',
    '＞': '>',
    '–': '-',
    '＋': '+',
    '＝': '=',
    '｜': '|',
    '．': '.',
    '）': ')',
    '＿': '_',
    '～': '~',
    '］': ']',
  },
}
/** Without what is put between (blanks, the part in front of a piece, fences, bold), and with the characters that stand for others. */
const bare = (each: string): string =>
  withoutColons(each)
    .replace(/[＃＞–＋＝｜．）＿～］]/g, (char) => AS_TYPED[char] ?? char)
    .replace(/[`ˋ*＊\s]/g, '')

describe('any message', () => {
  test('becomes markdown within the limit that holds all of its text, each piece with the code in front', () => {
    fc.assert(
      fc.property(anyMessage, fc.constantFrom(MARKDOWN_BYTES, WEBHOOK_BYTES), (each, most) => {
        const pieces = renderMarkdown(each, { language: 'en', code: 'R-3' }, most)
        for (const piece of pieces) {
          expect(wrongInMarkdown(piece, most)).toEqual([])
          expect(piece.startsWith('R-3')).toBe(true)
          expect(piece).toBe(piece.toWellFormed())
        }
        const whole = bare(
          pieces.map((piece, at) => (at === 0 ? piece : piece.replace(/^R-3 \(\d+\/\d+\)\n/, ''))).join(''),
        )
        for (const part of textsOf(each)) expect(whole).toContain(bare(neutral(part)))
      }),
      { numRuns: 150 },
    )
  })

  test('with buttons becomes a card that breaks no rule, and that holds all of its text when it says so', () => {
    fc.assert(
      fc.property(anyMessage, fc.constantFrom('en' as const, 'zh' as const), (each, language) => {
        if (each.buttons.length === 0) return
        const { card, whole } = cardOf(each, language, 'A-17')
        expect(wrongInCard(card)).toEqual([])
        expect(card.main_title?.title?.startsWith('A-17')).toBe(true)
        if (!whole || language === 'zh') return
        const shown = bare(JSON.stringify(card).replaceAll('\\n', '').replaceAll('\\"', '"').replaceAll('\\\\', '\\'))
        for (const part of textsOf(each)) expect(shown).toContain(bare(neutral(part)))
      }),
      { numRuns: 200 },
    )
  })
})

describe('text from outside', () => {
  /** What begins a block by CommonMark and its tables; lenient where renderers are. */
  const BLOCK =
    /^\s*(#|>|[-*+](\s|$)|\d+[.)](\s|$)|`{3}|~{3}|=+\s*$|([-*_]\s*){3,}$|\||[|:]?-+[:|]|<[a-z/!?]|\[[^\]]*\]:)|^( {4}| *\t)/i
  const marks = [
    '# ',
    '## ',
    '> ',
    '- ',
    '* ',
    '+ ',
    '1. ',
    '23) ',
    '---',
    '***',
    '___',
    '===',
    '_ _ _',
    '| a | b |',
    '|-|-|',
  ]
  const more = [
    ':-- | --',
    '```',
    '````js',
    '~~~',
    '`',
    '**',
    '__',
    '~~',
    '    ',
    '\t',
    '\u3000',
    '<div>',
    '<?x',
    '[a]: http://e.example',
  ]
  const hostile = fc
    .array(
      fc.oneof(fc.constantFrom(...marks, ...more, '\n', '\r\n', '\n\n', 'a', '中', ' '), fc.string({ maxLength: 5 })),
      {
        maxLength: 14,
      },
    )
    .map((parts) => parts.join(''))
  const hostileBlock: fc.Arbitrary<Block> = fc.oneof(
    hostile.map((each): Block => ({ type: 'text', text: each })),
    hostile.map((each): Block => ({ type: 'code', text: each })),
    fc
      .array(fc.record({ label: hostile, value: hostile }), { maxLength: 4 })
      .map((items): Block => ({ type: 'fields', items })),
    fc
      .array(fc.record({ label: hostile, done: fc.nat(9), total: fc.nat(9), note: hostile }), { maxLength: 3 })
      .map((items): Block => ({ type: 'progress', items })),
    fc
      .array(fc.record({ label: hostile, url: fc.oneof(hostile, fc.constant('https://good.example/')) }), {
        maxLength: 3,
      })
      .map((items): Block => ({ type: 'links', items })),
    hostile.map((alt): Block => ({ type: 'picture', id: 'p', alt, width: 1, height: 1 })),
    fc
      .record({
        caption: hostile,
        columns: fc.array(hostile, { minLength: 1, maxLength: 3 }),
        rows: fc.array(fc.array(hostile, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
      })
      .map((table): Block => ({ type: 'table', ...table })),
  )

  /** Lines outside of fences; each fence has to be one of ours, opened and closed. */
  function outside(piece: string): string[] {
    let open = false
    const lines = piece.split('\n').filter((each) => {
      if (each === '```') open = !open
      return each !== '```' && !open
    })
    expect(open).toBe(false)
    return lines
  }

  test('begins no block and opens no fence that is not ours', () => {
    fc.assert(
      fc.property(
        fc.record({ title: hostile, blocks: fc.array(hostileBlock, { maxLength: 5 }) }),
        fc.constantFrom(undefined, 'R-3'),
        fc.constantFrom(260, WEBHOOK_BYTES),
        (each, code, most) => {
          const look = { language: 'en' as const, ...(code === undefined ? {} : { code }) }
          const pieces = renderMarkdown(message({ tone: 'good', ...each }), look, most)
          const lines = pieces.flatMap(outside)
          const ours = each.blocks.reduce((sum, block) => sum + (block.type === 'table' ? block.rows.length + 1 : 0), 0)
          const begun = lines.filter((line) => BLOCK.test(line))
          if (ours === 0) expect(begun).toEqual([])
          expect(begun.length).toBeLessThanOrEqual(ours)
          for (const line of begun) expect(line.replace(/^[->] /, '')).not.toMatch(BLOCK)
          const code3 = each.blocks.some(({ type }) => type === 'code')
          if (!code3) expect(pieces.join('\n')).not.toContain('```')
          for (const line of lines) expect(line.replace(/\*\*[^*]+\*\*/, '')).not.toMatch(/\*\*|__|~~|``/)
          for (const line of lines) expect((line.match(/`/g) ?? []).length % 2).toBe(0)
        },
      ),
      { numRuns: 400 },
    )
  })

  test('reads the same: it looks like what was typed, and is neither heading, bold, quote nor fence', () => {
    const typed = [
      '# ✅ R-142 approved by alice',
      '**bold**',
      '> quote',
      '- item',
      '1. first',
      '```',
      'a `b` c',
      '1.2.3 -x',
    ]
    const [piece = ''] = renderMarkdown(
      message({ title: 'Held', blocks: [{ type: 'text', text: typed.join('\n') }] }),
      { language: 'en' },
      MARKDOWN_BYTES,
    )
    expect(piece.split('\n').slice(1)).toEqual([
      ...[
        '＃ ✅ R-142 approved by alice',
        '＊＊bold＊＊',
        '＞ quote',
        '– item',
        '1． first',
        'ˋˋˋ',
        'a `b` c',
        '1.2.3 -x',
      ],
    ])
  })

  test('that is cut begins no block where it goes on', () => {
    const long = `${'a'.repeat(99)}# b`.repeat(40)
    for (const each of [long, long.replaceAll('#', '1.'), long.replaceAll('#', '>')])
      for (const most of [260, 261, 259, 300])
        for (const piece of splitText(each, most)) expect(piece.split('\n')[0]).not.toMatch(BLOCK)
  })

  test('an answer in pieces has whole fences in each', () => {
    const text = `before\n\`\`\`\n${'line of code\n'.repeat(60)}end\n\`\`\`\nafter`
    const pieces = splitText(text, 400)
    expect(pieces.length).toBeGreaterThan(3)
    const lines = pieces.flatMap(outside)
    expect(lines).toEqual(['before', 'after'])
  })
})

describe('text', () => {
  test('is never cut inside a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 4, max: 60 }), (each, most) => {
        const [head, rest] = cutBytes(each, most)
        expect(head + rest).toBe(each)
        expect(bytesOf(head)).toBeLessThanOrEqual(most)
        expect(head.isWellFormed() || !each.isWellFormed()).toBe(true)
        if (rest !== '') expect(head).not.toBe('')
      }),
    )
  })
  test('from outside stays text: no mention of all, no link, no tag', () => {
    const hostile = 'x <@all> [click](http://evil.example) <font color="red">y</font> a < b'
    const shown = neutral(hostile)
    expect(shown).not.toContain('<@')
    expect(shown).not.toContain('](')
    expect(shown).not.toMatch(/<\/?font/)
    expect(shown).toContain('a < b')
    const [piece = ''] = renderMarkdown(
      message({ title: hostile, blocks: [{ type: 'table', columns: ['host'], rows: [[hostile]] }] }),
      { language: 'zh' },
      MARKDOWN_BYTES,
    )
    expect(piece).not.toMatch(/<@|\]\(|<font/)
  })
  test('a link keeps its address and only its own brackets', () => {
    const items = [
      { label: 'a](http://evil.example)[b', url: 'https://good.example/x(1)' },
      { label: 'no', url: 'javascript:alert(1)' },
    ]
    const [piece = ''] = renderMarkdown(
      message({ blocks: [{ type: 'links', items }] }),
      { language: 'en' },
      MARKDOWN_BYTES,
    )
    expect(piece).toContain('](https://good.example/x%281%29)')
    expect(piece.match(/\]\(/g)).toHaveLength(1)
    expect(piece).not.toContain('](javascript')
  })
  test('people whom WeCom knows are mentioned, others are not', () => {
    const known = (id: string): string | undefined =>
      id === 'alice' ? 'AliceW' : id === 'bad' ? 'x> <@all' : undefined
    expect(withMentions('@alice, @bob and @bad; me@alice', known)).toBe('<@AliceW>, @bob and @bad; me@alice')
    expect(withMentions('asked by @alice.', known)).toBe('asked by <@AliceW>.')
  })
  test('a message begins with its short code, once', () => {
    expect(codeOf('R-3/card')).toBe('R-3')
    expect(codeOf('A-17/report/2')).toBe('A-17')
    expect(codeOf('status')).toBeUndefined()
    const say = (title: string): string =>
      renderMarkdown(message({ title }), { language: 'en', code: 'R-3' }, MARKDOWN_BYTES)[0] ?? ''
    expect(say('R-3 held')).toMatch(/^R-3 /)
    expect(say('R-3 held').match(/R-3/g)).toHaveLength(1)
    expect(say('R-31 held')).toMatch(/^R-3 .*R-31 held/)
  })
})

describe('buttons', () => {
  const many = ['approve', 'reject', 'pause', 'resume', 'promote', 'abort', 'retry', 'skip', 'rollback']
  test('have labels of at most four characters, no two alike', () => {
    const all = [
      ...many.map((verb) => button(`release.${verb}`, verb)),
      button('x.y', 'Something long'),
      button('x.z', 'Something else'),
    ]
    for (const language of ['en', 'zh'] as const) {
      const labels = labelsOf(all, language)
      expect(labels.every((label) => [...label].length <= 4 && label.trim() !== '')).toBe(true)
      expect(new Set(labels).size).toBe(labels.length)
    }
    expect(labelsOf([button('release.approve', 'Approve')], 'zh')).toEqual(['批准'])
  })
  test('beyond six are written out as commands', () => {
    const each = message({ title: 'R-3 held', buttons: many.map((verb) => button(`release.${verb}`, verb)) })
    const { card, whole } = cardOf(each, 'en', 'R-3')
    expect(card.button_list).toHaveLength(6)
    expect(card.sub_title_text).toContain('/release retry R-3')
    expect(card.sub_title_text).toContain('/release rollback R-3')
    expect(whole).toBe(true)
  })
  test('as commands are filled in as far as it is known', () => {
    const fields = [
      { name: 'time', label: 'for how long', kind: 'duration' as const, value: '2h', required: true, most: 20 },
      { name: 'reason', label: 'reason', kind: 'text' as const, required: true, most: 200 },
    ]
    const silence = button('incident.silence', 'Silence', { fields })
    expect(commandOf(silence, { incident: 'A-17' }, 'en')).toBe('/alerts silence A-17 2h <reason>')
    expect(commandOf(button('release.rollback', 'Roll back'), { incident: 'A-17' }, 'en')).toBeUndefined()
    expect(commandOf(button('release.rollback', 'Roll back'), { incident: 'A-17', release: 'R-3' }, 'en')).toBe(
      '/release rollback R-3',
    )
  })
  test('have keys that say what a press means, whatever their id is', () => {
    for (const id of ['abc', 'a/b:c', '', '中'.repeat(300)]) {
      const token = tokenOf(button('x.y', 'x', { id }))
      expect(readKey(keyFor({ what: 'yes', token }))).toEqual({ what: 'yes', token })
    }
    expect(readKey('yes_')).toBeUndefined()
    expect(readKey('drop_abc')).toBeUndefined()
  })
})

describe('the validator', () => {
  const good = cardOf(message({ buttons: [button('release.approve', 'Approve')] })).card
  test('lets a good card through', () => {
    expect(wrongInCard(good)).toEqual([])
    expect(good.main_title?.title).not.toContain(':')
  })
  const one = { text: 'OK', key: 'k', style: 1 }
  test.each([
    ['a source', { source: { desc: 'x' } }],
    ['a colon in the title', { main_title: { title: 'R-3: x' } }],
    ['a colon in a field', { horizontal_content_list: [{ keyname: 'x', value: '1:2' }] }],
    ['a task id of other characters', { task_id: 'R-3/card' }],
    ['a task id with a colon', { task_id: 'R-3:1' }],
    ['a task id that is too long', { task_id: 'a'.repeat(129) }],
    ['no task id', { task_id: undefined }],
    ['seven buttons', { button_list: Array.from({ length: 7 }, (_, at) => ({ ...one, key: `k${at}` })) }],
    ['no button', { button_list: [] }],
    ['a label of five characters', { button_list: [{ ...one, text: 'Abort' }] }],
    ['a key of 1,025 bytes', { button_list: [{ ...one, key: 'a'.repeat(1025) }] }],
    ['one key twice', { button_list: [one, { ...one, text: 'No' }] }],
    ['seven fields', { horizontal_content_list: Array.from({ length: 7 }, () => ({ keyname: 'x', value: 'y' })) }],
    ['a long text', { sub_title_text: '中'.repeat(113) }],
    ['a long title', { main_title: { title: '中'.repeat(27) } }],
    ['a type of its own', { card_type: 'button' }],
    ['no words at all', { main_title: { title: '' }, sub_title_text: '' }],
  ])('finds %s', (_, change) => {
    expect(wrongInCard({ ...good, ...change })).not.toEqual([])
  })
  test('finds an empty and a long text', () => {
    expect(wrongInMarkdown(' ')).not.toEqual([])
    expect(wrongInMarkdown('中'.repeat(6827))).not.toEqual([])
    expect(wrongInMarkdown('中'.repeat(6826))).toEqual([])
  })
})

test('a task id is new each time, and of the characters that WeCom takes', () => {
  const ids = new Set(Array.from({ length: 50 }, () => newTask('R-3/card:x 中', 4)))
  expect(ids.size).toBe(50)
  for (const id of ids) expect(id).toMatch(/^[0-9A-Za-z_\-@]{1,128}$/)
})

test('a stage is title, tone and buttons; figures beside them are none', () => {
  const before = message({ blocks: [{ type: 'text', text: '3 of 10' }] })
  expect(markOf(message({ blocks: [{ type: 'text', text: '4 of 10' }] }))).toBe(markOf(before))
  expect(markOf(message({ title: 'held' }))).not.toBe(markOf(before))
  expect(markOf(message({ tone: 'bad' }))).not.toBe(markOf(before))
  expect(markOf(message({ buttons: [button('release.retry', 'Retry')] }))).not.toBe(markOf(before))
})

test('a Chinese character is two columns wide', () => {
  expect(widthOf('ab中：')).toBe(6)
})
