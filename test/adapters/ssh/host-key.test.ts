import { describe, expect, test } from 'vitest'
import { bastionSchema, hostSchema, sshOptionsSchema } from '../../../src/adapters/ssh/config.ts'
import { offersFor, parsePin, presented } from '../../../src/adapters/ssh/host-key.ts'

// github.com's published ed25519 host key and its published fingerprint.
const line = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
const fingerprint = 'SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU'

describe('host keys', () => {
  test('a line and its fingerprint are the same pin', () => {
    expect(parsePin(line)).toEqual({ type: 'ssh-ed25519', fingerprint })
    expect(parsePin(`  ${line} comment here`).fingerprint).toBe(fingerprint)
    expect(parsePin(`${fingerprint}=`)).toEqual({ fingerprint })
  })

  test('a presented key is shown as it would be pinned', () => {
    const blob = Buffer.from(line.split(' ')[1]!, 'base64')
    expect(presented(blob)).toEqual({ type: 'ssh-ed25519', line, fingerprint })
    expect(presented(Buffer.from([1, 2])).type).toBe('')
    expect(presented(Buffer.from([0, 0, 255, 255, 1])).type).toBe('?')
  })

  test('the pinned type is asked for first, and nothing that the client would take is left out', () => {
    const all = offersFor(undefined)[0]!
    expect(all[0]).toBe('ssh-ed25519')
    expect(offersFor({ fingerprint, type: 'ecdsa-sha2-nistp384' })[0]![0]).toBe('ecdsa-sha2-nistp384')
    expect(offersFor({ fingerprint, type: 'ssh-rsa' })[0]!.slice(0, 3)).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-rsa',
    ])
    for (const type of ['ssh-ed25519', 'ssh-rsa']) {
      const [offer, ...more] = offersFor({ fingerprint, type })
      expect(more).toEqual([])
      expect([...offer!].sort()).toEqual([...all].sort())
    }
  })

  test('a bare fingerprint is looked for in every family', () => {
    expect(offersFor({ fingerprint }).flat().sort()).toEqual([...offersFor(undefined)[0]!].sort())
    expect(offersFor({ fingerprint })).toHaveLength(3)
  })
})

describe('the configuration of a host', () => {
  const host = { id: 'web-1', ip: '10.0.0.1', user: 'deploy', key: '~/.ssh/id_ed25519', hostKey: line }

  test('defaults', () => {
    expect(hostSchema.parse(host)).toEqual({ ...host, port: 22, agent: false, region: '', labels: {} })
    expect(sshOptionsSchema.parse({})).toMatchObject({ connectSeconds: 10, startsAtOnce: 16, keepaliveSeconds: 10 })
  })

  test.each([
    ['an id that is an option', { id: '-web' }],
    ['an id with a slash', { id: 'web/1' }],
    ['an id that is too long', { id: 'w'.repeat(65) }],
    ['a user that is an option', { user: '-oProxyCommand=x' }],
    ['an address that is an option', { ip: '-x' }],
    ['a port out of range', { port: 70000 }],
    ['no key and no agent', { key: undefined }],
    ['a key and an agent', { agent: true }],
    ['a host key that is none', { hostKey: 'AAAA' }],
    ['a key that nobody knows', { hostkey: line }],
  ])('%s is refused', (_, wrong) => {
    expect(hostSchema.safeParse({ ...host, ...wrong }).success).toBe(false)
  })

  test('a fingerprint, an agent and a bastion are fine', () => {
    expect(hostSchema.safeParse({ ...host, hostKey: fingerprint, bastion: 'jump' }).success).toBe(true)
    expect(hostSchema.safeParse({ ...host, key: undefined, agent: true }).success).toBe(true)
    expect(bastionSchema.safeParse(host).success).toBe(true)
    expect(bastionSchema.safeParse({ ...host, bastion: 'other' }).success).toBe(false)
  })
})
