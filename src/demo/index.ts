import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { type App, createApp, readConfig } from '../app.ts'
import { asFault } from '../lib/fault.ts'
import { createLog } from '../lib/log.ts'
import { playStory } from './story.ts'
import { startWorld, type World } from './world.ts'

const GUIDE = `
Try:   /release user-service v1.1.0     then:  as bob   and   press approve R-1
       /release user-service v1.2.0     (it answers 8 % of its requests with errors, and slowly)
       /status   /hosts   /help   as alice   as vera   quit
"play the story" does all of it by itself.`

/** The sandbox fleet with a bot on it; with `story` it plays the main job and ends. Resolves with the exit code. */
export async function demo(options: { story: boolean; keep: boolean; signal: AbortSignal }): Promise<number> {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-demo-'))
  let world: World | undefined
  let app: App | undefined
  try {
    world = await startWorld({ folder, say, signal: options.signal })
    app = await createApp(readConfig(world.config), {
      write: (text) => process.stdout.write(text),
      color: process.stdout.isTTY,
      log: createLog({ level: 'warn' }),
    })
    await app.start()
    if (options.story) await playStory(app, say)
    else await talk(app, say, options.signal)
    return 0
  } catch (error) {
    if (options.signal.aborted) return 130
    say(`\n${asFault(error).line}`)
    return 1
  } finally {
    await app?.stop(5000)
    await world?.stop({ keep: options.keep })
  }
}

/** A prompt at which one may be alice, bob or vera. */
async function talk(app: App, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  say(GUIDE)
  let person = 'alice'
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ', signal })
  const prompt = () => {
    lines.setPrompt(`${person}> `)
    lines.prompt()
  }
  prompt()
  for await (const raw of lines) {
    const line = raw.trim()
    const as = /^as (\w+)$/.exec(line)?.[1]
    const pressed = /^press (\w+) (R-\d+)$/i.exec(line)
    if (line === 'quit' || line === 'exit') break
    if (as !== undefined) {
      if (app.desk.people.some((each) => each.id === as)) person = as
      else say(`Nobody is called ${as} here. Next: as alice, as bob or as vera.`)
    } else if (line === 'play the story') await playStory(app, say)
    else if (pressed !== null) await pressOn(app, say, lines, person, pressed[1] ?? '', pressed[2] ?? '')
    else if (line !== '') await tellAnswer(app, say, person, line)
    prompt()
  }
  lines.close()
}

/** Presses what the card shows, after the question that stands on the button. */
async function pressOn(
  app: App,
  say: (line: string) => void,
  lines: Interface,
  person: string,
  verb: string,
  id: string,
): Promise<void> {
  const release = await app.desk.releases.get(id.toUpperCase())
  const card = release === undefined ? undefined : await app.card(release.id)
  const button = card?.buttons.find((each) => each.action === `release.${verb}`)
  if (card === undefined) return say(`There is no release ${id}. Next: /status`)
  if (button === undefined) {
    const shown = card.buttons.map((each) => each.action.replace('release.', '')).join(', ')
    return say(`${id} has no button ${verb} now. It has: ${shown === '' ? 'none' : shown}.`)
  }
  if (button.confirm !== undefined) {
    const answer = await new Promise<string>((resolve) => lines.question(`${button.confirm} [y/N] `, resolve))
    if (!/^y(es)?$/i.test(answer.trim())) return say('Nothing was done.')
  }
  say((await app.press(person, button.id)).text)
}

async function tellAnswer(app: App, say: (line: string) => void, person: string, line: string): Promise<void> {
  const answer = await app.command(person, line)
  say(answer.text)
  if (answer.message !== undefined) say(app.render(answer.message))
}
