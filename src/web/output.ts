import type { OutputView } from '../ports/console.ts'

/** A page that holds more text than this becomes slow; the start is let go, and said so. */
export const LONGEST = 400_000

/** What is held of an output, with the newest piece behind it. `dropped` counts the characters that were let go at the start. */
export function grow(
  held: (OutputView & { dropped: number }) | undefined,
  piece: OutputView,
): OutputView & { dropped: number } {
  const whole = (held?.text ?? '') + piece.text
  const over = Math.max(0, whole.length - LONGEST)
  // Cut behind the end of a line, so that none is shown halved.
  const cut = over === 0 ? 0 : whole.indexOf('\n', over) + 1 || over
  return { ...piece, text: whole.slice(cut), dropped: (held?.dropped ?? 0) + cut }
}
