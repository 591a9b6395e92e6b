import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { didYouMean, suggestion } from '../../src/lib/did-you-mean.ts'

const commands = ['release', 'rollback', 'status', 'hosts', 'help']

describe('didYouMean', () => {
  test.each([
    ['relase', 'release'],
    ['RELEASE', 'release'],
    ['rolback', 'rollback'],
    ['stauts', 'status'],
    ['hlep', 'help'],
    ['host', 'hosts'],
  ])('%s means %s', (input, meant) => expect(didYouMean(input, commands)).toBe(meant))

  test.each(['deploy', 'x', '', 'ab', 'r', 'completely-else'])('%j means nothing here', (input) =>
    expect(didYouMean(input, commands)).toBeUndefined(),
  )

  test('takes the nearest, and of equals the first', () => {
    expect(didYouMean('v1.1.0', ['v1.2.0', 'v1.1.0', 'v1.1.1'])).toBe('v1.1.0')
    expect(didYouMean('v1.1.0', ['v1.2.0', 'v1.1.1'])).toBe('v1.2.0')
  })

  test('answers with a candidate or nothing, and stays quick on long input', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 5000 }), (input) => {
        expect([undefined, ...commands]).toContain(didYouMean(input, commands))
      }),
    )
  })
})

test('suggestion is a sentence to append, or nothing', () => {
  expect(suggestion('relase', commands)).toBe(' Did you mean release?')
  expect(suggestion('zzz', commands)).toBe('')
})
