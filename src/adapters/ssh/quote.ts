import { Fault } from '../../lib/fault.ts'

/**
 * argv as one POSIX sh command line: every word in single quotes, a single quote as '\''. An empty word stays ''.
 * The only place where a value becomes part of a shell text. Throws `target.nul-in-value`: no argv can carry a NUL.
 */
export function quote(argv: readonly string[]): string {
  return argv
    .map((word) => {
      if (word.includes('\0')) {
        throw new Fault('target.nul-in-value', {
          say: 'A value for a host holds a NUL byte, which no command line can carry.',
          next: 'remove it from the configuration or the command',
        })
      }
      return `'${word.replaceAll("'", "'\\''")}'`
    })
    .join(' ')
}
