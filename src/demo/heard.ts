import type { App } from '../app.ts'
import { asFault } from '../lib/fault.ts'
import { playStory, type Scenery } from './story.ts'

interface Presser {
  id: string
  roles: readonly string[]
}

interface Reply {
  ok: boolean
  text: string
}

/** States in which a release would stand in the story's way. */
const STANDING = ['preparing', 'awaiting approval', 'approved', 'rolling out', 'held', 'rolling back']

/**
 * What the sandbox's console answers before a text is read as a command: `play the story`, and `stop account-store` and
 * `start account-store`, by which one sees trouble that no release is to blame for. Undefined for everything else.
 */
export function createHeard(parts: {
  app: () => App
  scenery: Scenery
  signal: AbortSignal
}): (person: Presser, text: string) => Promise<Reply | undefined> {
  const { dependency, alertmanagerUrl } = parts.scenery
  /** One at a time, or alice would stand in her own way. */
  let playing: Promise<void> | undefined

  const play = async ({ id: who, roles }: Presser): Promise<Reply> => {
    const app = parts.app()
    if (playing !== undefined) return no('The story is being played already. Next: watch the channel.')
    if (!roles.includes('operator')) return no(`The story releases as alice; ${who} may only look. Next: act as alice.`)
    for await (const { id, state } of app.desk.releases.newest()) {
      if (STANDING.includes(state.at)) return no(`${id} is in progress. Next: end it first; /status ${id} says how.`)
    }
    playing = playStory(app, parts.scenery, () => {}, parts.signal)
      .catch((error: unknown) => sayEnded(app, error))
      .finally(() => {
        playing = undefined
      })
    const text =
      alertmanagerUrl === undefined
        ? `The story is being played for ${who}, as alice and bob: a good release, then a bad one. It takes about two minutes.`
        : `The story is being played for ${who}, as alice and bob: a good release, a bad one, one that an alert stops, and one that is not to blame. It takes about three minutes.`
    return { ok: true, text }
  }

  const order = async (verb: string, { id, roles }: Presser): Promise<Reply> => {
    const { name } = dependency
    if (!roles.includes('operator')) return no(`${id} may only look. Next: act as alice.`)
    if (playing !== undefined) return no('The story is being played. Next: watch the channel.')
    if (verb === 'start') {
      await dependency.start()
      return { ok: true, text: `${name} runs. What fired because of it is over in some seconds.` }
    }
    await dependency.stop()
    const text =
      alertmanagerUrl === undefined
        ? `${name} is stopped: user-service answers a fifth of its requests with errors, on every host alike. Without Alertmanager no alert comes. Next: start ${name}`
        : `${name} is stopped: user-service answers a fifth of its requests with errors, on every host alike. An alert comes in some seconds. Next: start ${name}`
    return { ok: true, text }
  }

  return async (person, text) => {
    const words = text.trim().replace(/^\//, '').toLowerCase()
    if (words === 'story' || words === 'play the story') return play(person)
    const [verb = '', name, ...more] = words.split(/\s+/)
    if ((verb === 'start' || verb === 'stop') && name === dependency.name && more.length === 0)
      return order(verb, person)
    return undefined
  }
}

function no(text: string): Reply {
  return { ok: false, text }
}

async function sayEnded(app: App, error: unknown): Promise<void> {
  await app.desk.chat.put({
    key: `story/${Date.now()}`,
    channel: app.desk.channel,
    message: {
      title: 'The story ended early',
      tone: 'warn',
      blocks: [{ type: 'text', text: asFault(error).line }],
      buttons: [],
    },
  })
}
