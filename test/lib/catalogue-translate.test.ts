import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile, type Kind, matchTemplate } from '../../src/lib/catalogue/template.ts'
import { translate } from '../../src/lib/catalogue/translate.ts'
import { zh } from '../../src/lib/catalogue/zh.ts'

/** A value of each kind, in English and in Chinese. */
const SAMPLES: Record<Kind, [string, string]> = {
  '': ['Xyzzy one', 'Xyzzy one'],
  '^': ['xyzzy-1', 'xyzzy-1'],
  '~': ['xy-1, xy-2', 'xy-1, xy-2'],
  '#': ['7', '7'],
  '%': ['8.1 %', '8.1 %'],
  '"': ['"xyzzy"', '"xyzzy"'],
  '@': ['1 h 5 min', '1 小时 5 分钟'],
  '*': ['xyzzy two', 'xyzzy two'],
  '!': ['failed', '失败'],
  _: ['', ''],
}

interface Form {
  key: string
  chinese: string
  literals: string[]
  slots: { name: string; kind: Kind }[]
}
const forms: Form[] = Object.entries(zh).flatMap(([key, chinese]) =>
  compile(key).map(({ literals, slots }) => ({ key, chinese, literals, slots })),
)

const write = ({ literals, slots }: Form, value: (kind: Kind, index: number) => string): string =>
  literals.map((literal, i) => `${literal}${slots[i] === undefined ? '' : value(slots[i].kind, i)}`).join('')

describe('every entry of the catalogue', () => {
  test('is found by what the code makes of it, and shadowed by no other', () => {
    const wrong = forms.flatMap((form) => {
      const english = write(form, (kind) => SAMPLES[kind][0])
      const values = new Map(form.slots.map(({ name, kind }) => [name, SAMPLES[kind][1]]))
      const expected = form.chinese.replace(/\{([A-Za-z][A-Za-z0-9]*)\}/g, (_, name: string) => values.get(name) ?? '')
      const found = translate(english, 'zh')
      // Without any word of ours its form proves nothing.
      const bare = !/[A-Za-z]{2}/.test(form.literals.join(' ')) && !form.slots.some(({ kind }) => kind === '!')
      return found === expected || bare ? [] : [{ english, found, expected }]
    })
    expect(wrong).toEqual([])
  })

  test('leaves arbitrary values in their places unchanged', () => {
    const open = forms.filter(({ slots }) => slots.some(({ kind }) => kind === '' || kind === '^'))
    // A full stop at the end of everything may be the sentence's own.
    const value = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter((text) => !/[\r\n]|\.$/.test(text))
    fc.assert(
      fc.property(fc.constantFrom(...open), fc.array(value, { minLength: 8, maxLength: 8 }), (form, values) => {
        const put = (kind: Kind, i: number): string => {
          const text = values[i] ?? 'x'
          if (kind === '') return text
          return kind === '^' ? text.replace(/\s/g, '') || 'x' : SAMPLES[kind][0]
        }
        const found = translate(write(form, put), 'zh')
        for (const [i, { kind }] of form.slots.entries())
          if (kind === '' || kind === '^') expect(found).toContain(put(kind, i))
      }),
      { numRuns: 2000 },
    )
  })

  test('leaves values that are sentences of ours unchanged where a name stands', () => {
    for (const name of ['Going on.', 'held', 'Held: failed', 'Did you mean R-1?', '2 healthy, 1 failed']) {
      expect(translate(`Another process keeps ${name} busy.`, 'zh')).toBe(`另一个进程占用着 ${name}。`)
      expect(translate(`There is no service ${JSON.stringify(name)}.`, 'zh')).toBe(`没有服务 ${JSON.stringify(name)}。`)
    }
    expect(translate('R-1 was approved already by {id}.', 'zh')).toBe('R-1 已由 {id} 批准。')
  })
})

describe('text from outside', () => {
  const output = [
    'Error: listen EADDRINUSE: address already in use :::8080',
    '    at Server.setupListenHandle [as _listen2] (node:net:1817:16)',
    'level=info ts=2026-01-01T00:00:00Z caller=main.go:120 msg="Server is ready to receive web requests."',
    '{"level":"error","msg":"dial tcp 10.0.0.1:5432: connect: connection refused"}',
    'npm warn deprecated glob@7.2.3: Glob versions prior to v9 are no longer supported',
    'tar: ./bin/start: Cannot open: No space left on device; exiting now',
    'Job for user-service.service failed because the control process exited with error code. See "systemctl status".',
    'error; warning; failed',
    'pass, fail, error',
    'web-1: ok, web-2: ok, web-3: not ok',
    'the gate is closed: nobody may pass; come back later. Next: the station',
    'Next stop: Paris',
    '部署失败：磁盘已满',
    '',
    '   ',
  ]

  test.each(output)('is returned as it is: %s', (text) => {
    expect(translate(text, 'zh')).toBe(text)
  })

  test('of arbitrary signs and words is returned as it is', () => {
    const word = fc.constantFrom(
      'foo',
      'bar.',
      'qux;',
      'x:',
      '(y)',
      '{z}',
      '{why*}',
      '3',
      '"q"',
      '$1',
      '&',
      '\n',
      'Ärger',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(word).map((all) => all.join(' ')),
        ),
        (text) => {
          expect(translate(text, 'zh')).toBe(text)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('makes no template try more than a few dozen places', () => {
    const budget = { left: 1_000_000 }
    for (const key of ['{a#} x {b#} x {c#} x {d#}', '{a} x {b} x {c!}', '{a#}{b#}{c#}{d!}']) {
      const [template] = compile(key)
      expect(template && matchTemplate(template, ' x 1'.repeat(1000), () => false, budget)).toBeUndefined()
    }
    expect(budget.left).toBeGreaterThan(999_800)
  })

  test('never takes long, not even 4 kB made of pieces of our own sentences', { timeout: 60_000 }, () => {
    const pieces = [...new Set(forms.flatMap(({ literals }) => literals))].filter((literal) => literal !== '')
    const glue = fc.constantFrom('', ' ', '. ', '; ', ', ', ': ', ' Next: ', ' and ', ' of ', '"', ' on ')
    const made = fc.array(fc.tuple(fc.constantFrom(...pieces, 'a', '1', 'failed'), glue), {
      minLength: 50,
      maxLength: 700,
    })
    const repeated = fc.tuple(fc.constantFrom(...pieces), glue).map(([a, b]) => `${a}${b}`.repeat(4096))
    let worst = 0
    fc.assert(
      fc.property(
        fc.oneof(
          made.map((parts) => parts.flat().join('')),
          repeated,
        ),
        (text) => {
          const begun = performance.now()
          translate(text.slice(0, 4096), 'zh')
          worst = Math.max(worst, performance.now() - begun)
        },
      ),
      { numRuns: 300 },
    )
    if (process.env.ROLLCALL_FIGURES) console.log({ worst })
    // A busy machine may stop us for a while; without a bound it would be minutes.
    expect(worst).toBeLessThan(1000)
  })
})

describe('what stands together', () => {
  test('sentences, clauses and lists are translated one by one, with what is not ours between them', () => {
    expect(translate('Going on. Some words of a host. Rolling back.', 'zh')).toBe(
      '继续发布。 Some words of a host. 正在回滚。',
    )
    expect(translate('web-1: exit code 3; web-2: Killed; web-3: exit code 1', 'zh')).toBe(
      'web-1：退出码 3; web-2: Killed; web-3：退出码 1',
    )
    expect(translate('2 healthy, 1 failed', 'zh')).toBe('2 健康，1 失败')
  })

  test('a list of hosts says how many more there are', () => {
    expect(translate('Batch 2: v2 is on a, b, c, d, e and 5 more', 'zh')).toBe(
      '第 2 批：v2 已部署到 a, b, c, d, e 等，另有 5 个',
    )
  })

  test('lines are translated one by one and keep their indentation', () => {
    expect(translate('Going on.\n  Rolling back.\n\tfoo', 'zh')).toBe('继续发布。\n  正在回滚。\n\tfoo')
  })

  test('English stays English', () => {
    for (const key of Object.keys(zh)) expect(translate(key, 'en')).toBe(key)
  })
})
