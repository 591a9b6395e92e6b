import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Report } from '../../src/incident/report.ts'
import type { Post } from '../../src/ports/chat.ts'
import { type Asked, type ModelServer, startModelServer } from '../servers/model.ts'
import type { ChildOrder } from './diagnosis-child.ts'

const content = '【Summary】\nErrors at 18.3 %.\n【Root cause】\nUnknown.\n【Impact】\nUnknown.\n【Next steps】\nLook.'
const QUERIES = [['a', 'b'], ['c'], []]

interface End {
  code: number | null
  signal: string | null
  out: string
  err: string
}

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'rollcall-kill-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

function child(order: ChildOrder): Promise<End> {
  const run = spawn(process.execPath, [join(import.meta.dirname, 'diagnosis-child.ts'), JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  run.stdout.on('data', (chunk) => (out += chunk))
  run.stderr.on('data', (chunk) => (err += chunk))
  const timer = setTimeout(() => run.kill('SIGKILL'), 60_000)
  return new Promise((resolve) => {
    run.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, out, err })
    })
  })
}

/** Three calls of the model: two that want tools, one that answers. Which one it is shows in what was said before. */
async function startServer(): Promise<ModelServer & { steps: number[] }> {
  const steps: number[] = []
  const server = await startModelServer((asked) => {
    const step = stepOf(asked)
    steps.push(step)
    const queries = QUERIES[step - 1] ?? []
    return queries.length === 0
      ? { text: JSON.stringify({ promQL: ['sum by (host) (errors)'], content }) }
      : { calls: queries.map((query) => ({ name: 'execute_query', arguments: { query } })) }
  })
  return Object.assign(server, { steps })
}

const stepOf = ({ turns }: Asked) => turns.filter(({ role }) => role === 'assistant').length + 1
const times = <T>(list: T[], item: T) => list.filter((each) => each === item).length

/** A diagnosis killed at a point (or at none), and gone on with to its end. */
async function killedAt(point: string | undefined, name: string) {
  const folder = join(root, name)
  mkdirSync(folder)
  const server = await startServer()
  const calls = join(folder, 'calls')
  const points = join(folder, 'points')
  const posts = join(folder, 'posts')
  const order: ChildOrder = {
    folder: join(folder, 'data'),
    model: { url: server.url, key: server.key },
    calls,
    posts,
    points,
  }
  mkdirSync(order.folder)
  try {
    if (point !== undefined) {
      const killed = await child({ ...order, killAt: point })
      if (killed.signal !== 'SIGKILL') throw new Error(`${point}: not killed: ${killed.err}`)
    }
    const before = existsSync(points) ? readFileSync(points, 'utf8').split('\n') : []
    const end = await child(order)
    if (end.code !== 0) throw new Error(`${point}: ${end.err}`)
    const called = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []
    const result = JSON.parse(end.out) as { report: Report; versions: number }
    const shown = readFileSync(posts, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Post)
    const message = shown.findLast(({ key }) => key === 'A-1/report/1')?.message
    return {
      title: message?.title,
      buttons: message?.buttons.length,
      ...result,
      steps: server.steps,
      called,
      before,
      points: readFileSync(points, 'utf8').trim().split('\n'),
    }
  } finally {
    await server.close()
  }
}

test('a diagnosis that is killed at any point goes on behind it, and no finished step is paid for twice', {
  timeout: 300_000,
}, async () => {
  const whole = await killedAt(undefined, 'whole')
  expect(whole.steps).toEqual([1, 2, 3])
  expect(whole.called).toHaveLength(3)
  expect(whole.report).toMatchObject({
    id: 'R-7/1',
    status: 'completed',
    by: 'model',
    steps: 3,
    tools: { execute_query: 3 },
  })
  const wanted = /^(before|after|journaled) diagnosis:(model|tool) |^(after|journaled) diagnosis:/
  const points = [...new Set(whole.points)].filter((point) => wanted.test(point))
  expect(points.length).toBeGreaterThan(40)
  const limit = pLimit(3)
  const ends = await Promise.allSettled(
    points.map((point, n) =>
      limit(async () => {
        const run = await killedAt(point, `kill-${n}`)
        expect(run.versions, point).toBe(1)
        expect(run.report, point).toMatchObject({
          id: 'R-7/1',
          status: 'completed',
          by: 'model',
          tokens: { output: whole.report.tokens.output },
          steps: 3,
          numbers: whole.report.numbers,
          queries: whole.report.queries,
        })
        expect({ title: run.title, buttons: run.buttons }, point).toEqual({ title: whole.title, buttons: 1 })
        for (const step of [1, 2, 3]) {
          const finished = run.before.includes(`journaled diagnosis:model ${step}`)
          expect(times(run.steps, step), `${point}: model ${step}`).toBeLessThanOrEqual(finished ? 1 : 2)
          expect(times(run.steps, step), `${point}: model ${step}`).toBeGreaterThanOrEqual(1)
        }
        const again = run.called.length - new Set(run.called).size
        expect(again, point).toBeLessThanOrEqual(
          /(before|after) diagnosis:tool|after diagnosis:tool/.test(point)
            ? 2
            : /journaled diagnosis:tool/.test(point)
              ? 1
              : 0,
        )
        expect(run.report.pictures, point).toHaveLength(whole.report.pictures.length)
      }),
    ),
  )
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  process.stdout.write(`killed at ${points.length} points, all went on\n`)
})
