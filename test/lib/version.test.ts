import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareVersions, isVersion, parseVersion } from '../../src/lib/version.ts'

describe('parseVersion', () => {
  test.each(['v1.1.0', '1.0.0-rc.1+build.5', '2026-11-21', 'build_7', 'a'.repeat(64)])('%s is a version', (text) =>
    expect(parseVersion(text)).toBe(text),
  )

  test.each([
    '',
    '../v1',
    'v1/../../etc',
    'v1;rm',
    '-rf',
    'v1 ',
    ' v1',
    'v1..2',
    '.hidden',
    '_x',
    'v1\n',
    'v1\0',
    '版本',
    '$(x)',
    'a'.repeat(65),
  ])('%j is refused with what to do', (text) => {
    expect(isVersion(text)).toBe(false)
    expect(() => parseVersion(text)).toThrow(
      expect.objectContaining({ code: 'version.malformed', next: expect.stringContaining('v1.2.3') }),
    )
  })

  test('what is accepted can be a folder, a path segment of a URL and an argument', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\w.+-]{1,20}$/)), (text) => {
        fc.pre(isVersion(text))
        expect(new URL(`http://h/p/${text}/x`).pathname).toBe(`/p/${text}/x`)
        expect(text).toMatch(/^[^-./\s]/)
      }),
      { numRuns: 500 },
    )
  })
})

describe('compareVersions', () => {
  test.each([
    ['v1.0.0', 'v1.1.0', -1],
    ['v1.10.0', 'v1.9.0', 1],
    ['1.0.0', 'v1.0.0', 0],
    ['v1.0.0-rc.1', 'v1.0.0', -1],
  ] as const)('%s against %s is %i', (a, b, order) => expect(compareVersions(a, b)).toBe(order))

  test('says nothing about versions that are not semantic', () => {
    expect(compareVersions('build_7', 'build_8')).toBeUndefined()
    expect(compareVersions('v1.0', 'v1.0.0')).toBeUndefined()
  })
})
