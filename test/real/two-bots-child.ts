/** One of several bots that share a MongoDB: the whole bot in a process of its own, which its parent asks over the IPC channel. */
import { appendFileSync } from 'node:fs'
import { type App, createApp, readConfig } from '../../src/app.ts'
import { createSchedule } from '../../src/entry/schedule.ts'
import { createLog } from '../../src/lib/log.ts'

export interface BotOptions {
  config: string
  /** Lines of JSON: a lead that was gained or lost, a tick that was run. */
  journal: string
}

/** What the parent asks; each question has its answer, under the same number. */
export type Question =
  | { n: number; type: string; person: string }
  | { n: number; press: string; release: string; person: string }
  | { n: number; stands: true }
  /** No answer: it kills itself when it has passed so many durable points. */
  | { dieAfter: number }
export type Reply = { n: number; ok: boolean; text: string } | { url: string }

if (process.argv[2] !== undefined && process.send !== undefined) await run(JSON.parse(process.argv[2]) as BotOptions)

async function run(options: BotOptions): Promise<void> {
  const tell = (reply: Reply): void => void process.send?.(reply)
  const note = (line: object): void => {
    const at = performance.timeOrigin + performance.now()
    appendFileSync(options.journal, `${JSON.stringify({ pid: process.pid, at, ...line })}\n`)
  }
  // What is said about leads is noted; what is worth an error goes where the parent's own output goes.
  const write = (line: string): void => {
    const { level, msg, name, fence } = JSON.parse(line) as { level: number; msg: string; name: string; fence: number }
    if (msg === 'lead gained' || msg === 'lead lost') note({ lead: name, gained: msg === 'lead gained', fence })
    if (level >= 50) process.stderr.write(line)
  }
  const log = createLog({ level: 'info', env: {}, stream: { write } })
  let left = Number.POSITIVE_INFINITY
  const app = await createApp(readConfig(options.config), {
    console: {},
    write: () => {},
    log,
    probe: () => {
      if (--left <= 0) process.kill(process.pid, 'SIGKILL')
    },
  })

  process.on('message', (question: Question) => {
    if ('dieAfter' in question) {
      left = question.dieAfter
      return
    }
    const { n } = question
    answer(app, question).then(
      ({ ok, text }) => tell({ n, ok, text }),
      (error: unknown) => tell({ n, ok: false, text: String(error) }),
    )
  })
  process.on('disconnect', () => process.exit(0))

  await app.start()
  const schedule = createSchedule({ store: app.desk.store, log, clock: () => new Date() })
  schedule.every('count', '*/2 * * * * *', async (tick) => note({ tick }))
  schedule.start()
  tell({ url: app.url ?? '' })
}

async function answer(
  app: App,
  question: Exclude<Question, { dieAfter: number }>,
): Promise<{ ok: boolean; text: string }> {
  if ('stands' in question) {
    await app.desk.audit.flush()
    const verdict = await app.desk.audit.verify()
    return { ok: verdict.ok && (await app.desk.audit.stands()), text: JSON.stringify(verdict) }
  }
  if ('type' in question) return app.command(question.person, question.type)
  const button = (await app.card(question.release)).buttons.find(({ action }) => action === question.press)
  return button === undefined ? { ok: false, text: 'no such button now' } : app.press(question.person, button.id)
}
