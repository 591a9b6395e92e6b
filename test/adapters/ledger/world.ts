import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { createSqliteStore } from '../../../src/adapters/sqlite/index.ts'
import type { Store } from '../../../src/ports/store.ts'
import type { ChildOptions } from './child.ts'

interface Line {
  pid: number
  point?: string
  effect?: string
  flow?: string
  opened?: boolean
  closed?: boolean
  signal?: string
  result?: { input: { id: string }; token: number; deployed: string[]; mail: string[]; nothing: boolean }
}

type Mark = { is: string; name: string; mail?: number }

/** A data folder, the processes that work on it, and what can be said about it afterwards. */
export async function createKillWorld() {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-kill-'))
  const log = join(folder, 'effects.log')
  const children = new Set<ChildProcess>()

  const lines = (): Line[] => {
    if (!existsSync(log)) return []
    const text = readFileSync(log, 'utf8')
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]))
  }

  const start = (options: Omit<ChildOptions, 'folder' | 'log'>) => {
    const all: ChildOptions = { folder, log, ...options }
    const child = spawn(process.execPath, [join(import.meta.dirname, 'child.ts'), JSON.stringify(all)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    children.add(child)
    let errors = ''
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    const ended = once(child, 'close').then(() => ({ code: child.exitCode, signal: child.signalCode, errors }))
    return { child, ended }
  }

  const withStore = async <T>(work: (store: Store) => Promise<T>): Promise<T> => {
    const store = await createSqliteStore({ folder })
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  }

  /** The journal of a flow: entries as they stand. */
  const journal = (store: Store, id: string) =>
    store
      .read(`flow/${id}`)
      .then((entries) =>
        entries.map(({ seq, entry }) => ({ seq, ...(entry as { claim?: string; fence?: number; marks?: Mark[] }) })),
      )

  /** How often each recorded step's effect has run so far: later it must not have run once more. */
  const recordedEffects = (ids: string[]) =>
    withStore(async (store) => {
      const counts = new Map<string, number>()
      const effects = lines().filter((line) => line.effect !== undefined)
      for (const id of ids) {
        const marks = (await journal(store, id)).flatMap((entry) => entry.marks ?? [])
        for (const mark of marks.filter(({ is }) => is === 'step')) {
          counts.set(
            `${id} ${mark.name}`,
            effects.filter((line) => line.flow === id && line.effect === mark.name).length,
          )
        }
      }
      return counts
    })

  return {
    folder,
    lines,
    start,
    recordedEffects,

    /** Every flow came to its end with the right result, nothing was recorded twice, and no fenced owner wrote. */
    async expectAllRight(ids: string[], recordedBefore: Map<string, number>[]) {
      const all = lines()
      const effects = new Map<string, number>()
      for (const { effect, flow } of all) {
        if (effect !== undefined) effects.set(`${flow} ${effect}`, (effects.get(`${flow} ${effect}`) ?? 0) + 1)
      }
      for (const recorded of recordedBefore) {
        for (const [step, count] of recorded) expect({ step, count: effects.get(step) ?? 0 }).toEqual({ step, count })
      }
      await withStore(async (store) => {
        for (const id of ids) {
          for (const step of ['token', 'deploy web-1', 'deploy web-2', 'deploy web-3']) {
            expect({ id, step, ran: (effects.get(`${id} ${step}`) ?? 0) > 0 }).toEqual({ id, step, ran: true })
          }
          expect(effects.get(`${id} flaky`) ?? 0).toBeGreaterThanOrEqual(2)
          expect((await store.get('flows', id))?.document).toMatchObject({ state: 'done', phase: 'reported' })

          const results = all.flatMap((line) => (line.flow === id && line.result ? [line.result] : []))
          const { token } = results[0] ?? { token: 0 }
          expect(results.length).toBeGreaterThan(0)
          for (const result of results) {
            expect(result).toEqual({
              input: { id },
              token,
              deployed: [`web-1 ${token}`, 'deploy.failed', `web-3 ${token}`],
              mail: [`one for ${id}`, `two for ${id}`],
              nothing: true,
            })
          }

          const entries = await journal(store, id)
          const names = entries.flatMap(({ marks }) => (marks ?? []).map(({ is, name }) => `${is} ${name}`))
          expect(names.toSorted()).toEqual([...new Set(names)].toSorted())
          let fence = -1
          for (const entry of entries) {
            if (entry.claim !== undefined) fence = entry.seq
            else expect({ id, seq: entry.seq, fence: entry.fence }).toEqual({ id, seq: entry.seq, fence })
          }
        }
      })
    },

    async dispose() {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        child.kill('SIGKILL')
        await once(child, 'close')
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export type KillWorld = Awaited<ReturnType<typeof createKillWorld>>
