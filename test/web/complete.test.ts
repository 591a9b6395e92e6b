import { describe, expect, it } from 'vitest'
import type { CommandsView } from '../../src/ports/console.ts'
import { accept, complete, formOf, STORY } from '../../src/web/views/channel/complete.ts'

const view: CommandsView = {
  commands: [
    {
      name: 'release',
      summary: 'prepare a release, or steer one',
      usage: ['<service> <version> [host …]', '<approve|pause|abort> <service or R-number>'],
      flags: { hosts: '<a,b,…>  only these hosts', 'override-freeze': ' release in a freeze window' },
      allowed: true,
    },
    {
      name: 'status',
      summary: 'what is going on',
      usage: ['', '<R-number or service>', '<host>'],
      flags: { json: ' as JSON' },
      allowed: true,
    },
    { name: 'rollback', summary: 'take back', usage: ['<service or R-number>'], flags: {}, allowed: false },
    { name: 'hosts', summary: 'asks the hosts', usage: ['', '<service> [host …]'], flags: {}, allowed: true },
    { name: 'help', summary: 'what can be typed', usage: ['', '<command>'], flags: {}, allowed: true },
  ],
  verbs: ['approve', 'pause', 'abort'],
  services: ['order-service', 'user-service'],
  hosts: ['bj-1', 'bj-2', 'sh-1'],
  releases: ['R-7'],
  versions: { 'user-service': ['v1.1.0', 'v1.0.0'], 'order-service': ['v3.0.0'] },
}

/** What is offered where `|` stands. */
function offered(text: string, story = false): string[] {
  const caret = text.indexOf('|')
  return complete(text.replace('|', ''), caret, view, { story }).items.map((item) => item.text)
}

/** The text after taking the first suggestion, with `|` at the caret. */
function taken(text: string): string {
  const caret = text.indexOf('|')
  const plain = text.replace('|', '')
  const completion = complete(plain, caret, view, { story: true })
  const first = completion.items[0]
  if (first === undefined) throw new Error(`nothing is offered for ${text}`)
  const next = accept(plain, completion, first)
  return `${next.text.slice(0, next.caret)}|${next.text.slice(next.caret)}`
}

describe('completion', () => {
  it('offers commands after a slash, and for a word without one', () => {
    expect(offered('/|')).toEqual(['/release', '/status', '/rollback', '/hosts', '/help'])
    expect(offered('/re|')).toEqual(['/release'])
    expect(offered('stat|')).toEqual(['/status'])
  })

  it('offers nothing in an empty box', () => {
    expect(offered('|')).toEqual([])
  })

  it('says which commands the person’s role may not use', () => {
    const { items } = complete('/rol', 4, view, { story: false })
    expect(items).toMatchObject([{ text: '/rollback', allowed: false }])
  })

  it('reads from the usage what may stand where', () => {
    expect(offered('/release |')).toEqual(['order-service', 'user-service', 'approve', 'pause', 'abort'])
    expect(offered('/release user-service |')).toEqual(['v1.1.0', 'v1.0.0'])
    expect(offered('/release approve |')).toEqual(['R-7', 'order-service', 'user-service'])
    expect(offered('/hosts user-service |')).toEqual(['bj-1', 'bj-2', 'sh-1'])
    expect(offered('/help |')).toEqual(['release', 'status', 'rollback', 'hosts', 'help'])
    expect(offered('/status b|')).toEqual(['bj-1', 'bj-2'])
  })

  it('goes on with what repeats, without what is named already', () => {
    expect(offered('/release user-service v1.1.0 bj-1 |')).toEqual(['bj-2', 'sh-1'])
  })

  it('offers nothing behind the end of a form', () => {
    expect(offered('/rollback user-service |')).toEqual([])
  })

  it('offers nothing behind a word that fits no form', () => {
    expect(offered('/hosts nowhere |')).toEqual([])
  })

  it('offers options, and hosts in a list with commas', () => {
    expect(offered('/release user-service v1.1.0 --|')).toEqual(['--hosts', '--override-freeze'])
    expect(offered('/release user-service v1.1.0 --hosts bj-1,|')).toEqual(['bj-2', 'sh-1'])
    expect(offered('/release user-service v1.1.0 --hosts=s|')).toEqual(['sh-1'])
    expect(taken('/release user-service v1.1.0 --hosts bj-1,s|')).toBe(
      '/release user-service v1.1.0 --hosts bj-1,sh-1 |',
    )
  })

  it('does not count an option and its value as words of the form', () => {
    expect(offered('/release --hosts bj-1 user-service |')).toEqual(['v1.1.0', 'v1.0.0'])
  })

  it('puts beginnings before what only contains the word', () => {
    expect(offered('/release s|')).toEqual(['order-service', 'user-service', 'pause'])
    expect(offered('/release u|')[0]).toBe('user-service')
  })

  it('is silent about a word that is complete', () => {
    expect(offered('/release user-service v1.1.0|')).toEqual([])
  })

  it('replaces the word at the caret and leaves the rest', () => {
    expect(taken('/rel|')).toBe('/release |')
    expect(taken('/release us| v1.1.0')).toBe('/release user-service| v1.1.0')
    expect(taken('/release us|er v1.1.0')).toBe('/release user-service| v1.1.0')
  })

  it('offers the story only where there is one', () => {
    expect(offered('pl|', true)).toContain(STORY)
    expect(offered('pl|', false)).toEqual([])
  })
})

describe('formOf', () => {
  it('reads literal words, kinds and what repeats', () => {
    expect(formOf('<service> [host …]')).toEqual([
      { words: [], free: ['service'], repeats: false },
      { words: [], free: ['host'], repeats: true },
    ])
    expect(formOf('<a|b>')).toEqual([{ words: ['a', 'b'], free: [], repeats: false }])
    expect(formOf('')).toEqual([])
  })
})
