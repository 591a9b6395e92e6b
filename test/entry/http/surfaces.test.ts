import { afterEach, expect, test } from 'vitest'
import type { SurfacesView } from '../../../src/ports/console.ts'
import type { SurfaceHealth } from '../../../src/ports/surface.ts'
import { type Console, testConsole } from './kit.ts'

let console: Console
afterEach(() => console.close())

const ask = async (): Promise<SurfacesView> => {
  const answer = await console.get('/api/v1/surfaces', 'vera')
  expect(answer.statusCode, answer.body).toBe(200)
  return answer.json()
}

test('without chat services there are none, and that is known', async () => {
  console = await testConsole()
  expect(await ask()).toEqual({ known: true, surfaces: [] })
})

test('says how each chat service is, and what waits for it', async () => {
  console = await testConsole()
  const since = '2026-01-31T09:00:00.000Z'
  const down: SurfaceHealth = {
    ...{ surface: 'slack', at: 'down', since, why: 'no answer. Next: wait', waiting: 3, oldest: since },
    ...{ refused: 1, refusal: 'Rollcall is not in this channel.' },
  }
  Object.assign(console.desk, {
    surfaces: async () => [down, { surface: 'wecom', at: 'standby', since, waiting: 0, refused: 0 }],
  })
  expect(await ask()).toEqual({
    known: true,
    surfaces: [
      {
        ...{ surface: 'slack', at: 'down', since, why: 'no answer. Next: wait', waiting: 3, oldest: since },
        refused: { count: 1, why: 'Rollcall is not in this channel.' },
      },
      { surface: 'wecom', at: 'standby', since, waiting: 0, refused: { count: 0 } },
    ],
  })
})

test('that hang or fail are not known, after a second at most', async () => {
  console = await testConsole()
  const { surfaces } = Object.assign(console.desk, { surfaces: () => new Promise<never>(() => {}) })
  expect(surfaces).toBeDefined()
  const begun = performance.now()
  expect(await ask()).toEqual({ known: false, surfaces: [] })
  expect(performance.now() - begun).toBeLessThan(3000)
  Object.assign(console.desk, { surfaces: () => Promise.reject(new Error('no store')) })
  expect(await ask()).toEqual({ known: false, surfaces: [] })
})

test('is for those who are signed in', async () => {
  console = await testConsole()
  expect((await console.get('/api/v1/surfaces', 'nobody')).statusCode).toBe(401)
})
