import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Field } from '../../src/ports/chat.ts'
import { isDuration, sentOf, startOf, wrongIn } from '../../src/web/components/fields.ts'
import { safeLinks } from '../../src/web/components/links.ts'
import { isReport, partsOf } from '../../src/web/components/report-text.ts'
import { keys, staleAfter } from '../../src/web/keys.ts'
import { ownLabels, readFilter, receiverConfig, sharedLabels, writeFilter } from '../../src/web/views/alerts/filter.ts'
import { incidentOf, releaseOf } from '../../src/web/views/channel/release-of.ts'

describe('the text of a report', () => {
  const report = '【问题概述】\n错误率 8.1 %\n\n【Root cause】: v1.2.0\nafter\n```promql\nrate(x[5m])\n```\nthe end'

  it('is headings, words and code in their order', () => {
    expect(isReport(report)).toBe(true)
    expect(partsOf(report)).toEqual([
      { type: 'heading', text: '问题概述' },
      { type: 'words', text: '错误率 8.1 %' },
      { type: 'heading', text: 'Root cause' },
      { type: 'words', text: 'v1.2.0\nafter' },
      { type: 'code', text: 'rate(x[5m])' },
      { type: 'words', text: 'the end' },
    ])
  })

  it('of ordinary words is no report, though brackets stand in it', () => {
    for (const text of ['Waits for 1 approval', 'see 【this】 there', '【】', `【${'x'.repeat(61)}】`]) {
      expect(isReport(text)).toBe(false)
      expect(partsOf(text)).toEqual([{ type: 'words', text }])
    }
  })

  it('keeps a fence that is never closed as words', () => {
    expect(partsOf('a\n```\nb')).toEqual([
      { type: 'words', text: 'a' },
      { type: 'words', text: '```\nb' },
    ])
  })

  it('loses no word, whatever it holds', () => {
    const line = fc.oneof(fc.constantFrom('【A】', '【B】 c', '```', '```sql', '', '<b>'), fc.string({ maxLength: 12 }))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const written = lines.join('\n').replace(/[\s`【】:：]|sql/g, '')
        const shown = partsOf(lines.join('\n')).map(({ text }) => text)
        expect(shown.join('').replace(/[\s`【】:：]|sql/g, '')).toBe(written)
      }),
    )
  })
})

describe('links', () => {
  it('lead to http and https only, and say to which host', () => {
    const items = [
      { label: 'Graph', url: 'http://prometheus:9090/graph?g0=up#a' },
      { label: 'Runbook', url: 'https://wiki.example.com/x' },
    ]
    expect(safeLinks(items).map(({ host }) => host)).toEqual(['prometheus:9090', 'wiki.example.com'])
  })

  it.each([
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'data:text/html,<script>',
    'file:///etc/passwd',
    'https://github.com@evil.example/',
    'https://user:secret@host/',
    '//evil.example',
    '/audit',
    '',
  ])('do not lead to %s', (url) => {
    expect(safeLinks([{ label: 'x', url }])).toEqual([])
  })

  it('show a name in other letters as what is asked for it', () => {
    expect(safeLinks([{ label: 'x', url: 'https://аpple.com/' }])[0]?.host).toMatch(/^xn--/)
  })
})

describe('the fields of a press', () => {
  const fields: Field[] = [
    { name: 'time', label: 'for how long', kind: 'duration', value: '2h', required: true, most: 20 },
    { name: 'reason', label: 'reason', kind: 'text', required: true, most: 10 },
    { name: 'note', label: 'note', kind: 'text', required: false, most: 10 },
  ]

  it('begin with what is filled in beforehand', () => {
    expect(startOf(fields)).toEqual({ time: '2h', reason: '', note: '' })
  })

  it('are wrong where something is missing, too long or no time', () => {
    expect(wrongIn(fields, { time: '2 hours', reason: '  ' })).toEqual({ time: 'no-duration', reason: 'missing' })
    expect(wrongIn(fields, { time: '', reason: 'x'.repeat(11) })).toEqual({ time: 'missing', reason: 'too-long' })
    expect(wrongIn(fields, { time: '1h30m', reason: 'x'.repeat(10), note: '' })).toEqual({})
  })

  it.each(['30m', '2h', '1h30m', '1d', '90s', '500ms', '0h5m'])('take %s for a time', (text) => {
    expect(isDuration(text)).toBe(true)
  })
  it.each(['', '2', 'h', '2 h', '1.5h', '-2h', '0m', '0h0m', '2w', '2h ', 'ninety minutes'])(
    'do not take "%s" for one',
    (text) => {
      expect(isDuration(text)).toBe(false)
    },
  )

  it('are sent without the blanks around them, each by its name', () => {
    expect(sentOf(fields, { time: ' 2h ', reason: ' deploy \n', other: 'x' })).toEqual({
      time: '2h',
      reason: 'deploy',
      note: '',
    })
  })
})

describe('incidents', () => {
  it('that change make their own page, their alerts and the lists old', () => {
    expect(staleAfter({ kind: 'incident', key: 'A-17' })).toEqual([
      keys.incident('A-17'),
      keys.alerts('A-17'),
      ['incidents'],
    ])
  })

  it('are filtered by what stands in the address, as far as it can be', () => {
    expect(readFilter(new URLSearchParams('state=open&service=user-service'))).toEqual({
      state: 'open',
      service: 'user-service',
    })
    expect(readFilter(new URLSearchParams('state=<b>&service= '))).toEqual({})
    expect(writeFilter({ state: undefined, service: 'a' })).toEqual({ service: 'a' })
  })

  it('are known by the keys of their posts, and releases by theirs', () => {
    expect(incidentOf({ key: 'A-17/card' })).toBe('A-17')
    expect(incidentOf({ key: 'A-17/report/1', thread: 'A-17/card' })).toBe('A-17')
    expect(incidentOf({ key: 'R-1/card' })).toBeUndefined()
    expect(releaseOf({ key: 'A-17/card' })).toBeUndefined()
  })

  it('show of each alert the labels that set it apart', () => {
    const alerts = ['bj-1', 'sh-1'].map((host) => ({ labels: { alertname: 'X', service: 'a', host } }))
    const shared = sharedLabels(alerts)
    expect(ownLabels(alerts[0]?.labels ?? {}, shared)).toEqual([['host', 'bj-1']])
    // Nothing is shared where there is nothing to compare with, and one that has nothing of its own shows all.
    expect(sharedLabels(alerts.slice(0, 1))).toEqual({})
    expect(ownLabels({ alertname: 'X', service: 'a' }, shared)).toEqual([['service', 'a']])
  })

  it('come from a receiver with this console’s address', () => {
    expect(receiverConfig('https://rollcall.example.com')).toContain(
      'url: https://rollcall.example.com/api/v1/alertmanager\n',
    )
  })
})
