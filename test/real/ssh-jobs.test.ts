import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HostConfig } from '../../src/adapters/ssh/config.ts'
import { createSshTarget } from '../../src/adapters/ssh/index.ts'
import { agentScript, bootstrap, encodeKey, program, runArgs, runnerScript } from '../../src/adapters/ssh/protocol.ts'
import type { Job, JobKey, Recipe, Target } from '../../src/ports/target.ts'
import {
  createKit,
  effects,
  jobOf,
  type Kit,
  keyOf,
  lives,
  processesWith,
  readIn,
  runAndRead,
  serviceTar,
  until,
} from '../adapters/ssh/kit.ts'
import { type Sshd, skipReal, startSshd } from './sshd.ts'

describe.skipIf(skipReal)('the job protocol on a real sshd', () => {
  let sshd: Sshd
  let kit: Kit
  let host: HostConfig
  let target: Target
  let count = 0
  const fresh = (more: Partial<Recipe> = {}) => kit.recipe(`job-${++count}`, more)
  const inJob = (recipe: Recipe, key: JobKey, name: string) => join(recipe.root, '.rollcall/jobs', encodeKey(key), name)
  const pidOf = (recipe: Recipe, key: JobKey, of: 'runner' | 'payload') =>
    Number(
      readFileSync(inJob(recipe, key, 'pid'), 'utf8')
        .split('\n')
        [of === 'runner' ? 0 : 1]?.split(' ')[0],
    )
  const running = (recipe: Recipe, key: JobKey) =>
    until('the payload runs', () => existsSync(inJob(recipe, key, 'pid')) && pidOf(recipe, key, 'payload') > 0)
  /** A deploy whose start takes a while. */
  const slow = (recipe: Recipe, key: JobKey, seconds: number | string, more: Partial<Job> = {}) =>
    jobOf(target, recipe, key, 'v1', {
      artifact: kit.artifact(`/slow-${seconds}`, serviceTar('v1', `echo begin; sleep ${seconds}; echo end`)),
      ...more,
    })
  const quiet = async () => {}
  /** One call of the agent by hand, with this much of its input. */
  const raw = (input: Buffer) => spawnSync('sh', ['-c', bootstrap], { input, encoding: 'utf8' }).stdout

  beforeAll(async () => {
    // Duplicates come as connections of their own, all at once.
    sshd = await startSshd({ config: ['MaxStartups 100:30:200'] })
    kit = await createKit()
    host = sshd.host(1)
    target = createSshTarget({ hosts: [host] })
  })
  afterAll(async () => {
    await target?.close()
    await sshd?.stop()
    await kit?.stop()
  })

  test('40 submissions of one key at once have one effect, and each gets the result and the whole log', async () => {
    const recipe = fresh()
    const job = slow(recipe, keyOf('dup'), 1)
    const bots = Array.from({ length: 8 }, () => createSshTarget({ hosts: [host] }))
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => runAndRead(bots[i % bots.length]!, 'host-1', job)),
    )
    await Promise.all(bots.map((bot) => bot.close()))
    expect(new Set(answers.map(({ state }) => JSON.stringify(state)))).toEqual(new Set(['{"at":"done","rc":0}']))
    expect(new Set(answers.map(({ log }) => log)).size).toBe(1)
    expect(answers[0]!.log).toContain('begin\nend\n')
    expect(effects(recipe)).toEqual(['v1'])
    expect(readIn(recipe, '.rollcall/audit.log').trim().split('\n')).toHaveLength(1)
    // Nothing of the 39 others stays behind.
    expect(readdirSync(join(recipe.root, '.rollcall')).filter((name) => name.startsWith('tmp.'))).toEqual([])
  }, 60_000)

  test('24 bots killed while they submit: one effect each, the right rc, the whole log', async () => {
    const seen = { before: 0, during: 0 }
    for (let i = 0; i < 24; i++) {
      const recipe = fresh()
      const job = jobOf(target, recipe, keyOf(`kill-${i}`), 'v1', {
        artifact: kit.artifact('/kill', serviceTar('v1', 'echo begin; sleep 0.3; echo end; exit 3')),
      })
      const bot = spawn(process.execPath, ['test/adapters/ssh/submitter.ts', JSON.stringify({ host, job })], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const gone = once(bot, 'exit')
      await once(bot.stdout, 'data')
      // Every other one is killed around the moment when its job takes the start token, however slow this machine is.
      const jobs = join(recipe.root, '.rollcall/jobs')
      const begun = () =>
        existsSync(jobs) && readdirSync(jobs).some((key) => i % 4 === 1 || existsSync(join(jobs, key, 'start')))
      if (i % 2 === 1) await until('the host was reached', begun)
      await sleep(i * (i % 2 === 1 ? 3 : 8))
      bot.kill('SIGKILL')
      await gone
      const { state } = await target.look('host-1', job.key, 0, recipe.root)
      if (state.at === 'new') seen.before++
      else seen.during++
      const { state: end, log } = await runAndRead(target, 'host-1', job)
      expect(end).toMatchObject({ at: 'done', rc: 1, reason: expect.stringContaining('start: exit 3') })
      expect(log).toContain('begin\nend\n')
      expect(effects(recipe)).toEqual(['v1'])
    }
    // Both sides of the point of no return were hit.
    expect(seen.before).toBeGreaterThan(0)
    expect(seen.during).toBeGreaterThan(0)
  }, 120_000)

  test('24 runners killed, three submissions after each: never a second run', async () => {
    const ends: Record<string, number> = {}
    for (let i = 0; i < 24; i++) {
      const recipe = fresh()
      const job = slow(recipe, keyOf(`runner-${i}`), 0.3)
      const following = target.run('host-1', job, 0, quiet)
      await until('the runner has signed', () => existsSync(inJob(recipe, job.key, 'pid')))
      await sleep(i * 8)
      const runner = pidOf(recipe, job.key, 'runner')
      try {
        process.kill(runner, 'SIGKILL')
      } catch {
        // It was done already.
      }
      const states = [await following]
      for (let again = 0; again < 3; again++) states.push(await target.run('host-1', job, 0, quiet))
      // The payload may still be at work; what it leaves is one effect or none.
      await until('the payload is gone', async () => {
        const { state } = await target.look('host-1', job.key, 0)
        return state.at !== 'orphaned'
      })
      const last = (await target.run('host-1', job, 0, quiet)).at
      ends[last] = (ends[last] ?? 0) + 1
      for (const state of states) expect(['done', 'orphaned', 'lost']).toContain(state.at)
      expect(['done', 'lost']).toContain(last)
      expect(effects(recipe).length).toBeLessThanOrEqual(1)
    }
    expect(ends.lost).toBeGreaterThan(0)
  }, 120_000)

  test('a payload that outlives its runner is orphaned, and keeps the next job out until it is gone', async () => {
    const recipe = fresh()
    const first = slow(recipe, keyOf('orphan'), 8)
    const following = target.run('host-1', first, 0, quiet)
    await running(recipe, first.key)
    process.kill(pidOf(recipe, first.key, 'runner'), 'SIGKILL')
    expect(await following).toEqual({ at: 'orphaned' })
    const second = slow(recipe, keyOf('orphan', 2), 0)
    expect(await target.run('host-1', second, 0, quiet)).toEqual({
      at: 'refused',
      why: 'busy',
      detail: encodeKey(first.key),
    })
    expect(await target.cancel('host-1', first.key)).toEqual({ at: 'lost' })
    expect(processesWith('sleep 8')).toEqual([])
    const third = slow(recipe, keyOf('orphan', 3), 0, { version: 'v2' })
    expect(await target.run('host-1', third, 0, quiet)).toEqual({ at: 'done', rc: 0 })
  }, 40_000)

  test('two releases of one service at once: the second is refused and told who holds the service', async () => {
    const recipe = fresh()
    const first = slow(recipe, keyOf('one'), 8)
    const following = target.run('host-1', first, 0, quiet)
    await running(recipe, first.key)
    const state = await target.run('host-1', slow(recipe, keyOf('two'), 0), 0, quiet)
    expect(state).toEqual({ at: 'refused', why: 'busy', detail: encodeKey(first.key) })
    expect(await following).toEqual({ at: 'done', rc: 0 })
    expect(effects(recipe)).toEqual(['v1'])
  }, 40_000)

  test('a job of another service on the same host does not wait', async () => {
    const busy = slow(fresh(), keyOf('busy'), 3)
    const following = target.run('host-1', busy, 0, quiet)
    await running(busy.recipe, busy.key)
    expect(await target.run('host-1', slow(fresh(), keyOf('free'), 0), 0, quiet)).toEqual({ at: 'done', rc: 0 })
    expect((await target.look('host-1', busy.key, 0)).state).toEqual({ at: 'running' })
    await following
  })

  test('a lower epoch is refused, also while another job runs; fencing twice is fencing once', async () => {
    const recipe = fresh()
    const first = slow(recipe, keyOf('epoch-1'), 1, { epoch: 5 })
    const following = target.run('host-1', first, 0, quiet)
    await running(recipe, first.key)
    await target.fence('host-1', recipe, 7)
    await target.fence('host-1', recipe, 7)
    await target.fence('host-1', recipe, 6)
    expect(await following).toEqual({ at: 'done', rc: 0 })
    const late = slow(recipe, keyOf('epoch-2'), 1, { epoch: 6 })
    const state = await target.run('host-1', late, 0, quiet)
    expect(state).toMatchObject({ at: 'refused', why: 'epoch', detail: expect.stringContaining('epoch 7') })
    expect((await target.probe('host-1', recipe)).epoch).toBe(7)
    const equal = slow(recipe, keyOf('epoch-3'), 1, { epoch: 7 })
    expect(await target.run('host-1', equal, 0, quiet)).toEqual({ at: 'done', rc: 0 })
    expect(effects(recipe)).toEqual(['v1', 'v1'])
  })

  test('16 fences at once leave the highest epoch', async () => {
    const recipe = fresh()
    const epochs = Array.from({ length: 16 }, (_, i) => ((i * 7) % 16) + 1)
    await Promise.all(epochs.map((epoch) => target.fence('host-1', recipe, epoch)))
    expect((await target.probe('host-1', recipe)).epoch).toBe(16)
  })

  test('a submission that comes after its cancel is refused for ever', async () => {
    const recipe = fresh()
    const job = slow(recipe, keyOf('tomb'), 0)
    expect(await target.cancel('host-1', job.key, recipe.root)).toEqual({ at: 'cancelled' })
    expect(await target.run('host-1', job, 0, quiet)).toEqual({ at: 'cancelled' })
    expect(await target.cancel('host-1', job.key)).toEqual({ at: 'cancelled' })
    expect(effects(recipe)).toEqual([])
  })

  test('cancel races submit: the token has one taker', async () => {
    const outcomes = new Set<string>()
    for (let i = 0; i < 12; i++) {
      const recipe = fresh()
      const job = slow(recipe, keyOf(`race-${i}`), 0)
      const cancel = () => target.cancel('host-1', job.key, recipe.root)
      const run = () => target.run('host-1', job, 0, quiet)
      // From well before to well after; the last ones come surely too late, however slow this machine is.
      const lead = (i - 6) * 8
      const first = lead < 0 ? cancel() : run()
      await sleep(Math.abs(lead))
      if (i > 9) await running(recipe, job.key)
      const second = lead < 0 ? run() : cancel()
      const [state, other] = await Promise.all([first, second])
      expect(other).toEqual(state)
      outcomes.add(state.at)
      if (state.at === 'cancelled') expect(effects(recipe)).toEqual([])
      else expect(state).toMatchObject({ at: 'done' })
    }
    expect(outcomes).toEqual(new Set(['cancelled', 'done']))
  }, 60_000)

  test('cancel ends the group of a running job with everything in it', async () => {
    const recipe = fresh()
    const job = slow(recipe, keyOf('stop-it'), '4714')
    const following = target.run('host-1', job, 0, quiet)
    await until('start runs', () => processesWith('sleep 4714').length > 0)
    const state = await target.cancel('host-1', job.key)
    expect(state).toEqual({ at: 'done', rc: 143, reason: 'cancelled: ended while it ran, at start' })
    expect(await following).toEqual(state)
    expect(processesWith('sleep 4714')).toEqual([])
  })

  test('a daemon that start leaves behind holds neither the lock nor the job', async () => {
    const recipe = fresh()
    // It keeps every file that it inherits, its output among them.
    const start = 'sleep 4715 & echo $! >daemon; echo started'
    const first = jobOf(target, recipe, keyOf('daemon'), 'v1', {
      artifact: kit.artifact('/daemon', serviceTar('v1', start)),
    })
    const { state, log } = await runAndRead(target, 'host-1', first)
    expect(state).toEqual({ at: 'done', rc: 0 })
    expect(log).toContain('started')
    const daemon = Number(readIn(recipe, 'current/daemon'))
    expect(lives(daemon)).toBe(true)
    const open = spawnSync('ls', ['-l', `/proc/${daemon}/fd`], { encoding: 'utf8' }).stdout
    expect(open).not.toContain('.rollcall/lock')
    expect(open).not.toContain('pipe:')
    const again = { ...first, key: keyOf('daemon', 2) }
    expect(await target.run('host-1', again, 0, quiet)).toEqual({ at: 'done', rc: 0 })
    expect(lives(daemon)).toBe(true)
    process.kill(daemon)
    process.kill(Number(readIn(recipe, 'current/daemon')))
  })

  test('a truncated submission leaves nothing', () => {
    const recipe = fresh()
    const artifact = kit.artifact('/cut', serviceTar('v1'))
    const job = jobOf(target, recipe, keyOf('cut'), 'v1', { artifact })
    const text = program('run', 'abc', recipe.root, runArgs(job, 0))
    // Cut at each of many places: the bootstrap runs nothing that is not whole.
    for (let i = 1; i < 20; i++) expect(raw(text.subarray(0, Math.floor((text.length * i) / 20)))).toBe('')
    expect(existsSync(recipe.root)).toBe(false)
    const upload = serviceTar('v1')
    const cut = raw(Buffer.concat([text, upload.subarray(0, upload.length - 1)]))
    expect(cut).toMatch(/^@abc state refused upload the upload is not whole: its sha256 is [0-9a-f]{64}, approved was /)
    expect(readdirSync(join(recipe.root, '.rollcall'))).toEqual(['epochs', 'jobs'])
    expect(readdirSync(join(recipe.root, '.rollcall/jobs'))).toEqual([])
    expect(raw(Buffer.concat([text, upload]))).toContain('@abc state done 0')
    expect(effects(recipe)).toEqual(['v1'])
  })

  test('a script whose digest was not approved is refused by the host', async () => {
    const recipe = fresh()
    const job = jobOf(target, recipe, keyOf('digest'), 'v1', {
      artifact: kit.artifact('/digest', serviceTar('v1')),
      scriptDigest: '0'.repeat(64),
    })
    const { state } = await runAndRead(target, 'host-1', job)
    expect(state).toMatchObject({ at: 'refused', why: 'digest', detail: expect.stringContaining(target.scriptDigest) })
    expect((await target.look('host-1', job.key, 0)).state).toEqual({ at: 'new' })
    expect(effects(recipe)).toEqual([])
  })

  describe('who lives is told by pid, start time and boot', () => {
    const lookAt = async (pid: string, group = '') => {
      const recipe = fresh()
      const key = keyOf('who')
      mkdirSync(inJob(recipe, key, 'start'), { recursive: true })
      writeFileSync(inJob(recipe, key, 'pid'), pid + group)
      return (await target.look('host-1', key, 0, recipe.root)).state
    }
    const boot = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const startOf = (pid: number) =>
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[19]

    test('the same process in the same boot: it runs', async () => {
      const me = `${process.pid} ${startOf(process.pid)} ${boot()}\n`
      expect(await lookAt(me)).toEqual({ at: 'starting' })
      expect(await lookAt(me, me)).toEqual({ at: 'running' })
    })

    test('a number that was given out again', async () => {
      expect(await lookAt(`${process.pid} 1 ${boot()}\n`)).toEqual({ at: 'lost' })
    })

    test('another boot', async () => {
      const me = `${process.pid} ${startOf(process.pid)} 00000000-0000-0000-0000-000000000000\n`
      expect(await lookAt(me, me)).toEqual({ at: 'lost' })
    })

    test('a dead runner with a living payload', async () => {
      const me = `${process.pid} ${startOf(process.pid)} ${boot()}\n`
      expect(await lookAt(`${process.pid} 1 ${boot()}\n`, me)).toEqual({ at: 'orphaned' })
    })

    test('a zombie', async () => {
      // The parent never waits for its child: by the time it ends, the parent is no shell any more.
      const parent = spawn('sh', ['-c', 'sh -c "sleep 0.3; exit 0" & echo $!; exec sleep 30'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const pid = Number(String((await once(parent.stdout, 'data'))[0]))
      await until('it is a zombie', () => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))
      expect(await lookAt(`${pid} ${startOf(pid)} ${boot()}\n`)).toEqual({ at: 'lost' })
      parent.kill('SIGKILL')
      await once(parent, 'exit')
    })

    test('a token without a signature is starting for a minute, then lost for good', async () => {
      const recipe = fresh()
      const key = keyOf('unsigned')
      const token = inJob(recipe, key, 'start')
      mkdirSync(token, { recursive: true })
      expect((await target.look('host-1', key, 0, recipe.root)).state).toEqual({ at: 'starting' })
      spawnSync('touch', ['-d', '3 minutes ago', token])
      expect((await target.look('host-1', key, 0, recipe.root)).state).toEqual({ at: 'lost' })
      expect(existsSync(inJob(recipe, key, 'lost'))).toBe(true)
    })
  })

  test('output comes by offset, with the state taken first', async () => {
    const recipe = fresh()
    const job = slow(recipe, keyOf('offset'), 0)
    const { log, at } = await runAndRead(target, 'host-1', job)
    const half = await target.look('host-1', job.key, 10)
    expect(half).toEqual({ state: { at: 'done', rc: 0 }, output: { offset: 10, text: log.slice(10), bytes: at - 10 } })
    const rest = await runAndRead(target, 'host-1', job, 20)
    expect(rest).toMatchObject({ state: { at: 'done', rc: 0 }, log: log.slice(20) })
    expect(await target.look('host-1', job.key, at)).toMatchObject({ output: { offset: at, text: '', bytes: 0 } })
  })

  test('a large log comes whole, byte for byte, and a boundless one is cut', async () => {
    const recipe = fresh({ commandSeconds: 30 })
    const many = 'i=0; while [ $i -lt 20000 ]; do echo "zeile $i äöü 😀"; i=$((i+1)); done'
    const job = jobOf(target, recipe, keyOf('large'), 'v1', {
      artifact: kit.artifact('/large', serviceTar('v1', many)),
    })
    const { log } = await runAndRead(target, 'host-1', job)
    expect(log).not.toContain('\ufffd')
    const lines = log.split('\n').filter((line) => line.startsWith('zeile'))
    expect(lines).toEqual(Array.from({ length: 20000 }, (_, i) => `zeile ${i} äöü 😀`))
    const endless = jobOf(target, fresh(), keyOf('endless'), 'v1', {
      artifact: kit.artifact('/endless', serviceTar('v1', 'head -c 12000000 /dev/zero | tr "\\0" x')),
    })
    const cut = await runAndRead(target, 'host-1', endless)
    expect(cut.state).toEqual({ at: 'done', rc: 0 })
    expect(cut.at).toBeLessThan(8_388_608 + 100)
    expect(cut.log.slice(-60)).toContain('[rollcall: the rest of the output was cut]\n')
    expect(await runAndRead(target, 'host-1', endless)).toMatchObject({ at: cut.at })
  }, 60_000)

  test('bytes that are no text count as bytes', async () => {
    const job = jobOf(target, fresh(), keyOf('binary'), 'v1', {
      artifact: kit.artifact('/binary', serviceTar('v1', 'printf "a\\303(\\377\\360\\237z"')),
    })
    const { log, at } = await runAndRead(target, 'host-1', job)
    expect(log).toContain('a\ufffd(\ufffd\ufffdz')
    expect(at).toBe(readFileSync(inJob(job.recipe, job.key, 'log')).length)
  })

  test.each([
    ['every byte but NUL', 'awk \'BEGIN { for (i = 1; i < 256; i++) printf "%c", i; print "" }\''],
    ['a NUL', 'printf "a\\000b\\n"'],
    ['backslashes and blanks', 'printf "%s\\n" "  \\\\n \\\\ " ""'],
    ['a last line without an end', 'printf end; exit 3'],
  ])('a short log comes byte for byte: %s', async (name, command) => {
    const job = jobOf(target, fresh(), keyOf('short'), 'v1', {
      artifact: kit.artifact(`/short-${name.length}`, serviceTar('v1', command)),
    })
    const { log, at } = await runAndRead(target, 'host-1', job)
    const there = readFileSync(inJob(job.recipe, job.key, 'log'))
    expect(there.length).toBeLessThan(2048)
    expect(at).toBe(there.length)
    expect(log).toBe(there.toString())
    // The runner has written down how long the log was.
    expect(readFileSync(inJob(job.recipe, job.key, 'rc'), 'utf8')).toMatch(new RegExp(`^\\d+ ${there.length}\n$`))
  })

  test('the agent needs nothing of a shell but POSIX: it is the same under bash', async () => {
    const recipe = fresh()
    const upload = serviceTar('v1')
    const job = jobOf(target, recipe, keyOf('bash'), 'v1', { artifact: kit.artifact('/bash', upload) })
    const input = Buffer.concat([program('run', 'n', recipe.root, runArgs(job, 0)), upload])
    const inner = readFileSync('src/adapters/ssh/scripts/bootstrap.sh', 'utf8')
    const done = spawnSync('bash', ['--posix', '-c', inner], { input, encoding: 'utf8' })
    expect(done.stderr).toBe('')
    expect(done.stdout).toContain('@n state done 0')
    expect(agentScript + runnerScript).not.toMatch(/\blocal\b|\[\[|<<<|\bfunction\b/)
  })
})
