import { describe, expect, test } from 'vitest'
import { viewsEn } from '../../src/web/i18n/views-en.ts'
import { viewsZh } from '../../src/web/i18n/views-zh.ts'

const texts = (sentence: string | { one: string; other: string }) =>
  typeof sentence === 'string' ? [sentence] : [sentence.one, sentence.other]
const slots = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort()

describe('the texts of the views', () => {
  test('have the same keys in both languages', () => {
    expect(Object.keys(viewsZh).sort()).toEqual(Object.keys(viewsEn).sort())
  })

  test.each(Object.keys(viewsEn) as (keyof typeof viewsEn)[])('%s takes the same values in both', (key) => {
    const wanted = slots(texts(viewsEn[key])[1] ?? texts(viewsEn[key])[0] ?? '')
    for (const text of texts(viewsZh[key])) expect(slots(text)).toEqual(wanted)
  })

  test('belong to the views by their first word', () => {
    expect(Object.keys(viewsEn).filter((key) => !/^(release|fleet|history|alerts|audit)\./.test(key))).toEqual([])
  })
})
