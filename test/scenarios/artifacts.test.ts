import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Member, tarOf } from '../adapters/ssh/kit.ts'
import { skipReal } from '../demo/needs.ts'
import { type Package, userService } from './packages.ts'
import { type Sandbox, smallDisk, startSandbox } from './sandbox.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

const old = { 'bj-1': 'v1.0.0 running', 'sh-1': 'v1.0.0 running' }
const outside = join(tmpdir(), `rollcall-hostile-${process.pid}`)

describe.skipIf(skipReal)('a package that is not as it should be', () => {
  let bot: Sandbox
  let before: string[][]
  beforeAll(async () => {
    bot = await startSandbox()
    before = bot.hosts.map(({ id }) => bot.files(id))
  })
  afterAll(() => bot?.close())

  /** Nothing was started, nothing lies where it did not lie before, and the old version serves. */
  async function untouched(): Promise<void> {
    expect(await bot.running()).toEqual(old)
    expect(bot.hosts.map(({ id }) => bot.files(id))).toEqual(before)
    // What a broken upload left is dropped by the host when it notices that the line is gone.
    await expect.poll(() => bot.hosts.flatMap(({ id }) => bot.leftovers(id)), { timeout: 8000 }).toEqual([])
    expect(bot.hosts.flatMap(({ id }) => bot.starts(id))).toEqual(['v1.0.0', 'v1.0.0'])
    expect(existsSync(outside)).toBe(false)
  }

  test('that is not published: refused on the card with the URL and what to do; no host is asked to do anything', async () => {
    const id = await bot.request('v9.9.9')
    const { state } = await bot.reach(id, 'refused')
    expect(state).toMatchObject({
      why: expect.stringMatching(/^There is no package v9\.9\.9 at http.*\(HTTP 404\)\.$/),
    })
    expect(await bot.card(id)).toMatch(/Next: check the version, or publish the package first\./)
    expect(bot.channel()).toContain('There is no package v9.9.9')
    expect(bot.hosts.flatMap((host) => bot.audit(host.id))).toEqual([])
    await untouched()
  })

  test('whose checksum is missing or is none', async () => {
    bot.packages.publish('v1.1.0', { body: userService('v1.1.0'), sha256: '<html>sign in first</html>' })
    const id = await bot.request('v1.1.0')
    const { state } = await bot.reach(id, 'refused')
    expect(state).toMatchObject({
      why: expect.stringMatching(/v1\.1\.0\.tar\.gz\.sha256 holds no sha256 of user-service-v1\.1\.0\.tar\.gz/),
      next: expect.stringMatching(/^publish it in the format of sha256sum/),
    })
    await untouched()
  })

  test('that needs more disk than a host has is refused before anybody is asked', async () => {
    bot.packages.publish('v1.1.0', { body: userService('v1.1.0'), announced: 4e15 })
    const id = await bot.request('v1.1.0')
    const { state } = await bot.reach(id, 'refused')
    expect(state).toMatchObject({
      why: expect.stringMatching(/bj-1 has \d+ MB free where 16000000050 MB are needed\./),
      next: expect.stringMatching(/free some disk on bj-1/),
    })
    expect(bot.packages.fetched('v1.1.0')).toBe(0)
    await untouched()
  })

  const file = (name: string): Member => ({ name, text: 'x' })
  const hostile = (...members: Member[]): Package => ({ body: gzipSync(tarOf([file('server.mjs'), ...members])) })
  const half = (body: Buffer) => body.subarray(0, body.length / 2)
  test.each<[string, Package, RegExp]>([
    [
      'another body than its checksum says',
      { body: userService('v1.1.1'), sha256: 'a'.repeat(64) },
      /verify: the artifact's sha256 is [0-9a-f]{64}, approved was aaaa/,
    ],
    [
      'a body that is shorter than it was',
      {
        body: userService('v1.1.1'),
        send: (response, body) => void response.writeHead(200, { 'content-length': half(body).length }).end(half(body)),
      },
      /verify: the artifact's sha256 is [0-9a-f]{64}, approved was/,
    ],
    [
      'a connection that is cut',
      {
        body: userService('v1.1.1'),
        send: (response, body) => {
          response.writeHead(200, { 'content-length': body.length })
          response.write(half(body), () => response.destroy())
        },
      },
      /download: curl: \(\d+\) .*/,
    ],
    [
      'a server that has lost it meanwhile',
      { body: userService('v1.1.1'), send: (response) => void response.writeHead(404).end() },
      /download: curl: .*404/,
    ],
    ['no tar archive', { body: Buffer.from('garbage '.repeat(500)) }, /unpack: not a tar archive/],
    ['an absolute member', hostile(file(outside)), /unpack: refused member .*rollcall-hostile/],
    ['a member with ..', hostile(file('../../../escaped')), /unpack: refused member \.\.\/\.\.\/\.\.\/escaped/],
    [
      'a symbolic link that escapes, and a member behind it',
      hostile({ name: 'out', type: '2', link: '../../..' }, file('out/escaped')),
      /unpack: refused member out/,
    ],
    [
      'a hard link that escapes',
      hostile({ name: 'own', type: '1', link: '../v1.0.0/server.mjs' }),
      /unpack: refused member own/,
    ],
    ['a device node', hostile({ name: 'null', type: '3' }), /unpack: refused member null/],
  ])(
    'with %s: the canary stays on the old version, the card says why, and nothing is left behind',
    async (_, body, why) => {
      bot.packages.publish('v1.1.1', body)
      const id = await bot.approved('v1.1.1')
      const { state, hosts } = await bot.reach(id, 'rolled back')
      expect(state).toMatchObject({ by: 'the gate', why: expect.stringMatching(why) })
      expect(await bot.card(id)).toMatch(why)
      expect(await bot.card(id)).toContain('Next: correct it, then /release user-service <version>')
      expect(Object.values(hosts)).toMatchObject([
        { at: 'rolled back', version: 'v1.0.0' },
        { at: 'pending', version: 'v1.0.0' },
      ])
      await untouched()
    },
  )

  describe('that the bot fetches and sends on', () => {
    beforeAll(() => bot.restart({ delivery: 'upload' }))
    afterAll(() => bot.restart({}))

    test('with another body than its checksum says is refused before a host gets it', async () => {
      // Late enough that the host waits for the upload when the line is cut: it has begun a folder by then.
      const send: Package['send'] = (response, body) => void setTimeout(() => response.end(body), 50)
      bot.packages.publish('v1.1.1', { body: userService('v1.1.1'), send, sha256: 'a'.repeat(64) })
      const id = await bot.approved('v1.1.1')
      const { state } = await bot.reach(id, 'rolled back')
      expect(state).toMatchObject({ why: expect.stringMatching(/has the sha256 [0-9a-f]{64}, approved was aaaa/) })
      await untouched()
    })

    test('over a connection that is cut holds and asks, and Retry gets it', async () => {
      const body = userService('v1.1.1')
      bot.packages.publish('v1.1.1', {
        body,
        send: (response) => {
          response.writeHead(200, { 'content-length': body.length })
          response.write(half(body), () => response.destroy())
        },
      })
      const id = await bot.approved('v1.1.1', 'bj-1')
      const { state } = await bot.reach(id, 'held')
      expect(state).toMatchObject({ why: expect.stringMatching(/v1\.1\.1\.tar\.gz could not be fetched/) })
      expect(await bot.card(id)).toContain('check the artifact server, then try again')
      await untouched()
      bot.packages.publish('v1.1.1', { body })
      expect((await bot.press('alice', id, 'release.retry')).ok).toBe(true)
      await bot.promoted(id)
      expect(await bot.running()).toEqual({ ...old, 'bj-1': 'v1.1.1 running' })
      expect(bot.starts('bj-1')).toEqual(['v1.0.0', 'v1.1.1'])
      // Under this name the host has this content now, and no other is put there.
      bot.packages.publish('v1.1.1', { body: userService('v1.1.1', { files: { other: 'content' } }) })
      const again = await bot.approved('v1.1.1', 'sh-1')
      await bot.promoted(again)
      expect(await bot.running()).toEqual({ 'bj-1': 'v1.1.1 running', 'sh-1': 'v1.1.1 running' })
    })
  })
})

describe.skipIf(skipReal)('a disk that is full', () => {
  let bot: Sandbox
  let disk: ReturnType<typeof smallDisk>
  const megabytes = (count: number): Package => ({
    body: gzipSync(tarOf([{ name: 'big', text: '0'.repeat(count * 1_000_000) }])),
  })
  beforeAll(async () => {
    bot = await startSandbox({
      beforeServices: (fleet) => {
        disk = smallDisk(join(fleet.hosts[0]?.root ?? '', 'opt'), 64)
        return disk
      },
    })
  })
  afterAll(async () => {
    await bot?.close()
  })
  const lump = () => join(bot.host('bj-1').root, 'opt/lump')

  test('the canary runs out of it while it expands the archive, or is known not to have enough', async (task) => {
    task.skip(disk === undefined, 'a small disk takes the right to mount one')
    for (const [version, size, why] of [
      ['v1.2.0', 90, /unpack: the archive cannot be expanded: .*No space left on device/],
      ['v1.2.1', 40, /disk: \d+ MB are needed in .*, \d+ MB are free/],
    ] as const) {
      bot.packages.publish(version, megabytes(size))
      const { state } = await bot.reach(await bot.approved(version), 'rolled back')
      expect(state).toMatchObject({ by: 'the gate', why: expect.stringMatching(why) })
      expect(await bot.running()).toEqual(old)
      // The host tidies up after it has told how the job ended.
      await expect.poll(() => bot.leftovers('bj-1'), { timeout: 8000 }).toEqual([])
      expect(readdirSync(join(bot.host('bj-1').root, 'opt/releases/user-service'))).toEqual([
        '.rollcall',
        'current',
        'v1.0.0',
      ])
    }
  })

  test('filled after the approval was asked for: the approval lapses and the card names the host and the megabytes', async (task) => {
    task.skip(disk === undefined, 'a small disk takes the right to mount one')
    bot.packages.publish('v1.2.2', { body: userService('v1.2.2') })
    const id = await bot.request('v1.2.2')
    await bot.reach(id, 'awaiting approval')
    writeFileSync(lump(), Buffer.alloc(40_000_000))
    expect((await bot.press('bob', id, 'release.approve')).ok).toBe(true)
    const { state } = await bot.reach(id, 'refused')
    expect(bot.channel()).toContain('The approval lapsed: the facts have changed since')
    expect(state).toMatchObject({
      why: expect.stringMatching(/^bj-1 has \d+ MB free where 51 MB are needed\.$/),
      next: 'free some disk on bj-1, or lower recipe.keep',
    })
    expect(await bot.running()).toEqual(old)
    rmSync(lump())
    await bot.promoted(await bot.approved('v1.2.2'))
    expect(await bot.running()).toEqual({ 'bj-1': 'v1.2.2 running', 'sh-1': 'v1.2.2 running' })
  })
})
