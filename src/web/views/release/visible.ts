/**
 * A host's output with everything invisible made visible: control characters in caret notation as `cat -v` has it (ESC is `^[`, so
 * the colours of a terminal show as what they are), marks that hide or turn the direction of writing as `<U+202E>`. Tabs and line
 * ends stay; CR LF is one line end. What a host prints can so neither move a cursor nor disguise a line.
 */
export function visible(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(INVISIBLE, (character) => {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x20 || code === 0x7f) return `^${String.fromCharCode(code ^ 0x40)}`
    return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`
  })
}

/** Unicode's control characters (Cc) but tab and line feed, formatting characters (Cf: directions, zero widths), and its line ends. */
const INVISIBLE = /(?![\t\n])[\p{Cc}\p{Cf}\u2028\u2029]/gu
