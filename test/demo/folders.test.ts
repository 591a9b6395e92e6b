import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keepFolder, leaveFolder, ownFolder, sweep } from '../../src/demo/folders.ts'

let parent: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'rollcall-folders-'))
})
afterEach(() => rmSync(parent, { recursive: true }))

/** The folder of a demo that was killed as soon as it had one. */
async function killed(): Promise<string> {
  const text = `
    import { ownFolder } from ${JSON.stringify(resolve('src/demo/folders.ts'))}
    console.log(await ownFolder(${JSON.stringify(parent)}))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [folder] = await once(createInterface({ input: child.stdout }), 'line')
  child.kill('SIGKILL')
  await once(child, 'exit')
  return String(folder)
}

test('a demo that was killed right after it had made its folder leaves one that the next removes', async () => {
  const left = await killed()
  writeFileSync(join(left, 'fleet.log'), '')
  const own = await ownFolder(parent)
  const other = join(parent, 'rollcall-demo-notes')
  mkdirSync(other)
  await sweep(parent)
  expect(existsSync(left)).toBe(false)
  expect(existsSync(own)).toBe(true)
  expect(existsSync(other)).toBe(true)
})

test('a folder that somebody wants to look into stays', async () => {
  const left = await killed()
  await keepFolder(left)
  await sweep(parent)
  expect(existsSync(left)).toBe(true)
})

test('a bring-up that failed leaves its logs, or nothing', async () => {
  const [bare, logged] = [await killed(), await killed()]
  writeFileSync(join(logged, 'fleet.log'), 'why')
  for (const folder of [bare, logged, join(parent, 'gone')]) await leaveFolder(folder)
  await sweep(parent)
  expect(existsSync(bare)).toBe(false)
  expect(readdirSync(logged).sort()).toEqual(['fleet.log', 'kept'])
})
