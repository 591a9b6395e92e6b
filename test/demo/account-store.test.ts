import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AccountStore, startAccountStore } from '../../src/demo/account-store.ts'
import { alive } from '../../src/demo/processes.ts'

describe('account-store', () => {
  let folder: string
  let store: AccountStore

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rollcall-store-'))
    store = await startAccountStore({ folder })
  })
  afterAll(async () => {
    await store?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const asked = async () => (await fetch(store.url, { signal: AbortSignal.timeout(2000) })).status
  const metrics = async () => (await fetch(new URL('/metrics', store.url))).text()

  test('answers, and counts what it answers under its own name and instance', async () => {
    expect(await asked()).toBe(200)
    expect(await metrics()).toContain(
      'http_requests_total{service="account-store",version="v3.4.0",host="store-1",code="200"} 1\n',
    )
    expect(await metrics()).not.toContain('user-service')
  })

  test('stopped it is gone; started again it answers at the same address, as a new process', async () => {
    const pids = store.pids()
    expect(pids.every(alive)).toBe(true)
    await store.stop()
    expect(store.running()).toBe(false)
    expect(pids.filter(alive)).toEqual([])
    await expect(asked()).rejects.toThrow()
    await store.start()
    expect(store.running()).toBe(true)
    expect(await asked()).toBe(200)
    expect(store.pids().some((pid) => pids.includes(pid))).toBe(false)
  })

  test('stop and start may be said twice and at once: what was said last holds', async () => {
    await Promise.all([store.stop(), store.stop(), store.start(), store.start()])
    expect(await asked()).toBe(200)
    const pids = store.pids()
    await store.start()
    expect(store.pids()).toEqual(pids)
    await Promise.all([store.start(), store.stop()])
    expect(store.running()).toBe(false)
    await store.start()
  })
})
