import pico from 'picocolors'
import { describe, expect, test } from 'vitest'
import { renderMessage } from '../../src/adapters/terminal/render.ts'
import type { Alert } from '../../src/incident/alert.ts'
import { type CardParts, card, headline, measured } from '../../src/incident/card.ts'
import type { Block } from '../../src/ports/chat.ts'
import { aRelease } from '../fakes/release.ts'
import { anAlert, anEpisode, anIncident, T0 } from './thread-kit.ts'

const now = new Date('2026-01-01T00:10:00.000Z')
const draw = (more: Partial<CardParts> = {}) =>
  card({ incident: anIncident(), episodes: [anEpisode()], release: undefined, now, buttons: [], ...more })
const block = <T extends Block['type']>(blocks: Block[], type: T, at = 0) =>
  blocks.filter((each): each is Extract<Block, { type: T }> => each.type === type)[at]
const field = (blocks: Block[], label: string) =>
  blocks.flatMap((each) => (each.type === 'fields' ? each.items : [])).find((item) => item.label === label)?.value
const callback = {
  key: 'k',
  desc: 'too slow',
  needHandle: true,
  isEmergent: false,
  repoAddress: '',
  tag: '',
  severity: 'P1',
}
const joined = {
  id: 'R-7',
  service: 'user-service',
  candidate: 'v1.1.0',
  current: 'v1.0.0',
  planHash: 'c',
  batch: 1,
  approvedBy: ['bob', 'carol'],
  upgraded: ['bj-1'],
  others: ['sh-2'],
  held: true,
}

describe('the card says where the incident stands', () => {
  const resolved = { state: { at: 'resolved' as const, when: '2026-01-01T00:07:00.000Z' }, firing: 0, resolved: 1 }
  test.each([
    ['that nobody has taken it', {}, 'bad', /^Fires, and nobody has acknowledged it\.$/],
    ['who has taken it', { acknowledged: { by: 'bob', when: T0 } }, 'warn', /^Fires; acknowledged by bob at /],
    ['how long it lasted', resolved, 'good', /^Resolved at .*, after 7 min\.$/],
    [
      'until when it is silenced, by whom and why',
      { silences: [{ id: 's', by: 'bob', until: '2026-01-01T01:00:00.000Z', reason: 'known' }] },
      'bad',
      /Silenced until .* by bob: known/,
    ],
    [
      'nothing of a silence that is over',
      { silences: [{ id: 's', by: 'bob', until: T0, reason: 'known' }] },
      'bad',
      /^Fires, and nobody/,
    ],
    ['that a release was held', { release: joined }, 'bad', /R-7 was held for it\./],
    [
      'what became of the rollback',
      { release: joined, outcome: { at: 'recovered' as const, when: T0, why: 'errors 0.1 %' } },
      'bad',
      /Recovered after R-7 was rolled back: errors 0\.1 %/,
    ],
  ])('%s', (_name, more, tone, text) => {
    const incident = anIncident(more)
    expect(headline(incident, [anEpisode()], now)).toMatch(text)
    expect(draw({ incident }).tone).toBe(tone)
  })
})

describe('the card says what the source said, and no more', () => {
  test.each([
    ['the usual annotation', { annotations: { value: '42' } }, '42'],
    ['another spelling', { annotations: { current_value: '43' } }, '43'],
    ['the number of the callback', { annotations: {}, callback: { ...callback, values: 0.25 } }, '0.25'],
    ['the annotation before the callback', { annotations: { value: 'a' }, callback: { ...callback, values: 1 } }, 'a'],
    ['nothing when there is none', { annotations: { summary: 'value is 3' } }, undefined],
  ])('%s as the value', (_name, more, value) => {
    expect(measured(anAlert(more))).toBe(value)
  })

  test('long texts are cut, and what is not http is no link', () => {
    const episode = anEpisode({
      annotations: { summary: 'x'.repeat(500), description: 'y'.repeat(5000), runbook_url: 'javascript:alert(1)' },
      generatorUrl: 'ftp://a',
    })
    const { blocks } = draw({
      episodes: [episode],
      incident: anIncident({ group: { ...anIncident().group, externalUrl: undefined } }),
    })
    expect(block(blocks, 'links')).toBeUndefined()
    expect(block(blocks, 'text', 1)?.text.length).toBeLessThanOrEqual(1301)
  })

  test('graph, source, runbook and repository are links', () => {
    const episode = anEpisode({
      annotations: { runbook_url: 'https://wiki/run' },
      callback: { ...callback, repoAddress: 'https://git/x' },
    })
    expect(block(draw({ episodes: [episode] }).blocks, 'links')?.items).toEqual([
      { label: 'Graph', url: 'http://prometheus:9090/graph?g0.expr=x' },
      { label: 'Source', url: 'http://alertmanager:9093' },
      { label: 'Runbook', url: 'https://wiki/run' },
      { label: 'Repository', url: 'https://git/x' },
    ])
  })

  test('what the source left out is counted', () => {
    expect(field(draw({ incident: anIncident({ truncated: 12 }) }).blocks, 'left out by the source')).toBe('12')
    expect(field(draw().blocks, 'left out by the source')).toBeUndefined()
  })

  test('ten alerts are shown, firing ones first, and where the others are', () => {
    const episodes = Array.from({ length: 25 }, (_, n) =>
      anEpisode({
        fingerprint: `f${n}`,
        startsAt: new Date(Date.parse(T0) + n * 1000).toISOString(),
        status: n < 20 ? 'resolved' : 'firing',
        labels: { ...anAlert().labels, instance: `host-${n}` },
      }),
    )
    const { blocks } = draw({ episodes })
    const table = block(blocks, 'table')
    expect(table?.rows.map(([name]) => name)).toEqual([20, 21, 22, 23, 24, 0, 1, 2, 3, 4].map((n) => `host-${n}`))
    expect(table?.rows.map(([, state]) => state)).toEqual([...Array(5).fill('firing'), ...Array(5).fill('resolved')])
    expect(JSON.stringify(blocks)).toContain('and 15 more: /alerts A-1 --all')
  })

  const names = ({ labels }: Pick<Alert, 'labels'>) => ({
    ...(labels.instance === '127.0.0.1:26162' ? { host: 'gpu-3' } : {}),
    ...(labels.service === undefined ? {} : { service: labels.service }),
  })
  const rowsOf = (...labels: Record<string, string>[]) => {
    const episodes = labels.map((each, n) =>
      anEpisode({ fingerprint: `f${n}`, labels: { alertname: 'Down', ...each } }),
    )
    return block(draw({ episodes, names }).blocks, 'table')
  }

  test.each([
    ['the configured host', { instance: '127.0.0.1:26162', host: 'other' }, 'gpu-3'],
    ['the host', { instance: '10.0.0.9:1', hostname: 'b', host: 'a' }, 'a'],
    ['the host name', { instance: '10.0.0.9:1', hostname: 'b' }, 'b'],
    ['the instance', { instance: '10.0.0.9:1' }, '10.0.0.9:1'],
    ['itself, when it names none', {}, 'Down'],
  ])('a row is named by %s, alone and among others', (_name, labels, expected) => {
    expect(rowsOf(labels)?.rows[0]?.[0]).toBe(expected)
    if (expected !== 'Down') expect(rowsOf(labels, { instance: 'z' })?.rows[0]?.[0]).toBe(expected)
  })

  test('alerts of several services name theirs, and so does the title', () => {
    const table = rowsOf({ service: 'user-service', host: 'a' }, { service: 'gateway', host: 'b' })
    expect(table?.columns).toEqual(['alert', 'service', 'state', 'since', 'value'])
    expect(table?.rows.map(([name, service]) => `${name} ${service}`)).toEqual(['a user-service', 'b gateway'])
    expect(
      rowsOf({ service: 'user-service', host: 'a' }, { service: 'user-service', host: 'b' })?.columns,
    ).toHaveLength(4)
    const incident = anIncident({ title: '3 alerts', service: 'gateway', services: ['user-service', 'gateway'] })
    expect(draw({ incident }).title).toBe('A-1 3 alerts: user-service, gateway')
    expect(field(draw({ incident }).blocks, 'service')).toBe('user-service, gateway')
  })

  test('every row has a name of its own', () => {
    const labels = { alertname: 'Same', service: 's' }
    const episodes = ['a', 'b', 'c'].map((fingerprint) => anEpisode({ fingerprint, labels }))
    const names = block(draw({ episodes }).blocks, 'table')?.rows.map(([name]) => name) ?? []
    expect(new Set(names).size).toBe(3)
  })

  test('escape sequences from outside do not reach a terminal', () => {
    const episode = anEpisode({
      annotations: { summary: '\u001b[2J gone' },
      labels: { alertname: '\u001b]0;x', instance: 'a' },
    })
    const lines = renderMessage(
      draw({ episodes: [episode], incident: anIncident({ title: '\u001b[31mred' }) }),
      pico.createColors(false),
    )
    expect(lines.join('\n')).not.toContain('\u001b')
  })
})

describe('the card says which release it belongs to', () => {
  const host = { before: 'v1.0.0', attempt: 1 }
  test('as it was joined, when the release is not known any more', () => {
    const { blocks } = draw({ incident: anIncident({ release: joined }) })
    expect(field(blocks, 'approved by')).toBe('bob, carol')
    expect(field(blocks, 'version')).toBe('v1.0.0 → v1.1.0')
    expect(block(blocks, 'table')?.rows).toEqual([
      ['v1.1.0', '1', 'bj-1'],
      ['v1.0.0', '1', 'sh-2'],
    ])
  })

  test('as it is now, when it has moved since', () => {
    const release = aRelease({
      id: 'R-7',
      state: { at: 'held', why: 'x', offers: [], batch: 2, since: T0 },
      hosts: {
        'bj-1': { ...host, at: 'healthy', version: 'v1.1.0' },
        'sh-1': { ...host, at: 'healthy', version: 'v1.1.0' },
      },
    })
    const { blocks } = draw({ incident: anIncident({ release: joined }), release })
    expect(field(blocks, 'batch')).toBe('2/2')
    expect(field(blocks, 'state')).toBe('held')
    expect(block(blocks, 'table')?.rows).toEqual([['v1.1.0', '2', 'bj-1, sh-1']])
  })
})
