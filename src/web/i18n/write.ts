export type Language = 'en' | 'zh'
/** A sentence, or its forms by number; `{name}` stands for a value, and `count` chooses the form. */
export type Sentence = string | { one: string; other: string }
export type Values = Record<string, string | number>

/**
 * The sentence under `key` with its values. The form is chosen by the CLDR plural rule of the language (Intl.PluralRules); whole
 * numbers are grouped as the language does. A key that the catalogue lacks shows itself.
 */
export function write<Key extends string>(
  catalogue: Record<Key, Sentence>,
  language: Language,
  key: Key,
  values: Values = {},
): string {
  const sentence: Sentence | undefined = catalogue[key]
  if (sentence === undefined) return key
  const form = typeof sentence === 'string' ? sentence : sentence[pluralForm(language, Number(values.count ?? 0))]
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name]
    if (value === undefined) return whole
    return typeof value === 'number' ? new Intl.NumberFormat(language).format(value) : value
  })
}

function pluralForm(language: Language, count: number): 'one' | 'other' {
  return new Intl.PluralRules(language).select(count) === 'one' ? 'one' : 'other'
}

/**
 * The person's choice; else Chinese where the server is set to it (English is its default, and says nothing); else the first
 * language of the browser that there is; else English.
 */
export function pickLanguage(
  chosen: string | null,
  proposed: Language | undefined,
  browser: readonly string[],
): Language {
  if (chosen === 'en' || chosen === 'zh') return chosen
  if (proposed === 'zh') return proposed
  const known = browser.map((tag) => /^(zh|en)\b/i.exec(tag)?.[1]?.toLowerCase()).find((tag) => tag !== undefined)
  return known === 'zh' ? 'zh' : 'en'
}
