import { afterEach, describe, expect, test } from 'vitest'
import type { Button } from '../../../src/ports/chat.ts'
import { signed } from '../../servers/slack/index.ts'
import { ALICE, card, delivery, PLACE, sent, until, type World, world } from './world.ts'

let w: World
afterEach(() => w.stop())

const button = (part: Partial<Button> = {}): Button => ({
  id: 'b-1',
  action: 'release.approve',
  label: 'Approve',
  style: 'primary',
  ...part,
})

/** A card with these buttons; its ts. */
async function posted(buttons: Button[]): Promise<string> {
  await sent(w.slack.send(delivery({ message: card({ buttons }) })))
  return w.server.messages(PLACE).at(-1)?.ts ?? ''
}

describe('what is unknown is answered with words', () => {
  test('a press on a card from before a restart reaches the reception, whose answer is shown', async () => {
    w = await world()
    const ts = await posted([button({ id: 'long-gone' })])
    w.reception.before = async (envelope) => {
      void w.slack.answer(envelope, { ok: false, text: 'This button is not known here. Next: type /status' })
    }
    expect((await w.server.click(ALICE, PLACE, ts, 'Approve')).acked).toBe(true)
    await until(() => w.server.ephemerals(ALICE).length === 1)
    expect(w.server.ephemerals(ALICE)[0]?.text).toContain('Next: type /rollcall-status')
  })

  test('a person whom nobody knows gets their id, before any form opens', async () => {
    w = await world()
    const text = `Nobody here is known as ${ALICE} on Slack. Next: have surfaces: { slack: "${ALICE}" } added to a person in rollcall.yaml`
    w.reception.refuses.set('b-1', { ok: false, text })
    const fields = [{ name: 'why', label: 'Why', kind: 'text' as const, required: true, most: 200 }]
    const ts = await posted([button({ fields })])
    await w.server.click(ALICE, PLACE, ts, 'Approve')
    await until(() => w.server.ephemerals(ALICE).length === 1)
    expect(w.server.ephemerals(ALICE)[0]?.text).toContain(ALICE)
    expect(w.server.modals(ALICE)).toEqual([])
  })

  const person = { id: ALICE }
  const channel = { id: PLACE }
  test.each([
    ['a shortcut', { type: 'shortcut', callback_id: 'x', trigger_id: 't', user: person }, 'no shortcuts'],
    [
      'a shortcut on a message',
      { type: 'message_action', callback_id: 'x', trigger_id: 't', user: person, channel },
      'no shortcuts',
    ],
    [
      'a choice in a list',
      {
        type: 'block_actions',
        trigger_id: 't',
        user: person,
        channel,
        actions: [{ type: 'static_select', action_id: 'x', block_id: 'y', selected_option: { value: 'z' } }],
      },
      'This button is none',
    ],
    [
      'a press without a trigger',
      {
        type: 'block_actions',
        user: person,
        channel,
        actions: [{ type: 'button', action_id: 'x', block_id: 'y', value: 'z' }],
      },
      'This button is none',
    ],
    [
      'an attachment of old',
      {
        type: 'interactive_message',
        callback_id: 'x',
        user: person,
        channel,
        actions: [{ name: 'x', type: 'button', value: 'z' }],
      },
      'does not know what that was',
    ],
    [
      'a form of another app',
      {
        type: 'view_submission',
        user: person,
        view: {
          id: 'V1',
          hash: 'h',
          type: 'modal',
          private_metadata: '',
          callback_id: 'theirs',
          state: { values: {} },
        },
      },
      'does not know this form',
    ],
    [
      'a form without a state',
      { type: 'view_submission', user: person, view: { id: 'V1', type: 'modal', callback_id: 'theirs' } },
      'does not know this form',
    ],
    ['a kind of the future', { type: 'hologram_touched', user: person, channel }, 'does not know what that was'],
  ])('%s', async (_, payload, words) => {
    w = await world({ config: { mode: 'http' } })
    await until(() => w.slack.health().at === 'up')
    const raw = `payload=${encodeURIComponent(JSON.stringify({ team: { id: 'T1' }, ...payload }))}`
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      ...signed(w.server.signingSecret, raw, Date.now()),
    }
    expect((await w.slack.http({ headers, raw })).status).toBe(200)
    const told = () => [...w.server.ephemerals(ALICE), ...w.server.messages('D0ALICE')].map(({ text }) => text)
    await until(() => told().length === 1)
    expect(told()[0]).toContain(words)
    expect(told()[0]).toMatch(/Next: \/rollcall-(status|help) shows/)
    expect(w.reception.envelopes).toEqual([])
  })
})

describe('an answer of several messages in a direct message', () => {
  const rates = { post: { burst: 1, perSecond: 1 }, perMinute: 6000 }
  const message = card({
    blocks: [{ type: 'code', text: Array.from({ length: 250 }, (_, at) => `line ${at} ${'x'.repeat(50)}`).join('\n') }],
  })
  const told = () => w.server.messages('D0ALICE').filter(({ user }) => user !== ALICE)
  async function asked() {
    await w.server.dm(ALICE, 'hosts')
    await until(() => w.reception.envelopes.length === 1)
    const [envelope] = w.reception.envelopes
    if (envelope === undefined) throw new Error('no envelope')
    return () => w.slack.answer(envelope, { ok: true, text: 'Here they are.', message })
  }

  test('is spaced as Slack wants it', async () => {
    w = await world({ server: { rates }, timings: { spacing: 1020 } })
    const answer = await asked()
    await sent(answer())
    expect(told()).toHaveLength(2)
    expect(w.server.calls('chat.postMessage').every(({ status }) => status === 200)).toBe(true)
  })

  test('goes on where it was limited', async () => {
    w = await world({ server: { rates }, timings: { patience: 0 } })
    const answer = await asked()
    expect(await answer()).toMatchObject({ at: 'later', scope: 'place' })
    expect(told()).toHaveLength(1)
    await until(async () => (await answer()).at === 'sent')
    expect(told()).toHaveLength(2)
    expect(told()[1]?.text).toContain('(2/2)')
  })
})

describe('an answer that does not fit into its messages', () => {
  const LONG = Array.from({ length: 4000 }, (_, at) => `Line ${at} of a long answer`).join('\n')
  const message = card({ title: 'Hosts', blocks: [{ type: 'code', text: LONG }] })
  const lastLine = () => JSON.stringify(w.server.ephemerals(ALICE).at(-1)?.blocks?.at(-1))

  async function answered() {
    await w.server.slash(ALICE, PLACE, '/hosts')
    const envelope = w.reception.envelopes.at(-1)
    if (envelope === undefined) throw new Error('no envelope')
    return { answer: () => sent(w.slack.answer(envelope, { ok: true, text: 'Here they are.', message })) }
  }

  test('is a file in a direct message, all of it, and its last line says so', async () => {
    w = await world()
    const { answer } = await answered()
    await answer()
    expect(w.server.ephemerals(ALICE)).toHaveLength(5)
    expect(lastLine()).toContain('the whole answer is a file in your direct messages with Rollcall')
    const direct = w.server.messages('D0ALICE')
    const [file] = direct.flatMap(({ files }) => files ?? [])
    const text = w.server.file(file?.id ?? '')?.toString() ?? ''
    expect(text).toContain('Here they are.')
    for (const at of [0, 1999, 3999]) expect(text).toContain(`Line ${at} of a long answer`)
    expect(w.server.messages(PLACE).flatMap(({ files }) => files ?? [])).toEqual([])
    // Tried again, as an answer is whose arrival nobody has noted.
    await answer()
    expect(w.server.messages('D0ALICE')).toHaveLength(direct.length)
  })

  test('stands below it in a direct message', async () => {
    w = await world()
    await w.server.dm(ALICE, 'hosts')
    await until(() => w.reception.envelopes.length === 1)
    const [envelope] = w.reception.envelopes
    if (envelope === undefined) throw new Error('no envelope')
    await sent(w.slack.answer(envelope, { ok: true, text: 'Here they are.', message }))
    const direct = w.server.messages('D0ALICE')
    expect(direct.flatMap(({ files }) => files ?? [])).toHaveLength(1)
    expect(JSON.stringify(direct.at(-1)?.blocks)).toContain('the whole answer is in the attached file')
  })

  test('says exactly how much is left out where no file can be sent', async () => {
    w = await world({ server: { scopes: ['commands', 'chat:write'] } })
    const { answer } = await answered()
    await answer()
    const [, count = '0'] = /the last (\d+) characters are left out/.exec(lastLine()) ?? []
    const shown = JSON.stringify(w.server.ephemerals(ALICE).map(({ blocks }) => blocks))
    const lastShown = Math.max(...[...shown.matchAll(/Line (\d+) of/g)].map(([, at]) => Number(at)))
    const left = LONG.slice(LONG.indexOf(`Line ${lastShown + 1} of`))
    expect(Number(count)).toBe(left.length)
    expect(lastLine()).toContain('read it in the console')
    // Nothing announces a file that is not there.
    expect(w.server.messages('D0ALICE')).toEqual([])
  })
})
