import { afterEach, describe, expect, test } from 'vitest'
import type { Block } from '../../src/ports/chat.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let open: TestDesk | undefined
afterEach(async () => {
  await open?.close()
  open = undefined
})

/** Every headline that the card has shown, with its buttons: `Held: paused by bob. … [resume abort]`. */
async function watched(policy: Record<string, unknown> = {}) {
  const t = await testDesk({ policy: { windows: ['1h', '1h'], interval: '10m', ...policy } })
  open = t
  const seen: string[] = []
  const { put } = t.chat
  t.chat.put = async (post) => {
    const [headline] = post.message.blocks as Extract<Block, { type: 'text' }>[]
    const buttons = post.message.buttons.map(({ action }) => action.replace('release.', ''))
    if (post.key === 'R-1/card') seen.push(`${headline?.text} [${buttons.join(' ')}]`)
    return put(post)
  }
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
  return { t, seen }
}

async function paused(policy: Record<string, unknown> = {}) {
  const { t, seen } = await watched(policy)
  await expect.poll(async () => (await t.desk.releases.need('R-1')).state).toMatchObject({ doing: 'observing' })
  await t.press('bob', 'R-1', 'release.pause')
  await t.reach('R-1', 'held')
  await expect.poll(() => seen.at(-1)).toMatch(/^Held/)
  const before = seen.length
  return { t, later: () => seen.slice(before) }
}

const oneBatch = { batches: ['100%'], windows: ['1h'] }

describe('after a hold at a window, the card shows what really happens next', () => {
  test('resume: the window is observed again, from its whole length', async () => {
    const { t, later } = await paused()
    await t.press('alice', 'R-1', 'release.resume')
    await expect.poll(() => later().filter((line) => line.startsWith('Batch')).length).toBeGreaterThan(1)
    expect(later().filter((line) => !/^(Held|Batch 1 of 2: observing, 1 h left)/.test(line))).toEqual([])
  })

  test('promote: the next batch is deployed, never this one again', async () => {
    const { t, later } = await paused()
    await t.press('alice', 'R-1', 'release.promote')
    // The card follows the document.
    await expect.poll(() => later().some((line) => line.startsWith('Batch 2 of 2: observing'))).toBe(true)
    expect(later().filter((line) => line.startsWith('Batch 1'))).toEqual([])
    expect(later().find((line) => line.startsWith('Batch'))).toBe('Batch 2 of 2: deploying. [pause abort rollback]')
  })

  test('promote of the last batch: done, and nothing is deployed on the way', async () => {
    const { t, later } = await paused(oneBatch)
    await t.press('alice', 'R-1', 'release.promote')
    await t.reach('R-1', 'done')
    await expect.poll(() => later().at(-1)).toMatch(/^Done: /)
    expect(later().filter((line) => /deploying/.test(line))).toEqual([])
  })

  test.each([
    ['abort', 'aborted', 'Held: bob pressed Abort; reading what each host runs. []'],
    ['rollback', 'rolled back', 'Rolling back (bob): bob pressed Roll back. []'],
  ] as const)('%s: no window and no deploying any more, and no button', async (kind, end, first) => {
    const { t, later } = await paused()
    await t.press('bob', 'R-1', `release.${kind}`)
    await t.reach('R-1', end)
    await expect.poll(() => later().at(-1)).toMatch(/^(Aborted|Rolled back)/)
    const changed = later().filter((line) => !/paused by bob/.test(line))
    expect(changed[0]).toBe(first)
    expect(changed.filter((line) => line.startsWith('Batch'))).toEqual([])
  })

  test('promote over a gate that held, on the last batch', async () => {
    const { t, seen } = await watched({ batches: ['100%'], windows: ['20ms'], interval: '20ms' })
    await t.reach('R-1', 'held')
    await expect.poll(() => seen.at(-1)).toMatch(/^Held/)
    const before = seen.length
    await t.press('alice', 'R-1', 'release.promote')
    await t.reach('R-1', 'done')
    expect(seen.slice(before).filter((line) => /deploying/.test(line))).toEqual([])
  })
})

describe('a stop from any other hold', () => {
  test.each(['abort', 'rollback'] as const)('%s over a failed host shows no deploying', async (kind) => {
    const { t, seen } = await watched({ gate: 'ask' })
    await expect.poll(async () => (await t.desk.releases.need('R-1')).state).toMatchObject({ doing: 'observing' })
    t.target.hosts.get('sh-2')!.next = [{ rc: 1, reason: 'start: exit 3' }]
    await t.press('alice', 'R-1', 'release.promote')
    await t.reach('R-1', 'held')
    await expect.poll(() => seen.at(-1)).toMatch(/^Held/)
    const before = seen.length
    await t.press('bob', 'R-1', `release.${kind}`)
    await t.reach('R-1', kind === 'abort' ? 'aborted' : 'rolled back')
    expect(seen.slice(before).filter((line) => line.startsWith('Batch'))).toEqual([])
  })
})
