import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pinsIn } from '../../src/config/pins.ts'

const [a, b, c] = ['A', 'B', 'C'].map((letter) => `SHA256:${letter.repeat(43)}`)

let folder: string
let file: string
const logged: unknown[][] = []
const log = { warn: (...line: unknown[]) => void logged.push(line) }
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-pins-'))
  file = join(folder, 'rollcall.yaml')
  logged.length = 0
})
afterEach(() => rmSync(folder, { recursive: true }))

/** As `rollcall enroll` does it. */
function pin(hosts: object[], more: object = {}) {
  writeFileSync(`${file}.tmp`, JSON.stringify({ hosts, ...more }))
  renameSync(`${file}.tmp`, file)
}

test('a key that was pinned since is given and logged; one that was refused already is not', async () => {
  pin([{ id: 'web-1', hostKey: a }])
  const pins = pinsIn(file, log)
  expect(await pins('web-1', a)).toBeUndefined()
  expect(logged).toEqual([])
  pin([{ id: 'web-1', hostKey: b }], { bastions: [{ id: 'jump', hostKey: c }] })
  expect(await pins('web-1', a)).toBe(b)
  expect(await pins('jump', undefined)).toBe(c)
  expect(await pins('web-9', undefined)).toBeUndefined()
  expect(logged).toEqual([
    [{ host: 'web-1', file, pinned: b, before: a }, 'host key re-read from the configuration'],
    [{ host: 'jump', file, pinned: c, before: undefined }, 'host key re-read from the configuration'],
  ])
})

test('a mistake elsewhere in the file, or in another key, keeps nobody from being pinned; a malformed key pins nothing', async () => {
  pin([{ id: 'web-1', hostKey: 'ssh-ed25519' }, { name: 'web-2' }, { id: 'web-3', hostKey: b, ip: 7 }], { people: 3 })
  const pins = pinsIn(file, log)
  expect(await pins('web-1', a)).toBeUndefined()
  expect(await pins('web-3', a)).toBe(b)
})

test('a file that is gone or broken pins nothing, says so without quoting it, and is read again when it is whole', async () => {
  const pins = pinsIn(file, log)
  expect(await pins('web-1', a)).toBeUndefined()
  writeFileSync(file, 'hosts: "hunter2')
  expect(await pins('web-1', a)).toBeUndefined()
  expect(logged).toHaveLength(2)
  expect(JSON.stringify(logged)).not.toContain('hunter2')
  pin([{ id: 'web-1', hostKey: b }])
  expect(await pins('web-1', a)).toBe(b)
})
