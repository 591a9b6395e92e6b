import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
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
    if (options.story) await playStory(app, say, options.signal)
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
  const terminal = createInterface({ input: process.stdin, output: process.stdout, signal })
  // One reader for commands and confirmations: a line that was pasted ahead answers what is asked next, and nothing else.
  const lines = terminal[Symbol.asyncIterator]()
  const ask = async (prompt: string): Promise<string | undefined> => {
    terminal.setPrompt(prompt)
    terminal.prompt()
    const { value, done } = await lines.next()
    return done === true ? undefined : value.trim()
  }
  for (;;) {
    const line = await ask(`${person}> `)
    if (line === undefined || line === 'quit' || line === 'exit') break
    const [word, ...rest] = line.split(/\s+/)
    if (word === 'as') {
      if (app.desk.people.some((each) => each.id === rest[0])) person = rest[0] ?? person
      else say(`as whom? ${rest[0] ?? 'Nobody was named'}. Next: as alice, as bob or as vera.`)
    } else if (line === 'play the story') await playStory(app, say, signal)
    else if (word === 'press') await pressOn(app, say, ask, person, rest[0] ?? '', rest[1] ?? '')
    else if (line !== '') await tellAnswer(app, say, person, line)
  }
  terminal.close()
}

/** Presses what the card shows, after the question that stands on the button. */
async function pressOn(
  app: App,
  say: (line: string) => void,
  ask: (prompt: string) => Promise<string | undefined>,
  person: string,
  verb: string,
  id: string,
): Promise<void> {
  const release = await app.desk.releases.get(id.toUpperCase())
  if (release === undefined)
    return say(`press what on which release? Next: press approve R-1; /status lists the releases.`)
  const card = await app.card(release.id)
  const button = card.buttons.find((each) => each.action === `release.${verb}`)
  if (button === undefined) {
    const shown = card.buttons.map((each) => each.action.replace('release.', '')).join(', ')
    return say(
      `${release.id} has no button ${verb} now. ${shown === '' ? 'It has none' : `It has: ${shown}`}. Next: /status ${release.id}`,
    )
  }
  if (button.confirm !== undefined) {
    const answer = await ask(`${button.confirm} [y/N] `)
    if (!/^y(es)?$/i.test(answer ?? '')) return say('Nothing was done.')
  }
  say((await app.press(person, button.id)).text)
}

async function tellAnswer(app: App, say: (line: string) => void, person: string, line: string): Promise<void> {
  const answer = await app.command(person, line)
  if (answer.text !== answer.message?.title) say(answer.text)
  if (answer.message !== undefined) say(app.render(answer.message))
}
