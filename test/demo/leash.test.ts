import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { leash } from '../../src/demo/leash.ts'
import { alive, endNow } from '../../src/demo/processes.ts'
import { until } from './until.ts'

let folder: string
let log: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-leash-'))
  log = join(folder, 'log')
})
afterAll(() => rmSync(folder, { recursive: true }))

test('the program runs under the id that is given, with its output in the log, and ends with stop', async () => {
  const held = await leash('sh', ['-c', 'echo "I am $$"; exec sleep 300'], log)
  await until('it says who it is', () => readFileSync(log, 'utf8').includes(`I am ${held.pid}\n`))
  expect(held.pids.every(alive)).toBe(true)
  await held.stop()
  await held.stop()
  expect(held.pids.filter(alive)).toEqual([])
})

test('a program that ignores SIGTERM is killed after a while', async () => {
  const held = await leash('sh', ['-c', 'trap "" TERM; echo deaf; while :; do sleep 0.2; done'], log)
  await until('it ignores the signal', () => readFileSync(log, 'utf8').includes('deaf\n'))
  await held.stop()
  expect(held.pids.filter(alive)).toEqual([])
})

test('the end of the program is seen', async () => {
  const held = await leash('sh', ['-c', 'exit 3'], log)
  await until('it has ended', held.exited)
  await held.stop()
})

test('the program ends when its owner is killed', async () => {
  const module = JSON.stringify(new URL('../../src/demo/leash.ts', import.meta.url).href)
  const script = `
    const { leash } = await import(${module})
    const held = await leash('sleep', ['300'], ${JSON.stringify(log)})
    console.log(held.pids.join(' '))
    setInterval(() => {}, 1000)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pids = await new Promise<number[]>((resolve) =>
    createInterface({ input: owner.stdout }).once('line', (line) => resolve(line.split(' ').map(Number))),
  )
  expect(pids.every(alive)).toBe(true)
  owner.kill('SIGKILL')
  try {
    await until('both are gone', () => !pids.some(alive))
  } finally {
    for (const pid of pids.filter(alive)) endNow(pid)
  }
})
