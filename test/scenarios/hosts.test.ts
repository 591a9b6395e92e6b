import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../demo/needs.ts'
import { until } from '../demo/until.ts'
import { startThatWaits, userService } from './packages.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

describe.skipIf(skipReal)('a host that goes away', () => {
  let bot: Sandbox
  let number = 1
  beforeAll(async () => {
    bot = await startSandbox({ recipe: { commandTimeout: '20s' } })
  })
  afterAll(() => bot?.close())
  afterEach(() => {
    for (const name of ['go', 'at-start']) rmSync(home(name), { force: true })
  })
  const home = (name: string) => join(bot.host('bj-1').root, name)

  /** The next version, whose start waits until the test says go. */
  function publish(): string {
    const version = `v1.${++number}.0`
    bot.packages.publish(version, { body: userService(version, { files: startThatWaits }) })
    return version
  }
  /** Requested and approved for bj-1, and now within its start. */
  async function inTheMiddle(...hosts: string[]): Promise<{ id: string; version: string; before: number }> {
    const before = bot.starts('bj-1').length
    const version = publish()
    const id = await bot.approved(version, ...hosts)
    await until('the start runs', () => existsSync(home('at-start')), 15_000)
    return { id, version, before }
  }
  const go = () => {
    for (const { root } of bot.hosts) writeFileSync(join(root, 'go'), '')
  }
  const startsSince = (before: number) => bot.starts('bj-1').slice(before)

  test('before the release: it is refused on the card, with the host, the reason and what to do; then it works', async () => {
    const version = publish()
    await bot.fleet.down('sh-1')
    const id = await bot.request(version)
    const { state } = await bot.reach(id, 'refused')
    expect(state).toMatchObject({
      why: expect.stringMatching(
        /^1 of 2 hosts cannot be used: sh-1: sh-1 \(127\.0\.0\.1:\d+\) refused the connection\.$/,
      ),
      next: 'check the machine and the network, then try again',
    })
    await bot.fleet.up('sh-1')
    expect(await bot.running()).toEqual({ 'bj-1': 'v1.0.0 running', 'sh-1': 'v1.0.0 running' })
    expect(bot.hosts.flatMap((host) => bot.audit(host.id))).toEqual([])
    go()
    await bot.promoted(await bot.approved(version))
    expect(await bot.running()).toEqual({ 'bj-1': `${version} running`, 'sh-1': `${version} running` })
  })

  test('between the approval and its step: the approval lapses, nothing is deployed anywhere', async () => {
    const version = publish()
    const running = await bot.running()
    const id = await bot.request(version)
    await bot.reach(id, 'awaiting approval')
    await bot.fleet.down('bj-1')
    expect((await bot.press('bob', id, 'release.approve')).ok).toBe(true)
    const { state } = await bot.reach(id, 'refused')
    expect(state).toMatchObject({ why: expect.stringMatching(/bj-1 .* refused the connection/) })
    expect(bot.channel()).toContain('The approval lapsed: the facts have changed since')
    await bot.fleet.up('bj-1')
    expect(await bot.running()).toEqual(running)
  })

  test('during its step, for good: holds, never guesses; up again, Retry finds the job done, once', async () => {
    const { id, version, before } = await inTheMiddle('bj-1')
    await bot.fleet.down('bj-1')
    const held = await bot.reach(id, 'held')
    expect(held.state).toMatchObject({
      why: expect.stringMatching(/^bj-1: bj-1 \(127\.0\.0\.1:\d+\) refused the connection\. Next: check the machine/),
      offers: ['retry', 'skip', 'rollback', 'abort'],
    })
    expect(held.hosts['bj-1']).toMatchObject({ at: 'unreachable' })
    expect(held.hosts['bj-1']?.version).toBeUndefined()
    expect(await bot.card(id)).toMatch(/bj-1 +unreachable: .* +unknown/)
    // Meanwhile the job on the host goes on without us.
    go()
    await until('the service is up', () => startsSince(before).length === 1)
    await bot.fleet.up('bj-1')
    expect((await bot.press('alice', id, 'release.retry')).ok).toBe(true)
    const done = await bot.promoted(id)
    expect(done.hosts['bj-1']).toMatchObject({ at: 'healthy', version, attempt: 1 })
    expect((await bot.running())['bj-1']).toBe(`${version} running`)
    expect(startsSince(before)).toEqual([version])
    expect(bot.audit('bj-1').filter((line) => line.includes(id))).toEqual([`${id}--bj-1--deploy--1 ${version} 0`])
  })

  test('during its step, and up again while the job still runs: Retry follows it to its end', async () => {
    const { id, version, before } = await inTheMiddle('bj-1')
    await bot.fleet.down('bj-1')
    await bot.reach(id, 'held')
    await bot.fleet.up('bj-1')
    expect((await bot.press('alice', id, 'release.retry')).ok).toBe(true)
    await until(
      'it is followed',
      async () => (await bot.app().desk.releases.need(id)).hosts['bj-1']?.at === 'deploying',
    )
    go()
    await bot.promoted(id)
    expect((await bot.running())['bj-1']).toBe(`${version} running`)
    expect(startsSince(before)).toEqual([version])
    expect(bot.audit('bj-1').filter((line) => line.includes(id))).toEqual([`${id}--bj-1--deploy--1 ${version} 0`])
  })

  test('for a moment, as when sshd is restarted: nobody has to press anything', async () => {
    await bot.restart({ ssh: { reconnectSeconds: [0.2, 0.5, 1, 2, 4, 8] } })
    const { id, version, before } = await inTheMiddle('bj-1')
    await bot.fleet.restart()
    go()
    await bot.promoted(id)
    expect(bot.channel().match(new RegExp(`bj-1: .*refused.*${version}`))).toBeNull()
    expect((await bot.running())['bj-1']).toBe(`${version} running`)
    expect(startsSince(before)).toEqual([version])
    await bot.restart({})
  })

  test('during its step, and Roll back is pressed: not told as rolled back before the host says so', async () => {
    const was = (await bot.running())['bj-1']
    const { id, version } = await inTheMiddle('bj-1')
    await bot.fleet.down('bj-1')
    await bot.reach(id, 'held')
    expect((await bot.press('alice', id, 'release.rollback')).ok).toBe(true)
    await until(
      'it holds again',
      async () => {
        const { state } = await bot.app().desk.releases.need(id)
        return state.at === 'held' && state.why.startsWith('rollback incomplete: bj-1')
      },
      15_000,
    )
    expect(await bot.card(id)).toMatch(/Held: rollback incomplete: bj-1: .*refused the connection/)
    await bot.fleet.up('bj-1')
    expect((await bot.press('alice', id, 'release.retry')).ok).toBe(true)
    const back = await bot.reach(id, 'rolled back')
    expect(back.hosts['bj-1']).toMatchObject({ at: 'rolled back', version: was?.split(' ')[0] })
    expect((await bot.running())['bj-1']).toBe(was)
    // The deploy that was ended must not wake up later.
    go()
    expect(bot.starts('bj-1').filter((each) => each === version)).toHaveLength(1)
    expect((await bot.running())['bj-1']).toBe(was)
  })

  test('after its step: the gate holds, and nothing goes on by itself; a person goes on once it is back', async () => {
    go()
    const version = publish()
    const before = bot.starts('sh-1').length
    const id = await bot.approved(version)
    const first = (await bot.reach(id, 'held')).plan?.batches[0]?.hosts[0]?.id ?? ''
    const other = first === 'bj-1' ? 'sh-1' : 'bj-1'
    const waiting = (await bot.running())[other]
    await bot.fleet.down(first)
    expect((await bot.app().desk.releases.need(id)).state).toMatchObject({
      at: 'held',
      why: expect.stringMatching(/^gate inconclusive: no metric is watched/),
    })
    // A line that is just being cut may still be found open, and is told as closed once.
    await expect
      .poll(async () => JSON.stringify((await bot.type('vera', '/hosts user-service')).message), { timeout: 8000 })
      .toMatch(/refused the connection/)
    await bot.fleet.up(first)
    expect((await bot.running())[other]).toBe(waiting)
    await bot.promoted(id)
    expect(await bot.running()).toEqual({ 'bj-1': `${version} running`, 'sh-1': `${version} running` })
    expect(bot.starts('sh-1').slice(before)).toEqual([version])
  })

  describe('and comes back with another host key', () => {
    const both =
      /The host key of sh-1 \(127\.0\.0\.1:\d+\) has changed: pinned is SHA256:[\w+/]{43}, it presents SHA256:[\w+/]{43}\. Nothing was sent\./

    test('before the release: refused with both fingerprints and the command', async () => {
      const version = publish()
      const audit = bot.audit('sh-1')
      await bot.fleet.changeHostKey('sh-1')
      const id = await bot.request(version)
      const { state } = await bot.reach(id, 'refused')
      expect(state).toMatchObject({
        why: expect.stringMatching(both),
        next: 'check first whether sh-1 was set up anew; if it was: rollcall enroll --replace sh-1',
      })
      expect(bot.audit('sh-1')).toEqual(audit)
    })

    test('in the middle of a rollout: holds with both fingerprints and the command, and the host keeps what it has', async () => {
      await bot.restart({})
      go()
      const version = publish()
      const id = await bot.approved(version)
      const held = await bot.reach(id, 'held')
      const [first = '', second = ''] = held.plan?.batches.map((batch) => batch.hosts[0]?.id ?? '') ?? []
      const starts = bot.starts(second)
      await bot.fleet.changeHostKey(second)
      expect((await bot.press('alice', id, 'release.promote')).ok).toBe(true)
      await until(
        'it holds again',
        async () => {
          const { state } = await bot.app().desk.releases.need(id)
          return state.at === 'held' && state.offers.includes('retry')
        },
        15_000,
      )
      const card = await bot.card(id)
      expect(card).toMatch(/has changed: pinned is SHA256:\S+, it presents SHA256:/)
      expect(card).toContain(`rollcall enroll --replace ${second}`)
      expect(bot.starts(second)).toEqual(starts)
      // Abort leaves everything and says what runs where, as far as anybody knows.
      expect((await bot.press('alice', id, 'release.abort')).ok).toBe(true)
      const aborted = await bot.reach(id, 'aborted')
      expect(aborted.hosts[first]?.version).toBe(version)
      expect(aborted.hosts[second]?.version).toBeUndefined()
      await bot.restart({})
      expect((await bot.running())[first]).toBe(`${version} running`)
    })
  })
})
