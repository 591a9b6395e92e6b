import { distance } from 'fastest-levenshtein'

/** Longer input is compared by its start only: it comes from people and may be anything. */
const longest = 64

/**
 * The candidate that was probably meant, compared without case, or undefined when none is near.
 * Near: an edit distance (Levenshtein) of at most a third of the input's length, but 2 for words of four letters and more
 * (a transposition costs 2) and 1 for shorter ones. Of equals, the first candidate wins.
 */
export function didYouMean(input: string, candidates: Iterable<string>): string | undefined {
  const word = input.slice(0, longest).toLowerCase()
  let bound = word.length < 4 ? 1 : Math.max(2, Math.floor(word.length / 3))
  let best: string | undefined
  for (const candidate of candidates) {
    const edits = distance(word, candidate.slice(0, longest).toLowerCase())
    if (edits > bound || edits >= word.length) continue
    if (best === undefined || edits < bound) best = candidate
    bound = edits
  }
  return best
}

/** ` Did you mean x?` to put behind a sentence; empty when nothing is near. */
export function suggestion(input: string, candidates: Iterable<string>): string {
  const best = didYouMean(input, candidates)
  return best === undefined ? '' : ` Did you mean ${best}?`
}
