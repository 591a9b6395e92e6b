export interface Matcher {
  label: string
  op: '=' | '!=' | '=~' | '!~'
  value: string
}

/**
 * A PromQL string literal. Escapes as Go does (PromQL's rule); `$` is escaped as well, so that no value is taken for
 * the `$window` of a query template. Lone surrogates become U+FFFD, as they have no UTF-8 form.
 */
export function quote(text: string): string {
  const escaped = text.toWellFormed().replace(/["\\$\p{Cc}]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0
    if (char === '"' || char === '\\') return `\\${char}`
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
  return `"${escaped}"`
}

/** The regular expression (RE2) that matches exactly this text. */
export function literal(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')
}

/** Names that every Prometheus takes unquoted. */
export function isClassicName(name: string): boolean {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)
}

/** An instant vector selector. A name of another alphabet is matched as `{__name__="..."}`, which all versions understand. */
export function selector(name: string, matchers: readonly Matcher[]): string {
  if (!isClassicName(name)) return braces([{ label: '__name__', op: '=', value: name }, ...matchers])
  return matchers.length === 0 ? name : `${name}${braces(matchers)}`
}

/** The part of a selector in braces. */
export function braces(matchers: readonly Matcher[]): string {
  return `{${matchers.map(({ label, op, value }) => `${label}${op}${quote(value)}`).join(',')}}`
}

/** Fills a query template in: `$window` becomes a duration such as `60s`. */
export function fill(template: string, windowSeconds: number): string {
  return template.replaceAll('$window', `${Math.max(1, Math.round(windowSeconds))}s`)
}
