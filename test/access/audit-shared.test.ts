import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAudit } from '../../src/access/audit.ts'
import { AUDIT_STREAM } from '../../src/access/audit-chain.ts'
import { agreeOnAuditKey } from '../../src/access/audit-key.ts'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Store } from '../../src/ports/store.ts'
import { createMemoryStore } from '../fakes/memory-store.ts'

const run = promisify(execFile)
const ENTRIES = 200
const clock = () => new Date()
const log = createLog({ level: 'silent' })

describe('two processes that write one audit log', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-audit-shared-'))
    // One of them makes the database: two at once would race for it.
    await (await createSqliteStore({ folder: join(folder, 'store') })).close()
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const write = async (name: string, key: string) => {
    const argv = [join(import.meta.dirname, 'audit-child.ts'), join(folder, 'store'), join(folder, name), name]
    const { stdout } = await run(process.execPath, [...argv, String(ENTRIES)], {
      env: { ...process.env, ROLLCALL_AUDIT_KEY: key },
    })
    return JSON.parse(stdout) as unknown
  }

  test('at the same time leave one whole chain with every entry once, and each finds its own head in it', async () => {
    const key = randomBytes(32).toString('hex')
    const answers = await Promise.all(['a', 'b'].map((name) => write(name, key)))
    expect(answers).toEqual(answers.map(() => ({ written: ENTRIES, stands: true, ok: true })))
    const store = await createSqliteStore({ folder: join(folder, 'store') })
    try {
      const audit = createAudit({ store, key: Buffer.from(key, 'hex'), clock, log })
      expect(await audit.verify()).toMatchObject({ ok: true, entries: 2 * ENTRIES })
      const seen = (await store.read(AUDIT_STREAM)).map(({ entry }) => {
        const { who, target } = entry as { who: string; target: string }
        return `${who} ${target}`
      })
      expect(new Set(seen).size).toBe(2 * ENTRIES)
    } finally {
      await store.close()
    }
  })

  test('with two keys: the second is told how to have the same, and adds nothing', async () => {
    const first = randomBytes(32).toString('hex')
    await write('a', first)
    const second = randomBytes(32).toString('hex')
    const error = await write('b', second).catch((failed: { stderr: string }) => failed)
    expect(error).toHaveProperty('stderr', expect.stringContaining('begun with another key'))
    expect(error).toHaveProperty('stderr', expect.not.stringContaining(second))
    const store = await createSqliteStore({ folder: join(folder, 'store') })
    try {
      const audit = createAudit({ store, key: Buffer.from(first, 'hex'), clock, log })
      expect(await audit.verify()).toMatchObject({ ok: true, entries: ENTRIES })
    } finally {
      await store.close()
    }
  })
})

describe('the key of an audit log', () => {
  const [one, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  const note = async (store: Store, key: Buffer, times = 1): Promise<void> => {
    const audit = createAudit({ store, key, clock, log })
    for (let n = 0; n < times; n++) {
      await audit.note({ who: 'alice', from: { surface: 'test' }, action: 'a.b', target: 't', result: 'done' })
    }
  }
  const differs = expect.objectContaining({ code: 'access.audit-key-differs' })

  test('is that of the first who comes, before there is any entry', async () => {
    const store = createMemoryStore()
    await agreeOnAuditKey(store, one)
    await agreeOnAuditKey(store, one)
    await expect(agreeOnAuditKey(store, other)).rejects.toEqual(differs)
  })

  test('of two who come at the same time, one is the first', async () => {
    const store = createMemoryStore()
    const all = await Promise.allSettled([one, other].map((key) => agreeOnAuditKey(store, key)))
    expect(all.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('of a chain from before is the one that the chain was made with', async () => {
    const store = createMemoryStore()
    await note(store, one, 3)
    await expect(agreeOnAuditKey(store, other)).rejects.toEqual(differs)
    await agreeOnAuditKey(store, one)
  })

  test('is known from an earlier entry when the last was changed: that is for the verification to say', async () => {
    const store = createMemoryStore()
    await note(store, one, 3)
    await store.append(AUDIT_STREAM, {
      at: '',
      who: 'x',
      from: 'x',
      action: 'x',
      target: 'x',
      result: 'done',
      mac: 'x',
    })
    await agreeOnAuditKey(store, one)
    await expect(agreeOnAuditKey(store, other)).rejects.toEqual(differs)
  })

  test('does not lie in the store', async () => {
    const store = createMemoryStore()
    await agreeOnAuditKey(store, one)
    expect(JSON.stringify(await store.find('audit-keys'))).not.toContain(one.toString('hex'))
  })
})
