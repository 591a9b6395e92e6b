import { afterEach, describe, expect, test } from 'vitest'
import { buttonFor } from '../../src/release/button.ts'
import { skip } from '../../src/release/skip.ts'
import type { Order } from '../../src/release/steer.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { createFakeMetrics } from '../fakes/metrics.ts'

let open: TestDesk | undefined
afterEach(async () => {
  await open?.close()
  open = undefined
})
const start = async (options: Parameters<typeof testDesk>[0] = {}) => {
  open = await testDesk(options)
  return open
}
async function approved(t: TestDesk): Promise<void> {
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
}
const came = async (t: TestDesk) =>
  (await t.desk.store.find('presses')).map(({ id, document }) => [id, (document as { came?: string }).came])
const person = (t: TestDesk, id: string) => t.desk.people.find((each) => each.id === id)!

/** A promote that wins its claim while the last look of a batch's window is under way. */
async function promotedDuringTheLastLook(last: 'batch 1' | 'batch 2') {
  let asked = () => {}
  let answer = () => {}
  let blocked: Promise<void> | undefined
  const t = await start({
    speed: 100,
    policy: { windows: ['150ms', '150ms'], interval: '150ms', minRequests: 50, rateWindow: '1s' },
    metrics: (target) => {
      const fake = createFakeMetrics([...target.hosts.keys()], () => ({ errors: 0, latency: 0.02 }))
      return {
        ...fake,
        async range(...query) {
          asked()
          await blocked
          return fake.range(...query)
        },
      }
    },
  })
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  const block = () => {
    blocked = new Promise((done) => {
      answer = done
    })
    return new Promise<void>((done) => {
      asked = done
    })
  }
  let looking = block()
  await t.press('bob', 'R-1', 'release.approve')
  await looking
  if (last === 'batch 2') {
    const before = answer
    looking = block()
    before()
    await looking
  }
  expect((await t.press('carol', 'R-1', 'release.promote')).ok).toBe(true)
  asked = () => {}
  blocked = undefined
  answer()
  return t
}

describe('whoever presses just too late reads so in the thread', () => {
  test.each([
    ['batch 1', 'carol pressed promote too late: the window of batch 1 had ended'],
    ['batch 2', 'carol pressed promote too late: the window of batch 2 had ended'],
  ] as const)('promote, when the window of %s ends with its last look', async (batch, words) => {
    const t = await promotedDuringTheLastLook(batch)
    await t.reach('R-1', 'done')
    await expect.poll(() => t.chat.said().filter((title) => title.includes('too late'))).toEqual([words])
    expect(await came(t)).toEqual([[expect.stringMatching(/promote/), 'too late']])
  })

  test('of two who decide differently in the same hold, the second', async () => {
    const t = await start({ policy: { batches: ['100%'], windows: ['20ms'] } })
    await approved(t)
    const held = await t.reach('R-1', 'held')
    const order = (by: string, kind: Order['kind']) =>
      t.desk.flows.send('R-1', `R-1/${held.turn}/${kind}`, { kind, by, turn: held.turn })
    await Promise.all([order('alice', 'promote'), order('carol', 'resume')])
    await t.reach('R-1', 'done')
    await expect.poll(() => t.chat.said()).toContain('carol pressed resume too late: the hold was over')
  })

  test('a pause that no host is left for', async () => {
    const t = await start({ policy: { batches: ['100%'], windows: ['1h'], interval: '1m' } })
    await approved(t)
    await expect.poll(async () => (await t.desk.releases.need('R-1')).state).toMatchObject({ doing: 'observing' })
    const { turn } = await t.desk.releases.need('R-1')
    // Both lie in the mailbox before the story has looked.
    await Promise.all([
      t.desk.flows.send('R-1', 'a', { kind: 'promote', by: 'alice', turn, batch: 1 }),
      t.desk.flows.send('R-1', 'b', { kind: 'pause', by: 'bob', turn }),
    ])
    await t.reach('R-1', 'done')
    await expect.poll(() => t.chat.said()).toContain('bob pressed pause too late: the release was over')
  })

  test('a decision on a host that somebody else has decided on', async () => {
    const t = await start({ policy: { gate: 'ask' } })
    t.target.hosts.get('bj-1')!.next = [{ rc: 1, reason: 'start: exit 3' }]
    await approved(t)
    const { turn } = await t.reach('R-1', 'held')
    const order = (kind: Order['kind'], by: string) => ({ kind, by, turn, hosts: ['bj-1'] })
    await Promise.all([
      t.desk.flows.send('R-1', 'a', order('retry', 'alice')),
      t.desk.flows.send('R-1', 'b', order('skip', 'carol')),
    ])
    await expect.poll(() => t.chat.said()).toContain('carol pressed skip bj-1 too late: it had been decided already')
  })

  test('and when the release has ended between the look and the word, in the answer', async () => {
    const t = await start({ policy: { gate: 'ask' } })
    t.target.hosts.get('bj-1')!.next = [{ rc: 1, reason: 'start: exit 3' }]
    await approved(t)
    const held = await t.reach('R-1', 'held')
    const { send } = t.desk.flows
    const desk = {
      ...t.desk,
      flows: {
        ...t.desk.flows,
        // The abort is quicker than the word.
        async send(...mail: Parameters<typeof send>) {
          await t.press('bob', 'R-1', 'release.abort')
          await t.reach('R-1', 'aborted')
          return send(...mail)
        },
      },
    }
    expect(await skip(desk, buttonFor(held, 'release.skip').bound, person(t, 'alice'))).toEqual({
      ok: false,
      text: 'That came too late. R-1 was aborted already by bob.',
    })
  })

  test('a stop that came true is not called late', async () => {
    const t = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    await t.press('bob', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    await expect.poll(async () => (await t.desk.flows.status('R-1'))?.at).toBe('done')
    expect(t.chat.said().filter((title) => title.includes('too late'))).toEqual([])
  })

  test('an abort that lost against the gate', async () => {
    const t = await start()
    t.target.hosts.get('bj-1')!.next = [{ rc: 1, reason: 'start: exit 3' }]
    t.target.during = async (job) => {
      if (job.kind === 'deploy') await t.press('carol', 'R-1', 'release.abort')
    }
    await approved(t)
    await t.reach('R-1', 'rolled back')
    await expect.poll(() => t.chat.said()).toContain('carol pressed abort too late: the rollback had begun')
  })
})

describe('an order by someone whose role was taken away', () => {
  /** The role goes after the press and before the story hears it. */
  async function demotedAtTheWord(t: TestDesk, who: string, action: string): Promise<void> {
    const release = await t.reach('R-1', 'held')
    const kind = action.replace('release.', '')
    person(t, who).roles = ['viewer']
    const { by, turn } = { by: who, turn: release.turn }
    await t.desk.store.insert('presses', `R-1/${turn}/${kind}`, { kind, by, turn, at: '' })
    await t.desk.flows.send('R-1', `R-1/${turn}/${kind}`, { kind, by, turn })
  }

  test.each([
    ['promote', {}],
    ['resume', { paused: true }],
    ['retry', { gate: 'ask' }],
    ['skip', { gate: 'ask' }],
  ])('%s is dropped with a line that says so, and a colleague may press the same', async (kind, how) => {
    const policy = 'gate' in how ? how : {}
    const t = await start({ policy: { ...policy, batches: ['100%'], windows: ['20ms'], minHealthyPercent: 34 } })
    if ('paused' in how) {
      t.target.during = async (job) => {
        if (job.key.host === 'bj-1') await t.press('bob', 'R-1', 'release.pause')
      }
    }
    if ('gate' in how) t.target.hosts.get('bj-1')!.next = [{ rc: 1, reason: 'start: exit 3' }]
    await approved(t)
    await demotedAtTheWord(t, 'alice', `release.${kind}`)
    await expect
      .poll(() => t.chat.said())
      .toContain(
        `alice pressed ${kind}, and it was not done: release.${kind} needs the role operator or admin; alice has viewer`,
      )
    const { state } = await t.desk.releases.need('R-1')
    expect(state.at).toBe('held')
    await t.press('carol', 'R-1', `release.${kind}`)
    await expect.poll(() => t.chat.said()).toContain(`carol said: ${kind}`)
  })

  test('or who is no longer known, too', async () => {
    const t = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    const { turn } = await t.desk.releases.need('R-1')
    await t.desk.flows.send('R-1', 'x', { kind: 'promote', by: 'mallory', turn })
    await expect
      .poll(() => t.chat.said())
      .toContain('mallory pressed promote, and it was not done: mallory is no longer among the people in rollcall.yaml')
  })
})
