import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { endNow } from './processes.ts'

/**
 * Holds a program that does not watch its parent: its stdin (fd 3 below) is a pipe from this process. When the pipe
 * ends, because `stop` closed it or because this process is dead, the program gets SIGTERM, and SIGKILL 3 s later.
 * $1 is the log file; the rest is the program.
 */
const holder = `
exec 3<&0
log=$1
shift
"$@" </dev/null >>"$log" 2>&1 3<&- &
program=$!
echo "$program"
(
  while read -r _ <&3; do :; done
  kill -TERM "$program"
  n=0
  while kill -0 "$program" && [ $n -lt 30 ]; do n=$((n + 1)); sleep 0.1; done
  kill -KILL "$program"
) >/dev/null 2>&1 &
watcher=$!
wait "$program"
kill "$watcher"
`

export interface Leashed {
  /** Of the program, not of the shell that holds it. */
  pid: number
  /** Of both. */
  pids: number[]
  exited: () => boolean
  /** Resolves when the program has ended. Doing it twice is harmless. */
  stop(): Promise<void>
}

/** Starts a program that ends with this process, however that ends. Output goes to `log`. Rejects when it cannot be started. */
export async function leash(program: string, args: string[], log: string): Promise<Leashed> {
  closeSync(openSync(log, 'a'))
  const shell = spawn('sh', ['-c', holder, 'leash', log, program, ...args], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const gone = new Promise<void>((resolve) => shell.once('exit', () => resolve()).once('error', () => resolve()))
  shell.stdin.on('error', () => {})
  const pid = Number(await firstLine(shell))
  return {
    pid,
    pids: [shell.pid!, pid],
    exited: () => shell.exitCode !== null || shell.signalCode !== null,
    stop: async () => {
      shell.stdin.end()
      await gone
      // What is left of the group: the watcher, at most.
      if (shell.pid !== undefined) endNow(-shell.pid)
    },
  }
}

function firstLine(shell: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    shell.once('error', reject)
    const lines = createInterface({ input: shell.stdout! })
    lines.once('line', resolve)
    lines.once('close', () => reject(new Error('the program was not started')))
  })
}
