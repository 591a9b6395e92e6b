import { afterPrefix } from '../../lib/store-arguments.ts'

/**
 * Ids are ordered by code point, and servers that speak the protocol differ in how they order text: MongoDB by the bytes of
 * UTF-8, others by the units of UTF-16. The two differ only from U+E000 on, so each character from there on is written as two
 * of the private use area: the first holds the high bits of its code point, the second the lower twelve. This keeps the order,
 * prefixes and the difference of any two ids; an id without such characters (nearly all) is kept as it is.
 */
const base = 0xe000
const critical = /[\ud800-\uffff]/

export function keyOf(id: string): string {
  if (!critical.test(id)) return id
  let key = ''
  for (const character of id) {
    const point = character.codePointAt(0) ?? 0
    key += point < base ? character : String.fromCharCode(base + (point >>> 12), base + (point & 0xfff))
  }
  return key
}

export function idOf(key: string): string {
  if (!critical.test(key)) return key
  let id = ''
  for (let place = 0; place < key.length; place++) {
    const unit = key.charCodeAt(place)
    if (unit < base) id += key[place]
    else id += String.fromCodePoint(((unit - base) << 12) | (key.charCodeAt(++place) - base))
  }
  return id
}

/** The filter for all ids that begin with this; undefined for all ids. */
export function prefixFilter(prefix: string): { $gte: string; $lt?: string } | undefined {
  if (prefix === '') return undefined
  const after = afterPrefix(prefix)
  return { $gte: keyOf(prefix), ...(after === undefined ? {} : { $lt: keyOf(after) }) }
}
