import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFrameReader, type Frame } from '../../../src/adapters/ssh/frames.ts'
import {
  bootstrap,
  newNonce,
  parseFacts,
  probeArgs,
  program,
  runnerScript,
} from '../../../src/adapters/ssh/protocol.ts'
import type { Recipe } from '../../../src/ports/target.ts'

let folder: string
let root: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-agent-'))
  root = join(folder, 'svc')
  chmodSync(folder, 0o755)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** One call of the agent by a shell of this machine, as a login shell would be given it; its frames. */
async function call(
  verb: string,
  args: readonly string[],
  options: { path?: string; uid?: number; gid?: number } = {},
): Promise<Frame[]> {
  const { path = process.env.PATH, ...who } = options
  const nonce = newNonce()
  const shell = spawn('sh', ['-c', bootstrap], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: path, HOME: folder },
    cwd: '/',
    timeout: 20_000,
    ...who,
  })
  const read = createFrameReader(nonce)
  const frames: Frame[] = []
  shell.stdout?.on('data', (data: Buffer) => frames.push(...read(data)))
  shell.stdin?.end(program(verb, nonce, root, args))
  await once(shell, 'close')
  return frames
}

/** What /proc says of a process, as the runner notes it: PID START BOOT. */
function signature(pid: number): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const start = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')[19]
  return `${pid} ${start} ${boot}`
}

describe.skipIf(process.platform !== 'linux')('the agent on a host', () => {
  test('takes the state of a job before the size of its log: what says "done" has told the whole log', async () => {
    const job = join(root, '.rollcall/jobs/k')
    mkdirSync(join(job, 'start'), { recursive: true })
    const [first, last] = ['== first\n', '== last words\n']
    writeFileSync(join(job, 'log'), first)
    const runner = execFile('sleep', ['30'])
    writeFileSync(join(job, 'pid'), `${signature(runner.pid ?? 0)}\n${signature(runner.pid ?? 0)}\n`)
    // The job ends right after its log was measured for the first time: what it said meanwhile is not in that size.
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    writeFileSync(
      join(bin, 'wc'),
      `#!/bin/sh
size=$(PATH=\${PATH#*:} wc "$@")
if [ ! -e '${job}/rc' ]; then
  printf '%s' '${last}' >>'${job}/log'
  printf '0 ${first.length + last.length}\\n' >'${job}/rc'
fi
printf '%s\\n' "$size"
`,
      { mode: 0o755 },
    )
    const args = ['k', '0', '', '', '', '', '', 'v1', runnerScript]
    const frames = await call('run', args, { path: `${bin}:${process.env.PATH}` })
    runner.kill()
    const told = frames.flatMap((frame) => (frame.type === 'out' ? [frame.bytes.toString()] : []))
    expect(existsSync(join(job, 'rc'))).toBe(true)
    expect(frames.filter((frame) => frame.type === 'state')).toEqual([{ type: 'state', state: { at: 'done', rc: 0 } }])
    expect(told.join('')).toBe(first + last)
  })

  describe('is asked whether it may write where releases lie', () => {
    const recipe: Recipe = {
      service: 'svc',
      root: '/replaced',
      run: { by: 'commands', start: ['true'], stop: ['true'] },
      health: { command: ['true'], timeoutSeconds: 1, passes: 1 },
      commandSeconds: 1,
      keep: 2,
    }
    // The superuser may write anywhere.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    const unwritable = async () =>
      parseFacts('h', await call('probe', probeArgs(recipe), nobody), Date.now(), Date.now()).unwritable

    test('a folder that is not there yet could be made: nothing is said, and nothing is left', async () => {
      chmodSync(folder, 0o777)
      expect(await unwritable()).toBeUndefined()
      expect(existsSync(root)).toBe(false)
    })

    test('a folder that could not be made: the one that it would be made in is named', async () => {
      chmodSync(folder, 0o555)
      expect(await unwritable()).toBe(folder)
      chmodSync(folder, 0o755)
    })

    test('a folder of somebody else, and one of ours within it', async () => {
      mkdirSync(root, { mode: 0o755 })
      chmodSync(root, 0o555)
      expect(await unwritable()).toBe(root)
      chmodSync(root, 0o777)
      expect(await unwritable()).toBeUndefined()
      mkdirSync(join(root, '.rollcall'))
      chmodSync(join(root, '.rollcall'), 0o555)
      expect(await unwritable()).toBe(join(root, '.rollcall'))
      chmodSync(join(root, '.rollcall'), 0o755)
    })

    test('something else stands in its place', async () => {
      chmodSync(folder, 0o777)
      writeFileSync(root, '')
      expect(await unwritable()).toBe(root)
    })
  })
})
