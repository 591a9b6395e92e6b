import { describe, expect, test } from 'vitest'
import { createChannel } from '../../../src/adapters/channel/index.ts'
import { showCard } from '../../../src/release/show.ts'
import { testDesk } from '../../fakes/desk.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'

const channel = '#releases'

function open() {
  const shown: string[] = []
  const log = createChannel({
    store: createMemoryStore(),
    clock: () => new Date(),
    surfaces: [{ surface: 'test', show: async (key) => void shown.push(key) }],
  })
  const put = (title: string, basis?: number) =>
    log.put({ key: 'card', channel, message: { title, tone: 'info', blocks: [], buttons: [] }, basis })
  const title = async () => (await log.one('card'))?.message.title
  return { log, put, title }
}

describe('a drawing of a document', () => {
  test('never takes the place of one of a newer version', async () => {
    const { log, put, title } = open()
    await put('of version 5', 5)
    await put('of version 7', 7)
    await put('of version 6, which came late', 6)
    expect(await title()).toBe('of version 7')
    expect(await log.one('card')).toMatchObject({ revision: 2 })
  })

  test('takes the place of one of the same version: words such as "14 s left" grow old by themselves', async () => {
    const { put, title } = open()
    await put('14 s left', 5)
    await put('13 s left', 5)
    expect(await title()).toBe('13 s left')
  })

  test('without a version always counts, and what is known of versions is kept', async () => {
    const { put, title } = open()
    await put('of version 5', 5)
    await put('by hand')
    expect(await title()).toBe('by hand')
    await put('of version 4', 4)
    expect(await title()).toBe('by hand')
    await put('of version 6', 6)
    expect(await title()).toBe('of version 6')
  })

  test('an older one that is the first to be there is replaced by the newer, in whatever order they race', async () => {
    const { put, title } = open()
    await Promise.all([3, 9, 1, 7, 5].map((version) => put(`of version ${version}`, version)))
    expect(await title()).toBe('of version 9')
  })
})

test('the card of a release carries the version of its document: who has looked earlier does not overwrite who looked later', async () => {
  const t = await testDesk({ policy: { windows: ['10m', '10m'] } })
  try {
    const posts: { basis?: number; key: string }[] = []
    const { put } = t.chat
    t.chat.put = async (post) => {
      posts.push(post)
      await put(post)
    }
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    await showCard(t.desk, 'R-1')
    const row = await t.desk.store.get('releases', 'R-1')
    const drawn = posts.filter(({ key }) => key === 'R-1/card').map(({ basis }) => basis ?? 0)
    expect(drawn.at(-1)).toBe(row?.version)
    expect(drawn).toEqual(drawn.toSorted((a, b) => a - b))
  } finally {
    await t.close()
  }
})
