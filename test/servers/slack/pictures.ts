import type { MethodContext } from './context.ts'
import type { StoredFile } from './workspace.ts'

export const isPng = (bytes: Buffer | undefined) => bytes?.subarray(0, 8).toString('latin1') === '\x89PNG\r\n\x1a\n'

export const mimeOf = (file: StoredFile) => (isPng(file.bytes) ? 'image/png' : 'application/octet-stream')

/** A picture may stand in a block once it was completed and looked at. */
export function pictureReady(
  { workspace, fileReadyMs }: MethodContext,
  wanted: { id?: string; url?: string },
): boolean {
  const id = wanted.id ?? /\/files-pri\/[^/]+-(F[A-Z0-9]+)\//.exec(wanted.url ?? '')?.[1]
  const file = workspace.files.get(id ?? '')
  if (file?.completedAt === undefined || !isPng(file.bytes)) return false
  return Date.now() >= file.completedAt + fileReadyMs
}
