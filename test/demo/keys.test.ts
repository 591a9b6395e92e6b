import ssh2 from 'ssh2'
import { expect, test } from 'vitest'
import { newKeyPair } from '../../src/demo/keys.ts'

test('every key pair can be read again: the generator of the library fails one in 256', () => {
  for (let i = 0; i < 1200; i++) {
    const pair = newKeyPair()
    expect(ssh2.utils.parseKey(pair.private)).not.toBeInstanceOf(Error)
    expect(ssh2.utils.parseKey(pair.public)).not.toBeInstanceOf(Error)
  }
})
