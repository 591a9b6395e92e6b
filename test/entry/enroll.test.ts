import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { utils } from 'ssh2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type EnrollDeps, enroll, withHostKey } from '../../src/entry/enroll.ts'
import { Fault } from '../../src/lib/fault.ts'

const [key, other] = [newKey(), newKey()]
const text = `# The fleet.
hosts:
  - id: web-1 # the first
    ip: 10.0.0.1   # kept as it is
    user:   deploy

  # Reached through nothing.
  - { id: web-2, ip: 10.0.0.2, user: deploy }
  - ip: 10.0.0.3
    id: "web-3"
    hostKey: ${other} # pinned in May
bastions:
- id: jump
  ip: 10.0.0.9
`

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'enroll-'))
  file = join(folder, 'rollcall.yaml')
  writeFileSync(file, text)
})
afterEach(() => rmSync(folder, { recursive: true }))

function deps(part: Partial<EnrollDeps> = {}) {
  const said: string[] = []
  const questions: string[] = []
  const all: EnrollDeps = {
    file,
    hosts: [{ id: 'web-1' }, { id: 'web-2' }, { id: 'web-3', hostKey: other }, { id: 'jump' }],
    scan: async () => [{ line: key }],
    confirm: async (question) => {
      questions.push(question)
      return true
    },
    write: (line) => void said.push(line),
    ...part,
  }
  return { all, questions, said: () => said.join('') }
}
const configured = (id: string) => {
  const { hosts, bastions } = parse(readFileSync(file, 'utf8')) as Record<string, { id: string; hostKey?: string }[]>
  return [...(hosts ?? []), ...(bastions ?? [])].find((host) => host.id === id)?.hostKey
}

describe('enroll', () => {
  test('shows the fingerprint as OpenSSH does, asks, and pins', async () => {
    const { all, questions, said } = deps()
    expect(await enroll(all, ['web-1'])).toEqual({ 'web-1': 'pinned' })
    expect(said()).toMatch(/web-1 presents\n {2}ssh-ed25519 SHA256:[A-Za-z0-9+/]{43}\n/)
    expect(questions).toEqual([expect.stringMatching(/^Trust SHA256:.* for web-1\?/)])
    expect(configured('web-1')).toBe(key)
    expect(configured('web-2')).toBeUndefined()
  })

  test('writes nothing when the answer is no', async () => {
    expect(await enroll(deps({ confirm: async () => false }).all, ['web-1', 'web-2'])).toEqual({
      'web-1': 'declined',
      'web-2': 'declined',
    })
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  test('with yes asks nothing; without ids takes every host', async () => {
    const { all, questions } = deps()
    expect(await enroll(all, [], { yes: true })).toEqual({
      'web-1': 'pinned',
      'web-2': 'pinned',
      'web-3': 'changed',
      jump: 'pinned',
    })
    expect(questions).toEqual([])
    expect([configured('web-1'), configured('web-2'), configured('web-3'), configured('jump')]).toEqual([
      key,
      key,
      other,
      key,
    ])
  })

  test('never replaces a changed key by yes alone, and says how to', async () => {
    const { all, said } = deps()
    expect(await enroll(all, ['web-3'], { yes: true })).toEqual({ 'web-3': 'changed' })
    expect(said()).toContain('CHANGED')
    expect(said()).toContain('rollcall enroll --replace web-3')
    expect(readFileSync(file, 'utf8')).toBe(text)
    expect(await enroll(all, ['web-3'], { replace: true })).toEqual({ 'web-3': 'replaced' })
    expect(readFileSync(file, 'utf8')).toBe(text.replace(other, key))
  })

  test('a pinned key that is presented is left alone, also when only its fingerprint is pinned', async () => {
    const { all, said } = deps({ scan: async () => [{ line: key }, { line: `${other} root@web-3` }] })
    expect(await enroll(all, ['web-3'])).toEqual({ 'web-3': 'unchanged' })
    const fingerprint = /SHA256:\S+/.exec(said())?.[0] ?? ''
    const pinned = deps({ hosts: [{ id: 'web-1', hostKey: fingerprint }], scan: all.scan }).all
    expect(await enroll(pinned, [])).toEqual({ 'web-1': 'unchanged' })
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  test('prefers ed25519 among several keys', async () => {
    const rsa = `ssh-rsa ${'A'.repeat(372)}`
    await enroll(deps({ scan: async () => [{ line: rsa }, { line: key }] }).all, ['web-1'])
    expect(configured('web-1')).toBe(key)
  })

  test('a host that fails does not stop the others, and what it presents is not trusted to be a key', async () => {
    const scan = async (id: string) => {
      if (id === 'web-1') throw new Fault('target.unreachable', { say: 'web-1 did not answer', next: 'check it' })
      return id === 'jump' ? [] : [{ line: id === 'web-2' ? 'ssh-ed25519 x\nevil: true' : key }]
    }
    const { all, said } = deps({ scan, hosts: [{ id: 'web-1' }, { id: 'web-2' }, { id: 'jump' }, { id: 'web-3' }] })
    expect(await enroll(all, [], { yes: true })).toEqual({
      'web-1': 'failed',
      'web-2': 'failed',
      jump: 'failed',
      'web-3': 'pinned',
    })
    expect(said()).toContain('web-1 did not answer Next: check it')
    expect(readFileSync(file, 'utf8')).not.toContain('evil')
  })

  test('an unknown host is refused before any host is asked', async () => {
    let scans = 0
    const scan = async () => {
      scans++
      return []
    }
    await expect(enroll(deps({ scan }).all, ['web-1', 'wbe-2'])).rejects.toMatchObject({
      code: 'enroll.unknown-host',
      message: expect.stringContaining('Did you mean web-2?'),
    })
    expect(scans).toBe(0)
  })

  test('keeps mode and symbolic link of the file and leaves nothing beside it', async () => {
    chmodSync(file, 0o640)
    const link = join(folder, 'link.yaml')
    symlinkSync(file, link)
    await enroll(deps({ file: link }).all, ['web-1'], { yes: true })
    expect(statSync(file).mode & 0o777).toBe(0o640)
    expect(configured('web-1')).toBe(key)
    expect(readdirSync(folder).sort()).toEqual(['link.yaml', 'rollcall.yaml'])
  })
})

describe('withHostKey', () => {
  test('adds one line and changes no other byte, in block and in flow style', () => {
    expect(withHostKey(text, 'web-1', key)).toBe(text.replace('# the first\n', `# the first\n    hostKey: ${key}\n`))
    expect(withHostKey(text, 'web-2', key)).toBe(text.replace('{ id: web-2,', `{ id: web-2, hostKey: ${key},`))
    expect(withHostKey(text, 'web-3', key)).toBe(text.replace(other, key))
    expect(withHostKey(text, 'jump', key)).toBe(text.replace('id: jump\n', `id: jump\n  hostKey: ${key}\n`))
    expect(withHostKey(text, 'nobody', key)).toBeUndefined()
  })

  test('copes with files of other systems and without a last line feed', () => {
    const crlf = 'hosts:\r\n  - id: a\r\n    ip: x\r\n'
    expect(withHostKey(crlf, 'a', key)).toBe(`hosts:\r\n  - id: a\r\n    hostKey: ${key}\r\n    ip: x\r\n`)
    expect(withHostKey('hosts:\n  - id: a', 'a', key)).toBe(`hosts:\n  - id: a\n    hostKey: ${key}`)
  })

  test('says the same as before but for the key, whatever the values are', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.record({ a: fc.string() }))
    const hosts = fc.array(fc.dictionary(fc.constantFrom('ip', 'user', 'note', 'hostKey', 'labels'), value), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(hosts, fc.boolean(), fc.nat(3), (list, flow, pick) => {
        const items = list.map((item, i) => ({ ...item, id: `h${i}` }))
        const id = `h${pick % items.length}`
        const source = flow
          ? JSON.stringify({ hosts: items })
          : items
              .map(
                (item) =>
                  `  - ${Object.entries(item)
                    .map(([k, v]) => `${k}: ${JSON.stringify(v)}`)
                    .join('\n    ')}\n`,
              )
              .reduce((all, each) => all + each, 'hosts:\n')
        const expected = items.map((item) => (item.id === id ? { ...item, hostKey: key } : item))
        expect(parse(withHostKey(source, id, key) ?? '')).toEqual({ hosts: expected })
      }),
    )
  })
})

/** `ssh-ed25519 AAAA...` of a key pair made now. */
function newKey(): string {
  const { public: line } = utils.generateKeyPairSync('ed25519')
  return line.split(' ').slice(0, 2).join(' ')
}
