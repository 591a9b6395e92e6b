import { newId, short } from '../../lib/id.ts'

/** Characters of one page of `read_result`. */
export const pageCharacters = 8000
/** A single result is kept up to here, characters. */
export const mostKeptOfOne = 4_000_000

export interface Kept {
  /** Keeps a text; the handle under which it can be read. The longest unused ones make room. */
  keep(text: string): string
  /** One page, or undefined when the handle is unknown or no longer kept. */
  read(handle: string, offset: number): { text: string; from: number; to: number; total: number } | undefined
}

/** Whole results, at most `most` of them and `mostCharacters` together; what was used least recently goes first. */
export function createKept({ most = 16, mostCharacters = 20_000_000 } = {}): Kept {
  const texts = new Map<string, string>()
  let total = 0
  const drop = (handle: string) => {
    total -= texts.get(handle)?.length ?? 0
    texts.delete(handle)
  }
  return {
    keep(text) {
      const whole = text.slice(0, mostKeptOfOne)
      const handle = `result-${short(newId())}`
      texts.set(handle, whole)
      total += whole.length
      for (const oldest of texts.keys()) {
        if (oldest === handle || (texts.size <= most && total <= mostCharacters)) break
        drop(oldest)
      }
      return handle
    },
    read(handle, offset) {
      const whole = texts.get(handle)
      if (whole === undefined) return undefined
      texts.delete(handle)
      texts.set(handle, whole)
      const from = Math.min(Math.max(0, offset), whole.length)
      const text = whole.slice(from, from + pageCharacters)
      return { text, from, to: from + text.length, total: whole.length }
    },
  }
}
