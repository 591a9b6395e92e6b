import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { endNow } from '../../src/demo/processes.ts'
import { skipReal } from '../demo/needs.ts'
import { until } from '../demo/until.ts'
import { userService } from './packages.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

const old = { 'bj-1': 'v1.0.0 running', 'sh-1': 'v1.0.0 running' }
const sh = (text: string) => `#!/bin/sh\n${text}\n`

/** Versions that do not do their part: their files, and what is said about them. */
const faults: [string, string, Record<string, string>, RegExp][] = [
  [
    'whose start fails',
    'v1.1.0',
    { 'bin/start': sh('echo "no database at db:5432" >&2\nexit 3') },
    /start: exit 3; current is v1\.1\.0, the service may be down/,
  ],
  ['whose start is not there', 'v1.1.1', { 'bin/start': '' }, /start: exit 12[67];/],
  ['whose start hangs', 'v1.1.2', { 'bin/start': sh('sleep 600') }, /start: did not return in 1 s/],
  [
    'that ends right after its start',
    'v1.1.3',
    { 'server.mjs': 'process.exit(7)\n' },
    /health: .* did not exit 0 in 2 s \(last: exit \d+\); current is v1\.1\.3/,
  ],
  [
    'that never gets healthy',
    'v1.1.4',
    { 'bin/health': sh('exit 1') },
    /health: .* did not exit 0 in 2 s \(last: exit 1\); current is v1\.1\.4/,
  ],
  ['whose health check hangs', 'v1.1.5', { 'bin/health': sh('sleep 600') }, /health: .* \(last: no answer\)/],
  [
    'whose health flaps',
    'v1.1.6',
    { 'bin/health': sh('if [ -e "$HOME/flap" ]; then rm "$HOME/flap"; else : >"$HOME/flap"; exit 1; fi') },
    /health: not 2 good answers in a row in 2 s \(\d+ of \d+ were good, last: /,
  ],
]

describe.skipIf(skipReal)('a service that does not do its part', () => {
  let bot: Sandbox
  const recipe = { commandTimeout: '1s', health: { command: ['bin/health'], timeout: '2s', passes: 2 } }
  beforeAll(async () => {
    bot = await startSandbox({ recipe })
    for (const [, version, files] of faults) bot.packages.publish(version, { body: userService(version, { files }) })
  })
  afterAll(() => bot?.close())

  test.each(faults)(
    '%s is taken back by itself: only the canary had it, and it serves the old version again',
    async (_, version, __, why) => {
      const began = performance.now()
      const id = await bot.approved(version)
      const { state, hosts } = await bot.reach(id, 'rolled back', 25)
      expect(performance.now() - began).toBeLessThan(25_000)
      expect(state).toMatchObject({ by: 'the gate', why: expect.stringMatching(why) })
      expect(Object.values(hosts)).toMatchObject([
        { at: 'rolled back', version: 'v1.0.0' },
        { at: 'pending', version: 'v1.0.0' },
      ])
      expect(bot.channel()).toMatch(why)
      expect(await bot.running()).toEqual(old)
      expect(bot.starts('sh-1')).toEqual(['v1.0.0'])
      expect(bot.audit('sh-1')).toEqual([])
      expect(bot.commands().filter((command) => command.includes('sleep 600'))).toEqual([])
    },
  )

  test('what it said before it failed stands in the thread, and in /status of the host', async () => {
    expect(bot.channel()).toContain('│ no database at db:5432')
    const { text } = await bot.type('vera', '/status bj-1')
    expect(text).toMatch(/^bj-1: R-\d+ rollback, attempt 1: succeeded/)
  })

  describe('under a policy that asks', () => {
    beforeAll(() => bot.restart({ recipe, policy: { gate: 'ask' } }))
    afterAll(() => bot.restart({ recipe }))

    test('holds, with the state that the host is in and the ways to go on; Roll back brings the old version back', async () => {
      const id = await bot.approved('v1.1.0')
      const held = await bot.reach(id, 'held')
      expect(held.state).toMatchObject({
        why: expect.stringMatching(/bj-1: start: exit 3; current is v1\.1\.0, the service may be down/),
        offers: ['retry', 'skip', 'rollback', 'abort'],
      })
      expect(await bot.card(id)).toMatch(/bj-1 +failed: start: exit 3.* v1\.1\.0/)
      expect((await bot.running())['bj-1']).toMatch(/^v1\.1\.0 (unhealthy|stopped)$/)
      expect((await bot.press('bob', id, 'release.rollback')).ok).toBe(true)
      await bot.reach(id, 'rolled back')
      expect(await bot.running()).toEqual(old)
    })

    test('Retry runs it again under a new number, and a cause that is gone lets it through', async () => {
      const version = 'v1.2.0'
      const files = { 'bin/start': sh('[ -e "$HOME/database" ] || exit 3\nexec "$(dirname "$0")/begin"') }
      const whole = { ...files, 'bin/begin': readFileSync('src/demo/service/bin/start', 'utf8') }
      bot.packages.publish(version, { body: userService(version, { files: whole }) })
      const id = await bot.approved(version, 'bj-1')
      await bot.reach(id, 'held')
      expect((await bot.press('alice', id, 'release.retry')).ok).toBe(true)
      await until('it has failed again', async () => bot.audit('bj-1').filter((line) => line.includes(id)).length === 2)
      await bot.reach(id, 'held')
      writeFileSync(join(bot.host('bj-1').root, 'database'), '')
      expect((await bot.press('alice', id, 'release.retry')).ok).toBe(true)
      await bot.promoted(id)
      expect(bot.audit('bj-1').filter((line) => line.includes(id))).toEqual(
        [1, 1, 0].map((rc, i) => `${id}--bj-1--deploy--${i + 1} ${version} ${rc}`),
      )
      expect(await bot.running()).toEqual({ ...old, 'bj-1': 'v1.2.0 running' })
    })
  })

  test('whose own stop is broken cannot be taken back: it holds and says so, and goes on when a person has ended it', async () => {
    const version = 'v1.3.0'
    bot.packages.publish(version, { body: userService(version, { files: { 'bin/stop': sh('exit 9') } }) })
    const id = await bot.approved(version, 'bj-1')
    await bot.reach(id, 'held')
    expect((await bot.press('alice', id, 'release.rollback')).ok).toBe(true)
    await until(
      'the rollback holds',
      async () => {
        const { state } = await bot.app().desk.releases.need(id)
        return state.at === 'held' && state.why.startsWith('rollback incomplete')
      },
      15_000,
    )
    expect(await bot.card(id)).toMatch(
      /rollback incomplete: bj-1: stop: exit 9, and the old release still answers; current is still v1\.3\.0/,
    )
    expect((await bot.running())['bj-1']).toBe('v1.3.0 running')
    endNow(Number(readFileSync(join(bot.host('bj-1').root, 'user-service.pid'), 'utf8').split(' ')[0]))
    expect((await bot.press('alice', id, 'release.retry')).ok).toBe(true)
    await bot.reach(id, 'rolled back')
    expect((await bot.running())['bj-1']).toBe('v1.2.0 running')
  })
})
