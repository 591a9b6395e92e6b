import { userInfo } from 'node:os'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { clientFolder, createApp, readConfig } from './app.ts'
import { doctor, enrollHosts, mcpServer, mcpTools, tokens, verifyAudit } from './cli.ts'
import { demo } from './demo/index.ts'
import { asFault } from './lib/fault.ts'

const USAGE = `rollcall: releases over SSH, approved in the channel

  rollcall serve   [--config rollcall.yaml]                  run the bot with its console; commands are read from the terminal, too
  rollcall doctor  [--test-card "#releases"] [--config …]    check everything that is configured, with a remedy per failure; a test card on request
  rollcall enroll  [host …] [--yes] [--replace] [--config …] show and pin the host keys
  rollcall token   <person>|--list|--revoke <id>             a personal token to sign in to the console with
  rollcall audit   [--head <hash>] [--entries <n>]           check that the audit log is whole, and that it still has this head
  rollcall store   copy [--from .rollcall] [--to-uri-env …]  bring the state of a folder into MongoDB; --verify compares only
  rollcall tools   [approve <server>] [--config …]           the MCP servers, their tools and pins; approve definitions that have changed
  rollcall mcp     prometheus [--url http://…]               an MCP server over Prometheus on stdin and stdout, on its own
  rollcall build                                             build the console's client (serve and demo do it by themselves)
  rollcall demo    [--story] [--port 8888] [--keep]          a sandbox fleet with its console; --story plays the main job and ends
`

const write = (text: string) => void process.stdout.write(text)

/** The process: words, signals, exit code. */
async function main(argv: string[]): Promise<number> {
  const parsed = words(argv)
  if (typeof parsed === 'string') {
    process.stderr.write(`${parsed}\n\n${USAGE}`)
    return 2
  }
  const { values, positionals } = parsed
  const [verb, ...rest] = positionals
  const signal = interruption()
  if (values.help || verb === undefined || verb === 'help') {
    process.stdout.write(USAGE)
    return 0
  }
  switch (verb) {
    case 'demo':
      return demo({
        story: values.story,
        keep: values.keep,
        signal,
        ...(values.port === undefined ? {} : { port: values.port }),
      })
    case 'serve':
      return serve(values.config, signal)
    case 'doctor':
      return doctor(values.config, write, process.stdout.isTTY, values['test-card'])
    case 'enroll':
      return enrollHosts(values.config, rest, { yes: values.yes, replace: values.replace }, write)
    case 'build':
      write(`${await clientFolder((line) => write(`${line}\n`))}\n`)
      return 0
    case 'token':
      return tokens(values.config, rest[0], { list: values.list, revoke: values.revoke }, write)
    case 'audit':
      return verifyAudit(
        values.config,
        { head: values.head, ...(values.entries === undefined ? {} : { entries: values.entries }) },
        write,
      )
    case 'store':
      // The driver of MongoDB is large: only who copies waits for it.
      return (await import('./cli-store.ts')).storeCommand(
        rest,
        {
          config: values.config,
          from: values.from,
          toUriEnv: values['to-uri-env'],
          database: values.database,
          verify: values.verify,
        },
        write,
      )
    case 'tools':
      return mcpTools(values.config, rest, write)
    case 'mcp':
      return mcpServer(rest, values.url, signal)
    default:
      process.stderr.write(`There is no command ${JSON.stringify(verb)}.\n\n${USAGE}`)
      return 2
  }
}

/** The words as they are meant, or what is wrong with them. */
function words(argv: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        config: { type: 'string', default: 'rollcall.yaml' },
        story: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        port: { type: 'string' },
        list: { type: 'boolean', default: false },
        revoke: { type: 'string' },
        head: { type: 'string' },
        entries: { type: 'string' },
        url: { type: 'string' },
        from: { type: 'string' },
        'to-uri-env': { type: 'string' },
        database: { type: 'string' },
        verify: { type: 'boolean', default: false },
        'test-card': { type: 'string' },
        yes: { type: 'boolean', default: false },
        replace: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    // Before anything begins: a fleet that comes up for a port that is none would have to go down again.
    const port = numberOf('port', values.port, 65_535)
    const entries = numberOf('entries', values.entries, Number.MAX_SAFE_INTEGER)
    // What a shell makes of --test-card "$CHANNEL" when there is no such variable.
    if (values['test-card']?.trim() === '') throw new RangeError('--test-card wants a channel, such as "#releases".')
    return { values: { ...values, port, entries }, positionals }
  } catch (error) {
    if (error instanceof RangeError) return error.message
    if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
      return error.message
    throw error
  }
}

/** A whole number from 0 on. Throws a RangeError that says what it must be. */
function numberOf(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,16}$/.test(text) && Number(text) <= most) return Number(text)
  const what = most === Number.MAX_SAFE_INTEGER ? 'a whole number, 0 or more' : `a whole number from 0 to ${most}`
  throw new RangeError(`--${name} must be ${what}; ${JSON.stringify(text)} is none.`)
}

/** Runs until SIGTERM or SIGINT, then drains: effects that run end, nothing new begins, flows go on at the next start. */
async function serve(path: string, signal: AbortSignal): Promise<number> {
  const config = readConfig(path)
  const webRoot = await clientFolder((line) => process.stdout.write(`${line}\n`))
  const app = await createApp(config, { color: process.stdout.isTTY, console: { webRoot } })
  try {
    await app.start()
  } catch (error) {
    await app.stop(0)
    throw error
  }
  process.stdout.write(`Rollcall listens: ${app.url}\nType /help, or Ctrl-C to end.\n`)
  const me = app.personOf('terminal', userInfo().username)
  const lines = createInterface({ input: process.stdin, terminal: false })
  lines.on('line', async (line) => {
    if (line.trim() === '') return
    if (me === undefined) {
      process.stdout.write(
        `You (${userInfo().username}) are not in people. Next: add surfaces.terminal to a person in ${path}.\n`,
      )
      return
    }
    const answer = await app.command(me.id, line)
    process.stdout.write(`${answer.text}\n${answer.message === undefined ? '' : `${app.render(answer.message)}\n`}`)
  })
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  lines.close()
  process.stdout.write('Ending: what runs on hosts is finished first.\n')
  await app.stop()
  return 0
}

function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // The second one means it.
      if (controller.signal.aborted) process.exit(130)
      process.stderr.write('\nEnding; once more to end at once.\n')
      controller.abort(new Error(name))
    })
  }
  return controller.signal
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const fault = asFault(error)
  process.stderr.write(`${fault.line}\n`)
  process.exitCode = fault.code.startsWith('config.') ? 2 : 1
}
