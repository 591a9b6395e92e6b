import { describe, expect, it } from 'vitest'
import { begin, look, readLines, remember } from '../../src/web/views/channel/typed.ts'

describe('what was typed before', () => {
  it('comes back line by line, and what was being written after the newest', () => {
    const start = begin(['one', 'two'])
    const back = look(start, -1, 'draft')
    expect(back?.text).toBe('two')
    const further = look(back?.typed ?? start, -1, 'two')
    expect(further?.text).toBe('one')
    expect(look(further?.typed ?? start, -1, 'one')).toBeUndefined()
    const on = look(further?.typed ?? start, 1, 'one')
    expect(on?.text).toBe('two')
    expect(look(on?.typed ?? start, 1, 'two')?.text).toBe('draft')
  })

  it('does not take the key where there is nothing further', () => {
    expect(look(begin([]), -1, '')).toBeUndefined()
    expect(look(begin(['one']), 1, '')).toBeUndefined()
  })

  it('keeps one of the same line in a row, and the newest fifty', () => {
    expect(remember(['a'], 'a')).toEqual(['a'])
    expect(remember(['a', 'b'], 'a')).toEqual(['a', 'b', 'a'])
    const many = Array.from({ length: 50 }, (_, index) => `line ${index}`)
    expect(remember(many, 'new')).toHaveLength(50)
    expect(remember(many, 'new').at(-1)).toBe('new')
  })

  it('counts as nothing when what is kept is no list of lines', () => {
    expect(readLines(null)).toEqual([])
    expect(readLines('{')).toEqual([])
    expect(readLines('{"a":1}')).toEqual([])
    expect(readLines('["a", 1]')).toEqual(['a'])
  })
})
