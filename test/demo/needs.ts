import { missingLine, obtain, type Part } from '../../src/demo/parts.ts'
import { unsupported } from '../../src/demo/unsupported.ts'

/** ROLLCALL_SKIP_REAL=1 leaves out what needs system parts that cannot be had here. */
export const skipReal = process.env.ROLLCALL_SKIP_REAL === '1'

/** Gets system parts as the demo does; throws with the line that says what to install. Returns their paths. */
export async function needs(...parts: Part[]): Promise<Record<Part, string>> {
  const { found, missing } = await obtain(parts, { say: (line) => console.error(line) })
  const cannot = unsupported()
  const lines = [...missing.map(missingLine), ...(cannot === undefined ? [] : [cannot])]
  if (lines.length > 0) throw new Error(`${lines.join('\n')}\nOr leave these tests out with ROLLCALL_SKIP_REAL=1.`)
  return found as Record<Part, string>
}
