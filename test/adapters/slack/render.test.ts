import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../../src/adapters/slack/limits.ts'
import { type Rendered, type RenderOptions, render, renderAnswer } from '../../../src/adapters/slack/render.ts'
import { carriedBy } from '../../../src/adapters/slack/render-buttons.ts'
import { codeParts } from '../../../src/adapters/slack/render-text.ts'
import { literal, unescaped } from '../../../src/adapters/slack/text.ts'
import { wordsIn } from '../../../src/adapters/slack/words.ts'
import type { Block, Button, Message } from '../../../src/ports/chat.ts'
import { checkBlocks } from '../../servers/slack/blocks.ts'

const people: Record<string, string> = { alice: 'U0ALICE', 'bob.b': 'U0BOB' }
const options = (part: Partial<RenderOptions> = {}): RenderOptions => ({
  native: true,
  mention: (person) => (Object.hasOwn(people, person) ? people[person] : undefined),
  picture: () => ({ file: 'F1' }),
  words: wordsIn('en'),
  ...part,
})
const card = (part: Partial<Message> = {}): Message => ({
  title: 'Release R-1',
  tone: 'info',
  blocks: [],
  buttons: [],
  ...part,
})
const one = (block: Block, part: Partial<RenderOptions> = {}) => render(card({ blocks: [block] }), options(part))
const button = (part: Partial<Button> = {}): Button => ({
  id: 'b1',
  action: 'release.approve',
  label: 'Approve',
  style: 'primary',
  ...part,
})

/** Every string that Slack shows, one after the other. */
function textsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(textsOf)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) =>
    typeof each === 'string' ? (['text', 'alt_text', 'title'].includes(key) ? [each] : []) : textsOf(each),
  )
}
/** Characters that a message shows; the questions of buttons are no part of it. */
const visible = (blocks: unknown): number =>
  textsOf(JSON.parse(JSON.stringify(blocks, (key, value) => (key === 'confirm' ? undefined : value)))).join('').length

/** The rows of buttons stand apart: they are below the first message, and the text goes on in the next. */
function shownText({ messages, file }: Rendered): string {
  const all = messages.flatMap(({ blocks }) => blocks)
  const body = all.filter(({ type }) => type !== 'actions')
  if (file !== undefined) body.pop()
  const rest = file?.text.slice(file.text.indexOf('\n\n')) ?? ''
  return [...textsOf(body), rest, ...textsOf(all.filter(({ type }) => type === 'actions'))].join('\n')
}

/** Letters and digits only: what stands between them (signs that look alike, fences, bars, line ends) is form. */
const bare = (text: string): string => unescaped(text).replace(/[^\p{L}\p{N}]/gu, '')

function problems({ messages }: Rendered): string[] {
  return messages.flatMap(({ blocks, text }) => [
    ...checkBlocks(structuredClone(blocks), { surface: 'message', refuseNative: false, picture: () => true }),
    ...(text.trim() === '' ? ['no text'] : []),
    ...(text.length > 4000 ? ['long text'] : []),
  ])
}

describe('a card', () => {
  test('has its title as header, its tone in words, and the text for notifications', () => {
    const { messages } = one({ type: 'text', text: 'web-1 waits' })
    expect(messages).toHaveLength(1)
    expect(messages[0].text).toBe('Release R-1\nweb-1 waits')
    expect(messages[0].blocks.map(({ type }) => type)).toEqual(['header', 'context', 'section'])
    expect(textsOf(messages[0].blocks[1])).toEqual(['🔵 For information'])
  })

  test('is in Chinese where the surface is', () => {
    const { messages } = render(
      card({ tone: 'bad', buttons: [button({ confirm: 'Sure?' })] }),
      options({ words: wordsIn('zh') }),
    )
    expect(JSON.stringify(messages)).toContain('🔴 出现问题')
    expect(JSON.stringify(messages)).toContain('取消')
  })

  test('shows label and value beside each other, five to a section', () => {
    const items = Array.from({ length: 7 }, (_, at) => ({ label: `L${at}`, value: at === 3 ? '' : `v${at}` }))
    const { messages } = one({ type: 'fields', items })
    const fields = messages[0].blocks.flatMap((block) => (block.type === 'section' ? [block.fields ?? []] : []))
    expect(fields.map(({ length }) => length)).toEqual([10, 4])
    expect(textsOf(fields).slice(0, 8)).toEqual(['*L0*', 'v0', '*L1*', 'v1', '*L2*', 'v2', '*L3*', '—'])
  })

  test('cuts a long title with a mark and shows it whole below', () => {
    const title = 'x '.repeat(200)
    const rendered = render(card({ title }), options())
    expect(textsOf(rendered.messages[0].blocks[0])[0]).toMatch(/…$/)
    expect(bare(shownText(rendered))).toContain(bare(title))
    expect(problems(rendered)).toEqual([])
  })
})

describe('text from outside stays text', () => {
  const tricks = [
    '<!channel>',
    '<@U0EVIL>',
    '<http://evil.test|your bank>',
    '*bold*',
    '_it_',
    '~no~',
    '`code`',
    '> quote',
    '&amp;',
  ]

  test.each(tricks)('%s in every place', (trick) => {
    const blocks: Block[] = [
      { type: 'text', text: `a ${trick} b` },
      { type: 'text', text: `${trick} says @alice` },
      { type: 'fields', items: [{ label: trick, value: trick }] },
      { type: 'progress', items: [{ label: trick, done: 1, total: 2, note: trick }] },
      { type: 'table', caption: trick, columns: [trick], rows: [[trick]] },
      { type: 'code', text: trick },
      { type: 'links', items: [{ label: trick, url: 'https://good.test/' }] },
      { type: 'picture', id: 'p', alt: trick, width: 1, height: 1 },
    ]
    for (const native of [true, false]) {
      const rendered = render(
        card({ title: trick, blocks, buttons: [button({ label: trick, confirm: trick })] }),
        options({ native }),
      )
      for (const { blocks: shown, text } of rendered.messages) {
        // No form of a text may call anybody, whoever reads it.
        expect(textsOf(shown).join('\n')).not.toMatch(/<(!|@U0EVIL|http:)/)
        const marked = [...markedOf(shown), text]
        // Of all tags, those that we made ourselves are left.
        const tags = marked.join('\n').match(/<[^>]*>/g) ?? []
        expect(tags.filter((tag) => tag !== '<@U0ALICE>' && !tag.startsWith('<https://good.test/|'))).toEqual([])
        for (const each of markedOf(shown).filter((piece) => !piece.startsWith('```'))) {
          const inside = each.replace(/^\*|\*$/g, '')
          expect(inside).not.toMatch(/(^|\s)[*_~`]\S/)
          expect(inside).not.toMatch(/^&gt;/m)
        }
      }
    }
  })

  /** Texts that Slack reads formatting in. */
  function markedOf(value: unknown): string[] {
    if (Array.isArray(value)) return value.flatMap(markedOf)
    if (typeof value !== 'object' || value === null) return []
    if ('type' in value && value.type === 'mrkdwn' && 'text' in value) return [String(value.text)]
    return Object.values(value).flatMap(markedOf)
  }

  test('plain text shows no emoji and is escaped', () => {
    const [block] = one({ type: 'text', text: 'a < b :boom: & c' }).messages[0].blocks.slice(-1)
    expect(block).toEqual({
      type: 'section',
      text: { type: 'plain_text', text: 'a &lt; b :boom: &amp; c', emoji: false },
    })
  })

  test('nothing within code ends it, and nothing else is code', () => {
    const text = fc.array(fc.constantFrom('`', '``', '```', '`````', '\n', 'a', ' ', '*', '<!channel>'), {
      maxLength: 40,
    })
    fc.assert(
      fc.property(text, (some) => {
        for (const { block } of codeParts(`a${some.join('')}`)) {
          const [all = ''] = textsOf(block)
          expect(all.slice(0, 4)).toBe('```\n')
          expect(all.slice(-4)).toBe('\n```')
          expect(all.slice(4, -4)).not.toMatch(/``|`$/)
        }
        expect(literal(some.join(''))).not.toContain('`')
      }),
    )
    for (const { block } of codeParts('`'.repeat(7000))) expect(textsOf(block)[0]?.slice(4, -4)).not.toContain('``')
  })

  test('a fence within code does not end it', () => {
    const [block] = one({ type: 'code', text: 'a\n```\n<!here>' }).messages[0].blocks.slice(-1)
    const [text = ''] = textsOf(block)
    expect(text.match(/```/g)).toHaveLength(2)
    expect(text).toContain('&lt;!here&gt;')
  })

  test.each(['javascript:alert(1)', 'https://x.test/>|<!channel>', 'data:text/html,x'])('%s makes no tag', (url) => {
    const texts = textsOf(one({ type: 'links', items: [{ label: 'l', url }] }).messages[0].blocks.slice(-1)).join('')
    expect(texts).not.toContain('<!channel>')
    expect(texts.match(/<[^>]*>/g) ?? []).toHaveLength(url.startsWith('https') ? 1 : 0)
  })
})

describe('mentions', () => {
  const textOf = (text: string) => textsOf(one({ type: 'text', text }).messages[0].blocks.slice(-1))[0]

  test.each([
    ['approved by @alice.', 'approved by <@U0ALICE>.'],
    ['@alice, @bob.b: now', '<@U0ALICE>, <@U0BOB>: now'],
    ['@nobody and a@alice', '@nobody and a@alice'],
    ['@alicexy', '@alicexy'],
  ])('%s -> %s', (text, shown) => expect(textOf(text)).toBe(shown))

  test('stand in fields, and in the text of the notification', () => {
    const { messages } = one({ type: 'fields', items: [{ label: 'By', value: '@alice' }] })
    expect(JSON.stringify(messages[0].blocks)).toContain('<@U0ALICE>')
    expect(messages[0].text).toContain('By: <@U0ALICE>')
  })

  test('what a configuration says is an id of Slack only when it looks like one', () => {
    const rendered = render(card({ blocks: [{ type: 'text', text: '@eve' }] }), options({ mention: () => '!channel' }))
    expect(shownText(rendered)).not.toContain('<!channel>')
  })
})

describe('tables', () => {
  const table = (rows: number, columns = 2, cell = 'x'): Block => ({
    type: 'table',
    caption: 'Hosts',
    columns: Array.from({ length: columns }, (_, at) => `c${at}`),
    rows: Array.from({ length: rows }, (_, at) => Array.from({ length: columns }, () => `${cell}${at}`)),
  })

  test('one is Slack’s own, with blanks for empty cells and all cells in every row', () => {
    const { messages } = one({ type: 'table', columns: ['a', 'b'], rows: [['1', ''], ['2']] })
    expect(messages[0].blocks.at(-1)).toEqual({
      type: 'table',
      rows: [
        [
          { type: 'raw_text', text: 'a' },
          { type: 'raw_text', text: 'b' },
        ],
        [
          { type: 'raw_text', text: '1' },
          { type: 'raw_text', text: ' ' },
        ],
        [
          { type: 'raw_text', text: '2' },
          { type: 'raw_text', text: ' ' },
        ],
      ],
      column_settings: [{ is_wrapped: true }, { is_wrapped: true }],
    })
  })

  test('a second one in the same message is code, as Slack takes one only', () => {
    const rendered = render(card({ blocks: [table(2), table(3, 2, 'y')] }), options())
    expect(rendered.messages).toHaveLength(1)
    expect(rendered.messages[0].blocks.map(({ type }) => type)).toEqual([
      'header',
      'context',
      'section',
      'table',
      'section',
      'section',
    ])
    expect(problems(rendered)).toEqual([])
  })

  test.each([
    ['100 rows with its head', 99, 2, true],
    ['more rows', 100, 2, false],
    ['20 columns', 3, 20, true],
    ['more columns', 3, 21, false],
    ['no rows', 0, 2, false],
  ])('%s: Slack’s own %s', (_, rows, columns, own) => {
    const rendered = render(card({ blocks: [table(rows, columns)] }), options())
    expect(rendered.messages[0].blocks.some(({ type }) => type === 'table')).toBe(own)
    expect(problems(rendered)).toEqual([])
  })

  test('without native blocks columns are aligned in code, East Asian characters counted twice', () => {
    const block: Block = {
      type: 'table',
      columns: ['host', 'state'],
      rows: [
        ['北京', 'ok'],
        ['web-1', 'held'],
      ],
    }
    const [text] = textsOf(one(block, { native: false }).messages[0].blocks.slice(-1))
    expect(text).toBe('```\nhost   state\n北京   ok\nweb-1  held\n```')
  })

  test('what is too wide is shown row by row with the names of its columns', () => {
    const block: Block = { type: 'table', columns: ['host', 'why'], rows: [['web-1', 'y'.repeat(200)]] }
    expect(textsOf(one(block, { native: false }).messages[0].blocks.slice(-1))).toEqual([
      `host: web-1 · why: ${'y'.repeat(200)}`,
    ])
  })
})

describe('progress', () => {
  const items = [
    { label: 'batch 1', done: 2, total: 2, note: '' },
    { label: 'batch 2', done: 1, total: 2, note: '5 min left' },
    { label: 'batch 3', done: 0, total: 0, note: '' },
  ]
  test('is a plan whose tasks have states', () => {
    const plan = one({ type: 'progress', items }).messages[0].blocks.at(-1)
    expect(plan).toMatchObject({
      type: 'plan',
      title: 'Progress',
      tasks: [
        { title: 'batch 1 2/2', status: 'complete' },
        { title: 'batch 2 1/2 5 min left', status: 'in_progress' },
        { title: 'batch 3 0/0', status: 'pending' },
      ],
    })
  })
  test('is bars where Slack’s own blocks are not wanted', () => {
    const [text = ''] = textsOf(one({ type: 'progress', items }, { native: false }).messages[0].blocks.slice(-1))
    expect(text).toContain('batch 2 █████░░░░░ 1/2 5 min left')
  })
})

describe('buttons', () => {
  const shown = (buttons: Button[], part: Partial<RenderOptions> = {}) =>
    render(card({ buttons }), options(part)).messages.flatMap(({ blocks }) =>
      blocks.flatMap((block) => (block.type === 'actions' ? [block.elements] : [])),
    )

  test('stand in rows of at most 25, with ids that differ', () => {
    const rows = shown(Array.from({ length: 60 }, (_, at) => button({ id: `b${at}` })))
    expect(rows.map(({ length }) => length)).toEqual([25, 25, 10])
    expect(new Set(rows.flat().map((each) => ('action_id' in each ? each.action_id : ''))).size).toBe(60)
  })

  test('ask with Slack’s dialog; a question that is too long for it stands above in full', () => {
    const confirm = 'Why? '.repeat(100)
    const rendered = render(card({ buttons: [button({ confirm })] }), options())
    expect(problems(rendered)).toEqual([])
    expect(bare(shownText(rendered))).toContain(bare(confirm))
    const [element] = shown([button({ confirm: 'Approve it?', label: 'L'.repeat(90) })]).flat()
    expect(element).toMatchObject({ confirm: { text: { text: 'Approve it?' } }, style: 'primary' })
  })

  test('carry their id and what they ask for, and come back as they were', () => {
    const fields = [
      { name: 'why', label: 'Why <& "so"?', kind: 'text' as const, required: true, most: 200, value: 'x' },
    ]
    const [element] = shown([button({ id: 'R-1/<&>', fields })]).flat()
    const value = element !== undefined && 'value' in element ? element.value : undefined
    expect(value).not.toMatch(/[<>&]/)
    expect(carriedBy(value)).toEqual({ button: 'R-1/<&>', label: 'Approve', fields })
    expect(carriedBy('nonsense')).toBeUndefined()
    expect(carriedBy(undefined)).toBeUndefined()
  })

  test('leave out what is filled in beforehand when it would not fit', () => {
    const fields = Array.from({ length: 4 }, (_, at) => ({
      name: `f${at}`,
      label: 'l'.repeat(30),
      kind: 'text' as const,
      required: true,
      most: 2000,
      value: 'v'.repeat(900),
    }))
    const [element] = shown([button({ fields })]).flat()
    const value = element !== undefined && 'value' in element ? (element.value ?? '') : ''
    expect(value.length).toBeLessThanOrEqual(LIMITS.buttonValue)
    expect(carriedBy(value)?.fields.map(({ name, value: given }) => [name, given])).toEqual(
      fields.map(({ name }) => [name, undefined]),
    )
  })
})

describe('what is long', () => {
  test('goes on in further messages, the buttons below the first', () => {
    const text = Array.from({ length: 700 }, (_, at) => `line ${at} of a long report`).join('\n')
    const rendered = render(card({ blocks: [{ type: 'text', text }], buttons: [button()] }), options())
    expect(rendered.messages.length).toBeGreaterThan(1)
    expect(rendered.messages[0].blocks.at(-1)?.type).toBe('actions')
    expect(rendered.messages[1]?.text).toBe(`Release R-1 (2/${rendered.messages.length})`)
    expect(rendered.file).toBeUndefined()
    expect(bare(shownText(rendered)).includes(bare(text))).toBe(true)
  })

  test('never has more than 10,000 characters in one message, of which Slack was seen to refuse 11,341', () => {
    const line = 'a < b & c'.repeat(20)
    const message = card({
      blocks: [
        { type: 'text', text: `${line}\n`.repeat(200) },
        { type: 'fields', items: Array.from({ length: 30 }, () => ({ label: 'x', value: line })) },
      ],
      buttons: [button()],
    })
    const { messages } = renderAnswer(`${line}\n`.repeat(60), message, options())
    const sizes = messages.map(({ blocks }) => visible(blocks))
    expect(sizes.length).toBeGreaterThan(2)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000)
  })

  test('holds for the questions of many buttons too, which all stand somewhere', () => {
    const buttons = Array.from({ length: 12 }, (_, at) =>
      button({ id: `b${at}`, confirm: `${at} ${'sure? '.repeat(400)}` }),
    )
    const { messages } = render(card({ buttons }), options())
    expect(Math.max(...messages.map(({ blocks }) => visible(blocks)))).toBeLessThanOrEqual(10_000)
    expect(messages[0].blocks.filter(({ type }) => type === 'actions')).toHaveLength(1)
    const all = messages.flatMap(({ blocks }) => textsOf(blocks)).join('\n')
    expect(buttons.filter((_, at) => !all.includes(`Approve: ${at} sure?`))).toEqual([])
  })

  test('is attached as a file beyond that, with a line that says so', () => {
    const text = Array.from({ length: 6000 }, (_, at) => `line ${at} of a very long report`).join('\n')
    const rendered = render(card({ blocks: [{ type: 'code', text }] }), options())
    expect(rendered.messages).toHaveLength(LIMITS.messages)
    expect(textsOf(rendered.messages.at(-1)?.blocks.at(-1))).toEqual([
      'This is longer than Slack shows: the rest is in the attached file.',
    ])
    expect(rendered.file?.text).toContain('line 5999 of a very long report')
    expect(bare(shownText(rendered))).toContain('line0of')
    expect(problems(rendered)).toEqual([])
  })

  test('characters of two halves are not cut apart', () => {
    const rendered = one({ type: 'text', text: '🚀'.repeat(5000) })
    expect(rendered.messages.flatMap(({ blocks }) => textsOf(blocks)).every((each) => each.isWellFormed())).toBe(true)
  })
})

describe('pictures', () => {
  const block: Block = { type: 'picture', id: 'p1', alt: 'error rate', width: 10, height: 10 }
  test('are image blocks of an uploaded file', () =>
    expect(one(block).messages[0].blocks.at(-1)).toEqual({
      type: 'image',
      slack_file: { id: 'F1' },
      alt_text: 'error rate',
    }))
  test('are named where they stand in the thread, or are no longer kept', () => {
    expect(shownText(one(block, { picture: () => 'thread' }))).toContain('🖼 [error rate]')
    expect(shownText(one(block, { picture: () => undefined }))).toContain(
      '[error rate] This picture is no longer kept.',
    )
  })
})

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ maxLength: 400 }),
  fc.constantFrom(
    '<!channel> & co',
    '@alice and *b*',
    '```',
    'x'.repeat(3500),
    '<&>'.repeat(900),
    'word '.repeat(1500),
    '测试'.repeat(1600),
    '',
  ),
)
const anyBlock: fc.Arbitrary<Block> = fc.oneof(
  fc.record({ type: fc.constant('text' as const), text: anyText }),
  fc.record({ type: fc.constant('code' as const), text: anyText }),
  fc.record({
    type: fc.constant('fields' as const),
    items: fc.array(fc.record({ label: anyText, value: anyText }), { maxLength: 14 }),
  }),
  fc
    .record({
      columns: fc.array(anyText, { maxLength: 24 }),
      count: fc.integer({ min: 0, max: 130 }),
      cell: anyText,
      caption: fc.option(anyText, { nil: undefined }),
    })
    .map(({ columns, count, cell, caption }) => ({
      type: 'table' as const,
      ...(caption === undefined ? {} : { caption }),
      columns,
      rows: Array.from({ length: count }, () => columns.map(() => cell.slice(0, 50))),
    })),
  fc.record({
    type: fc.constant('progress' as const),
    items: fc.array(fc.record({ label: anyText, done: fc.nat(9), total: fc.nat(9), note: anyText }), { maxLength: 60 }),
  }),
  fc.record({
    type: fc.constant('links' as const),
    items: fc.array(fc.record({ label: anyText, url: fc.oneof(fc.webUrl(), anyText) }), { maxLength: 8 }),
  }),
  fc.record({
    type: fc.constant('picture' as const),
    id: fc.string(),
    alt: anyText,
    width: fc.nat(),
    height: fc.nat(),
  }),
)
const anyButton: fc.Arbitrary<Button> = fc.record(
  {
    id: fc.string({ minLength: 1, maxLength: 200 }),
    action: fc.string({ minLength: 1, maxLength: 300 }),
    label: anyText,
    style: fc.constantFrom('primary' as const, 'danger' as const, 'plain' as const),
    confirm: anyText,
    fields: fc.array(
      fc.record({
        name: fc.string({ maxLength: 20 }),
        label: anyText,
        kind: fc.constant('text' as const),
        required: fc.boolean(),
        most: fc.nat(3000),
        value: anyText,
      }),
      { maxLength: 4 },
    ),
  },
  { requiredKeys: ['id', 'action', 'label', 'style'] },
)

test('any message is within every limit and holds all of its text', () => {
  const anyMessage: fc.Arbitrary<Message> = fc.record({
    title: anyText,
    tone: fc.constantFrom('plain', 'info', 'good', 'warn', 'bad'),
    blocks: fc.array(anyBlock, { maxLength: 9 }),
    buttons: fc.array(anyButton, { maxLength: 30 }),
  })
  fc.assert(
    fc.property(anyMessage, fc.boolean(), (message, native) => {
      const rendered = render(message, options({ native }))
      expect(problems(rendered)).toEqual([])
      expect(Math.max(...rendered.messages.map(({ blocks }) => visible(blocks)))).toBeLessThanOrEqual(10_000)
      const shown = bare(
        shownText(render({ ...message, buttons: [] }, options({ native })))
          .replace(/<@U0[A-Z]+>/g, (user) => (user === '<@U0ALICE>' ? '@alice' : '@bob.b'))
          .replace(/<https?:[^|>]*\|/g, ''),
      )
      expect(saidBy(message).filter((said) => !shown.includes(bare(said)))).toEqual([])
    }),
    { numRuns: 60 },
  )
}, 60_000)

function saidBy({ title, blocks }: Message): string[] {
  return [title, ...blocks.flatMap(saidByBlock)]
}

function saidByBlock(block: Block): string[] {
  switch (block.type) {
    case 'text':
    case 'code':
      return [block.text]
    case 'fields':
      return block.items.flatMap(({ label, value }) => [label, value])
    case 'table':
      return [block.caption ?? '', ...(block.rows.length === 0 ? [] : block.columns), ...block.rows.flat()]
    case 'progress':
      return block.items.flatMap(({ label, note }) => [label, note])
    case 'links':
      return block.items.map(({ label }) => label)
    case 'picture':
      return [block.alt]
  }
}
