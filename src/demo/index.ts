import { type App, clientFolder, createApp, readConfig } from '../app.ts'
import { asFault } from '../lib/fault.ts'
import { createLog } from '../lib/log.ts'
import { keepFolder, leaveFolder, ownFolder, sweep } from './folders.ts'
import { createHeard } from './heard.ts'
import { freePorts } from './processes.ts'
import { playStory } from './story.ts'
import { startWorld, type World } from './world.ts'

const GUIDE = `
Try in the channel:   /release user-service v1.1.0     then act as bob and press Approve
                      /release user-service v1.2.0     (it answers 8 % of its requests with errors, and slowly)
                      stop account-store               (what user-service depends on; try it during a release)
                      start account-store
                      play the story                   (does all of it by itself)
Ctrl-C ends the sandbox and removes it.`

export interface DemoOptions {
  /** Plays the main job on the terminal and ends. */
  story: boolean
  /** Leaves the folder. */
  keep: boolean
  /** Where the console listens; undefined takes 8888, or a free one when that is taken. */
  port?: number
  signal: AbortSignal
}

/** The sandbox fleet with a bot on it: the console, or with `story` the main job on the terminal. Resolves with the exit code. */
export async function demo(options: DemoOptions): Promise<number> {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  await sweep()
  const folder = await ownFolder()
  let world: World | undefined
  let app: App | undefined
  try {
    const building = options.story ? undefined : clientFolder(say)
    // Told at the end; until then the fleet comes up.
    building?.catch(() => {})
    world = await startWorld({ folder, say, signal: options.signal })
    const webRoot = await building
    app = webRoot === undefined ? await onTerminal(world) : await withConsole(world, webRoot, options, say)
    if (app.url !== undefined) await world.alertsTo(`${app.url}/api/v1/alertmanager`)
    if (options.story) await playStory(app, world, say, options.signal)
    else await stay(app, say, options.signal)
    return 0
  } catch (error) {
    if (options.signal.aborted) return options.story ? 130 : 0
    say(`\n${asFault(error).line}`)
    return 1
  } finally {
    await app?.stop(5000)
    if (world === undefined) await leaveFolder(folder)
    else if (options.keep) await keepFolder(folder)
    await world?.stop({ keep: options.keep })
  }
}

/** No client is built and nobody signs in; it listens, on a free port, for what Alertmanager sends. */
async function onTerminal(world: World): Promise<App> {
  const app = await createApp(readConfig({ ...world.config, console: { port: 0 } }), {
    write: (text) => process.stdout.write(text),
    color: process.stdout.isTTY,
    log: createLog({ level: 'warn' }),
    console: {},
  })
  return started(app)
}

async function started(app: App): Promise<App> {
  try {
    await app.start()
    return app
  } catch (error) {
    await app.stop(0)
    throw error
  }
}

async function withConsole(
  world: World,
  webRoot: string,
  { port, signal }: DemoOptions,
  say: (line: string) => void,
): Promise<App> {
  const open = async (at: number): Promise<App> => {
    const app: App = await createApp(readConfig({ ...world.config, console: { port: at } }), {
      // The channel is in the browser.
      write: () => {},
      log: createLog({ level: 'warn' }),
      console: {
        webRoot,
        demo: true,
        heard: createHeard({ app: () => app, scenery: world, signal }),
      },
    })
    return started(app)
  }
  try {
    return await open(port ?? 8888)
  } catch (error) {
    if (port !== undefined || asFault(error).code !== 'entry.port-taken') throw error
    const [free] = await freePorts(1)
    say(`Port 8888 is taken; the console takes ${free}.`)
    return open(free ?? 0)
  }
}

async function stay(app: App, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  say(`\nThe console: ${app.url}\n${GUIDE}`)
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
