import { Fault } from '../../lib/fault.ts'

/** SQLite's primary result codes: https://www.sqlite.org/rescode.html */
const codes = {
  busy: 5,
  locked: 6,
  readonly: 8,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  cantOpen: 14,
  tooBig: 18,
  notADb: 26,
}

type Detail = { say: string; next: string; retry: boolean }

const details = new Map<number, (file: string) => Detail>([
  [
    codes.full,
    (file) => ({
      say: `There is no room left to write to ${file}.`,
      next: 'free space on that disk; what was refused can then be done again',
      retry: true,
    }),
  ],
  [
    codes.readonly,
    (file) => ({
      say: `${file} may not be written to.`,
      next: 'give the user that runs Rollcall write access to the file and its folder',
      retry: true,
    }),
  ],
  [
    codes.cantOpen,
    (file) => ({
      say: `${file} cannot be opened.`,
      next: 'check that the folder exists and that the user that runs Rollcall may write to it',
      retry: true,
    }),
  ],
  [
    codes.ioerr,
    (file) => ({
      say: `The disk refused to read or write ${file}.`,
      next: 'check the disk and the system log',
      retry: true,
    }),
  ],
  [
    codes.corrupt,
    (file) => ({
      say: `${file} is damaged.`,
      next: `stop Rollcall, put a backup of ${file} in its place`,
      retry: false,
    }),
  ],
  [
    codes.notADb,
    (file) => ({
      say: `${file} is not a database of Rollcall.`,
      next: 'name another folder, or put a backup of the file in its place',
      retry: false,
    }),
  ],
  [
    codes.busy,
    (file) => ({ say: `Another process keeps ${file} busy.`, next: 'find and stop that process', retry: true }),
  ],
  [
    codes.locked,
    (file) => ({ say: `Another process keeps ${file} busy.`, next: 'find and stop that process', retry: true }),
  ],
])

/** The primary code of an error of node:sqlite; undefined for any other value. */
function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

export function isBusy(error: unknown): boolean {
  const code = primaryCode(error)
  return code === codes.busy || code === codes.locked
}

/**
 * Any error of the database or its folder as Fault `store.unavailable`; a Fault stays what it is.
 * The words come from here, never from the error: a message of the database may quote what it was given.
 */
export function storeFault(error: unknown, file: string): Fault {
  if (error instanceof Fault) return error
  const code = primaryCode(error)
  if (code === codes.tooBig) {
    return new Fault('store.not-json', {
      say: 'The document is too large to be stored.',
      next: 'store less in one document',
    })
  }
  const system = error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : undefined
  const detail = code === undefined ? undefined : details.get(code)?.(file)
  const fallback = {
    say: `The database ${file} failed${code === undefined ? '' : ` with SQLite code ${code}`}${system ? ` with ${system}` : ''}.`,
    next: 'check the folder and the disk, then try again',
    retry: true,
  }
  return new Fault('store.unavailable', { ...(detail ?? fallback), data: { file, sqlite: code, system } })
}

export function closedFault(file: string): Fault {
  return new Fault('store.unavailable', {
    say: `The database ${file} was closed, Rollcall is stopping.`,
    next: 'start Rollcall again',
    data: { file },
  })
}
