import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EPISODES, episodeSchema, toJson } from '../../../src/incident/alert.ts'
import type { Incident } from '../../../src/incident/incident.ts'
import type { AlertPage, IncidentPage } from '../../../src/ports/console.ts'
import { anAlert, at } from '../../incident/intake-kit.ts'
import { type Console, testConsole } from './kit.ts'

const ALERTS = 1234

let console: Console
beforeAll(async () => {
  console = await testConsole()
  await opened({ title: 'First', state: { at: 'resolved', when: at(9) }, severity: 'warning' })
  await opened({ title: 'Second', service: 'user-service', severity: 'critical' })
  await opened({ title: 'Third', severity: 'info', acknowledged: { by: 'alice', when: at(3) } })
  const { store } = console.desk
  await Promise.all(
    Array.from({ length: ALERTS }, async (_, n) => {
      const alert = anAlert({
        fingerprint: `f${n}`,
        generatorUrl: 'http://p/graph',
        labels: { alertname: 'High', n: `${n}` },
      })
      const episode = { alert, incident: 'A-2', firstHeardAt: at(n % 7), heard: 1 }
      await store.insert(EPISODES, `am/f${n}/${alert.startsAt}`, toJson(episode))
    }),
  )
})
afterAll(() => console.close())

async function opened(part: Partial<Incident>): Promise<void> {
  const { incidents } = console.desk
  const id = await incidents.newId('group')
  await incidents.insert({
    id,
    group: { source: 'am', key: id, labels: {}, receiver: 'r' },
    channel: '#releases',
    since: at(0),
    openedAt: at(1),
    title: 'High',
    severity: 'warning',
    firing: 1,
    resolved: 0,
    truncated: 0,
    hosts: ['bj-1'],
    state: { at: 'firing' },
    silences: [],
    level: 0,
    turn: 0,
    ...part,
  })
}

const list = async (query = ''): Promise<IncidentPage> => (await console.get(`/api/v1/incidents${query}`)).json()
const ids = async (query = ''): Promise<string[]> => (await list(query)).incidents.map(({ id }) => id)

describe('incidents', () => {
  test('are listed from the newest, as lists show them', async () => {
    const { incidents, more } = await list()
    expect(more).toBe(false)
    expect(incidents.map(({ id, state, tone }) => [id, state, tone])).toEqual([
      ['A-3', 'acknowledged', 'info'],
      ['A-2', 'firing', 'bad'],
      ['A-1', 'resolved', 'good'],
    ])
    expect(incidents[0]).toMatchObject({ acknowledgedBy: 'alice', card: 'A-3/card', hosts: ['bj-1'] })
    expect(incidents[2]).toMatchObject({ resolvedAt: at(9), severity: 'warning' })
  })

  test.each([
    ['?state=open', ['A-3', 'A-2']],
    ['?state=over', ['A-1']],
    ['?service=user-service', ['A-2']],
    ['?before=A-3', ['A-2', 'A-1']],
    ['?before=A-1', []],
    ['?limit=2', ['A-3', 'A-2']],
  ])('%s gives %j', async (query, found) => expect(await ids(query)).toEqual(found))

  test('say whether there are more', async () => {
    expect((await list('?limit=2')).more).toBe(true)
    expect((await list('?limit=2&before=A-3')).more).toBe(false)
  })

  test('are found by id; another id is not, and nonsense is refused', async () => {
    expect((await console.get('/api/v1/incidents/A-2')).json()).toMatchObject({ id: 'A-2', title: 'Second' })
    expect((await console.get('/api/v1/incidents/A-99')).statusCode).toBe(404)
    expect((await console.get('/api/v1/incidents/R-1')).statusCode).toBe(400)
    expect((await console.get('/api/v1/incidents?state=odd')).statusCode).toBe(400)
  })

  test('are for people only', async () => {
    for (const url of ['/api/v1/incidents', '/api/v1/incidents/A-1', '/api/v1/alerts?incident=A-1'])
      expect((await console.server.inject({ url })).statusCode).toBe(401)
  })
})

describe('alerts of an incident', () => {
  const page = async (query: string): Promise<AlertPage> => (await console.get(`/api/v1/alerts?${query}`)).json()

  test.each([500, 99])('are all there, each once, in the order of first hearing, %i at a time', async (limit) => {
    const found: string[] = []
    let after: string | undefined
    let pages = 0
    do {
      const next = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
      const { alerts, total, next: more } = await page(`incident=A-2&limit=${limit}${next}`)
      expect(total).toBe(ALERTS)
      found.push(...alerts.map(({ fingerprint }) => fingerprint))
      after = more
      pages++
    } while (after !== undefined)
    expect(pages).toBe(Math.ceil(ALERTS / limit))
    expect(new Set(found).size).toBe(ALERTS)
    const heard = found.map((each) => Number(each.slice(1)) % 7)
    expect(heard).toEqual([...heard].sort())
  })

  test('show what is new since the last page', async () => {
    const row = await console.desk.store.get(EPISODES, `am/f0/${at(0)}`)
    const { alert, ...episode } = episodeSchema.parse(row?.document)
    const over = { ...episode, alert: { ...alert, status: 'resolved', endsAt: at(8) } }
    await console.desk.store.put(EPISODES, row?.id ?? '', toJson(over), row?.version ?? 0)
    const { alerts } = await page('incident=A-2&limit=1')
    expect(alerts).toEqual([
      {
        fingerprint: 'f0',
        startsAt: at(0),
        endsAt: at(8),
        status: 'resolved',
        labels: { alertname: 'High', n: '0' },
        annotations: {},
        url: 'http://p/graph',
      },
    ])
  })

  test('of one without any are none, of one that is not there 404', async () => {
    expect(await page('incident=A-1')).toEqual({ alerts: [], total: 0 })
    expect((await console.get('/api/v1/alerts?incident=A-99')).statusCode).toBe(404)
    expect((await console.get('/api/v1/alerts')).statusCode).toBe(400)
  })
})
