import { describe, expect, test } from 'vitest'
import type { App } from '../../src/app.ts'
import { createHeard } from '../../src/demo/heard.ts'

const alice = { id: 'alice', roles: ['operator', 'approver'] }
const vera = { id: 'vera', roles: ['viewer'] }

describe('what the sandbox hears before commands', () => {
  test.each(['stop account-store', '/stop account-store', '  Stop  Account-Store '])('%j stops it', async (text) => {
    const { hear, did } = sandbox()
    const answer = await hear(alice, text)
    expect(answer).toMatchObject({ ok: true, text: expect.stringContaining('Next: start account-store') })
    expect(did).toEqual(['stop'])
  })

  test('start starts it again', async () => {
    const { hear, did } = sandbox()
    expect((await hear(alice, 'start account-store'))?.ok).toBe(true)
    expect(did).toEqual(['start'])
  })

  test('somebody who may only look moves nothing, and is told who may', async () => {
    const { hear, did } = sandbox()
    expect(await hear(vera, 'stop account-store')).toMatchObject({ ok: false, text: expect.stringContaining('alice') })
    expect(await hear(vera, 'play the story')).toMatchObject({ ok: false, text: expect.stringContaining('alice') })
    expect(did).toEqual([])
  })

  test('says so when no alert will come of it', async () => {
    const { hear } = sandbox({ alerts: false })
    expect((await hear(alice, 'stop account-store'))?.text).toContain('no alert comes')
  })

  test('a release under way is in the way of the story', async () => {
    const { hear } = sandbox()
    expect(await hear(alice, 'play the story')).toEqual({
      ok: false,
      text: 'R-7 is in progress. Next: end it first; /status R-7 says how.',
    })
  })

  test.each(['/release user-service v1.1.0', 'stop user-service', 'stop account-store now', 'stop', ''])(
    '%j is left to the commands',
    async (text) => {
      const { hear, did } = sandbox()
      expect(await hear(alice, text)).toBeUndefined()
      expect(did).toEqual([])
    },
  )
})

function sandbox({ alerts = true } = {}) {
  const did: string[] = []
  const releases = {
    async *newest() {
      yield { id: 'R-7', state: { at: 'held' } }
    },
  }
  const hear = createHeard({
    app: () => ({ desk: { releases } }) as unknown as App,
    scenery: {
      alertmanagerUrl: alerts ? 'http://127.0.0.1:9093' : undefined,
      dependency: {
        name: 'account-store',
        running: () => true,
        stop: async () => void did.push('stop'),
        start: async () => void did.push('start'),
      },
    },
    signal: new AbortController().signal,
  })
  return { hear, did }
}
