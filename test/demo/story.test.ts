import { describe, expect, test } from 'vitest'
import type { App } from '../../src/app.ts'
import { closed, expectVerdict, held, opened, recovered, reported } from '../../src/demo/story/incidents.ts'
import { becomes, reach, type Stage } from '../../src/demo/story/stage.ts'

interface Made {
  release?: object
  incidents?: { id: string; [name: string]: unknown }[]
  report?: object
  flow?: object
  card?: string
}

/** A bot that stands still in one state: what the story says of it is to be seen at once. */
function stage({ release = {}, incidents = [], report, flow, card = '' }: Made): Stage {
  const one = async (id: string) => incidents.find((incident) => incident.id === id)
  const app = {
    desk: {
      releases: { get: async () => release, need: async () => release },
      incidents: {
        get: one,
        need: one,
        async *newest() {
          yield* incidents
        },
      },
      reports: { get: async () => report },
      flows: { status: async () => flow },
      store: { get: async () => undefined, last: async () => [] },
      clock: () => new Date(),
      channel: '#releases',
    },
    card: async () => card,
    render: (message: string) => message,
  } as unknown as App
  const dependency = { name: 'account-store', running: () => true, stop: async () => {}, start: async () => {} }
  return { app, say: () => {}, signal: new AbortController().signal, dependency }
}

const about = { group: { labels: { alertname: 'HighErrorRate' } }, release: { id: 'R-3', held: true } }

describe('the story ends at once, with what it saw, when', () => {
  test('a release stands elsewhere than where it should', async () => {
    const at = stage({ release: { state: { at: 'rolled back', why: 'error rate 8 %' } } })
    await expect(reach(at, 'R-3', 'done')).rejects.toMatchObject({
      code: 'demo.story',
      message: 'The story went another way: R-3 is rolled back, not done: error rate 8 %.',
    })
  })

  test('the gate was quicker than the alert', async () => {
    const at = stage({
      release: { state: { at: 'rolling back', why: 'the gate' } },
      incidents: [{ id: 'A-1', ...about }],
    })
    await expect(opened(at, 'R-3', 1)).rejects.toThrow('R-3 was rolling back before an alert came: the gate')
  })

  test('the card of the held release does not name the alert', async () => {
    const at = stage({ release: { state: { at: 'held', why: 'paused by alice' } }, card: 'paused by alice' })
    await expect(held(at, 'R-3', 'A-1')).rejects.toThrow('the card of R-3 does not say that A-1 holds it')
  })

  test('the diagnosis failed', async () => {
    const at = stage({
      incidents: [{ id: 'A-1', ...about, report: 'R-3/1' }],
      report: { status: 'failed', content: 'no metrics' },
    })
    await expect(reported(at, 'A-1')).rejects.toThrow('the diagnosis of A-1 failed: no metrics')
  })

  test('it did not recover', async () => {
    const at = stage({ incidents: [{ id: 'A-1', ...about, outcome: { at: 'not recovered', why: 'still 8 %' } }] })
    await expect(recovered(at, 'A-1')).rejects.toThrow('A-1 is not recovered: still 8 %')
  })

  test('the thread broke off', async () => {
    const at = stage({ flow: { at: 'failed', phase: 'firing', why: 'a defect' } })
    await expect(closed(at, 'A-1')).rejects.toThrow('the thread of A-1 broke off: a defect')
  })

  test('the verdict is another one', () => {
    const verdict = { at: 'unknown' as const, why: 'the metrics do not tell', checks: [] }
    const report = { verdict, by: 'rules' } as unknown as Parameters<typeof expectVerdict>[0]
    expect(() => expectVerdict(report, 'release')).toThrow(
      'the report says unknown: the metrics do not tell, not release',
    )
  })
})

describe('the story goes on when', () => {
  test('the release comes from where it is just leaving', async () => {
    const states = ['held', 'held', 'rolled back']
    const at = stage({})
    at.app.desk.releases.get = async () => ({ state: { at: states.shift() } }) as never
    expect((await reach(at, 'R-3', 'rolled back', 'held')).state.at).toBe('rolled back')
  })

  test('a thread about another release or another alert stands in the channel: they are not taken for this one', async () => {
    const at = stage({
      release: { state: { at: 'held' } },
      incidents: [
        { id: 'A-4', ...about, release: { id: 'R-9', held: false } },
        { id: 'A-3', ...about, group: { labels: { alertname: 'HighLatency' } } },
        { id: 'A-2', ...about },
        { id: 'A-1', ...about },
      ],
    })
    expect((await opened(at, 'R-3', 1)).id).toBe('A-2')
  })

  test('a release is as asked, whatever else it is', async () => {
    const at = stage({ release: { state: { at: 'rolling out', batch: 2, doing: 'observing' } } })
    const found = await becomes(at, 'R-3', 'observed', ({ state }) => state.at === 'rolling out' && state.batch === 2)
    expect(found.state.at).toBe('rolling out')
  })
})
