import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSqliteStore, lockFolder } from '../../../src/adapters/sqlite/index.ts'
import type { Fault } from '../../../src/lib/fault.ts'

describe('the lock on a data folder', () => {
  let folder: string
  const children: ChildProcess[] = []

  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'rollcall-lock-')), 'data')
  })
  afterEach(async () => {
    for (const child of children.splice(0)) await end(child)
    await rm(join(folder, '..'), { recursive: true, force: true })
  })

  const end = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** A process that tries to lock the folder, and its first word. */
  const other = async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'lock-child.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    const [word] = await once(child.stdout, 'data')
    return { child, word: String(word).trim() }
  }

  const refusal = (): Fault => {
    try {
      lockFolder(folder).release()
    } catch (error) {
      return error as Fault
    }
    throw new Error('the lock was given')
  }

  it('creates the folder for its owner only, and is given again after it was released', () => {
    const lock = lockFolder(folder)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'lock.json')).mode & 0o777).toBe(0o600)
    lock.release()
    lock.release()
    lockFolder(folder).release()
  })

  it('is refused to a second process, and to this one', async () => {
    const lock = lockFolder(folder)
    expect((await other()).word).toBe('store.in-use')
    expect(refusal()).toMatchObject({ code: 'store.in-use' })
    lock.release()
    expect((await other()).word).toBe('locked')
  })

  it('says who holds it since when, and what to do', async () => {
    const before = new Date()
    const { child } = await other()
    const fault = refusal()
    expect(fault).toMatchObject({ code: 'store.in-use', data: { pid: child.pid, folder, host: hostname() } })
    expect(fault.message).toContain(`process ${child.pid} since `)
    expect(fault.message).toContain(folder)
    expect(fault.next).toContain(`kill ${child.pid}`)
    const since = Date.parse(String(fault.data.since))
    expect(since).toBeGreaterThanOrEqual(before.getTime())
    expect(since).toBeLessThanOrEqual(Date.now())
  })

  it('is free at once when the process that held it was killed', async () => {
    const { child } = await other()
    expect(refusal().code).toBe('store.in-use')
    await end(child)
    lockFolder(folder).release()
  })

  it.each<[string, (note: string) => void]>([
    ['missing', (note) => rmSync(note)],
    ['not JSON', (note) => writeFileSync(note, '{"pid":')],
    ['of another shape', (note) => writeFileSync(note, '{"pid":"me"}')],
    [
      'of a process that has ended',
      (note) => writeFileSync(note, JSON.stringify({ pid: 2 ** 22 + 1, since: 'x', host: hostname() })),
    ],
  ])('holds when its note is %s', async (_, spoil) => {
    await other()
    spoil(join(folder, 'lock.json'))
    const fault = refusal()
    expect(fault.message).toContain('another process')
    expect(fault.next).not.toContain('kill')
  })

  it('names the machine when the note comes from another one', async () => {
    await other()
    writeFileSync(
      join(folder, 'lock.json'),
      JSON.stringify({ pid: 7, since: '2026-01-01T00:00:00Z', host: 'elsewhere' }),
    )
    expect(refusal()).toMatchObject({
      message: expect.stringContaining('process 7 on elsewhere since 2026'),
      next: expect.not.stringContaining('kill'),
    })
  })

  it('survives a garbage collection and the closing of a store in the folder', async () => {
    const lock = lockFolder(folder)
    const store = await createSqliteStore({ folder })
    await store.insert('things', 'a', { n: 1 })
    readFileSync(join(folder, 'lock.json'))
    await store.close()
    expect((await other()).word).toBe('store.in-use')
    lock.release()
  })

  it('says store.unavailable where no folder can be', () => {
    writeFileSync(join(folder, '..', 'file'), '')
    expect(() => lockFolder(join(folder, '..', 'file', 'data'))).toThrow(
      expect.objectContaining({ code: 'store.unavailable' }),
    )
    expect(existsSync(folder)).toBe(false)
  })
})
