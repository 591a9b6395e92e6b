import { afterEach, describe, expect, test } from 'vitest'
import type { Button } from '../../../src/ports/chat.ts'
import type { Form } from '../../../src/ports/surface.ts'
import { ALICE, away, card, delivery, PLACE, PNG, sent, until, type World, world } from './world.ts'

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
const deeds = () => w.reception.envelopes.map(({ deed }) => deed)

describe('what people type', () => {
  test('a slash command is durable before it is acknowledged', async () => {
    w = await world()
    let durable = false
    w.reception.before = async () => {
      await new Promise((resolve) => setTimeout(resolve, 100))
      durable = true
    }
    const delivered = await w.server.slash(ALICE, PLACE, '/release user-service v1.1.0')
    expect(delivered.acked).toBe(true)
    expect(durable).toBe(true)
    expect(delivered.ms).toBeGreaterThanOrEqual(95)
    expect(w.reception.envelopes).toMatchObject([
      {
        surface: 'slack',
        user: ALICE,
        channel: '#releases',
        deed: { kind: 'typed', text: '/release user-service v1.1.0' },
      },
    ])
    expect(JSON.stringify(w.reception.envelopes)).not.toContain('http')
  })

  test('a mention is a command without its slash, cleaned of what keyboards put in', async () => {
    w = await world()
    await w.server.mention(ALICE, PLACE, ` release user-service\u00a0v1.1.0\u200b —hosts “web-1”`)
    await until(() => w.reception.envelopes.length === 1)
    expect(deeds()).toEqual([{ kind: 'typed', text: '/release user-service v1.1.0 --hosts "web-1"' }])
  })

  test.each([
    ['/rollcall-status R-1', '/status R-1'],
    ['/rollcall-help', '/help'],
    ['/release rollcall-web v1', '/release rollcall-web v1'],
  ])('the slash command %s is %s', async (typed, text) => {
    w = await world()
    expect((await w.server.slash(ALICE, PLACE, typed)).acked).toBe(true)
    expect(deeds()).toEqual([{ kind: 'typed', text }])
  })

  test('what is pasted after a mention may have the name of the slash command', async () => {
    w = await world()
    await w.server.mention(ALICE, PLACE, '/rollcall-status R-1')
    await until(() => w.reception.envelopes.length === 1)
    expect(deeds()).toEqual([{ kind: 'typed', text: '/status R-1' }])
  })

  test('a direct message has no channel of ours and is answered there', async () => {
    w = await world()
    await w.server.dm(ALICE, 'status')
    await until(() => w.reception.envelopes.length === 1)
    const [envelope] = w.reception.envelopes
    expect(envelope).toMatchObject({ deed: { text: '/status' }, reply: { direct: true } })
    expect(envelope).not.toHaveProperty('channel')
    if (envelope === undefined) throw new Error('no envelope')
    await sent(w.slack.answer(envelope, { ok: true, text: 'All is quiet.' }))
    const direct = w.server.messages('D0ALICE')
    expect(direct.at(-1)?.text).toBe('✅ All is quiet.')
    // Its own answer is no command.
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(w.reception.envelopes).toHaveLength(1)
  })

  test('the same one delivered three times is one (trap 1)', async () => {
    w = await world()
    w.server.faults.duplicate(2)
    await w.server.slash(ALICE, PLACE, '/status')
    await w.server.mention(ALICE, PLACE, 'status')
    const ts = await posted([button()])
    await w.server.click(ALICE, PLACE, ts, 'Approve')
    await until(() => w.reception.asked === 9)
    expect(w.reception.envelopes).toHaveLength(3)
  })
})

describe('while the store', () => {
  test('is slow, nothing is acknowledged, and what is delivered again is known', async () => {
    w = await world({ server: { ackMs: 600 } })
    let slow = 1
    w.reception.before = async () => {
      if (slow-- > 0) await new Promise((resolve) => setTimeout(resolve, 700))
    }
    const delivered = await w.server.mention(ALICE, PLACE, 'status')
    expect(delivered).toMatchObject({ acked: true })
    expect(delivered.attempts).toBeGreaterThan(1)
    await until(() => w.reception.asked >= 2)
    expect(w.reception.envelopes).toHaveLength(1)
  })

  test('is away, a press is not acknowledged, and as Slack does not deliver it again the person is told to', async () => {
    w = await world({ server: { ackMs: 300 } })
    w.reception.before = async () => {
      throw away()
    }
    const ts = await posted([button()])
    expect((await w.server.click(ALICE, PLACE, ts, 'Approve')).acked).toBe(false)
    await until(() => w.server.ephemerals(ALICE).length > 0)
    expect(w.server.ephemerals(ALICE)[0]).toMatchObject({
      text: expect.stringContaining('do it again in a moment'),
      via: 'response_url',
    })
    w.reception.before = async () => {}
    expect((await w.server.click(ALICE, PLACE, ts, 'Approve')).acked).toBe(true)
    expect(w.reception.envelopes).toHaveLength(1)
  })

  test.each(['slow', 'slow, then away'])(
    'is %s, what comes of a command or a press is said once it is known',
    async (how) => {
      w = await world({ server: { ackMs: 500 } })
      const ts = await posted([button()])
      const gate = Promise.withResolvers<void>()
      w.reception.before = async () => {
        await gate.promise
        if (how !== 'slow') throw away()
      }
      const both = [w.server.slash(ALICE, PLACE, '/status'), w.server.click(ALICE, PLACE, ts, 'Approve')]
      for (const each of both) expect((await each).acked).toBe(false)
      expect(w.server.ephemerals(ALICE)).toEqual([])
      gate.resolve()
      await until(() => w.server.ephemerals(ALICE).length >= 2)
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(w.server.ephemerals(ALICE)).toHaveLength(2)
      const said = how === 'slow' ? 'it has been taken: there is no need' : 'do it again in a moment'
      for (const told of w.server.ephemerals(ALICE))
        expect(told).toMatchObject({ via: 'response_url', text: expect.stringContaining(said) })
      expect(w.reception.envelopes).toHaveLength(how === 'slow' ? 2 : 0)
    },
  )

  test('is slow, a form is told to be taken late, and a corrected one counts for itself', async () => {
    w = await world()
    w.reception.forms.set('/release', FORM)
    const gate = Promise.withResolvers<void>()
    w.reception.before = () => gate.promise
    await w.server.slash(ALICE, PLACE, '/release')
    await until(() => w.server.modals(ALICE).length === 1)
    const { errors } = await w.server.submit(ALICE, { Service: 'user-service', Version: 'v1' })
    expect(Object.values(errors ?? {})[0]).toContain('it may be taken')
    expect(Object.values(errors ?? {})[0]).not.toContain('again')
    gate.resolve()
    await until(() => w.server.ephemerals(ALICE).length === 1)
    expect(w.server.ephemerals(ALICE)[0]).toMatchObject({ text: expect.stringContaining('it has been taken') })
    // The same one once more is known, another one is not.
    await w.server.submit(ALICE, { Service: 'user-service', Version: 'v2' })
    expect(w.server.modals(ALICE)).toEqual([])
    expect(deeds()).toEqual([
      { kind: 'typed', text: expect.stringContaining('v1') },
      { kind: 'typed', text: expect.stringContaining('v2') },
    ])
    expect(w.reception.envelopes.every(({ id }) => id.length <= 200)).toBe(true)
  })

  test('is slow, the same form sent once more is known', async () => {
    w = await world()
    w.reception.forms.set('/release', FORM)
    const gate = Promise.withResolvers<void>()
    w.reception.before = () => gate.promise
    await w.server.slash(ALICE, PLACE, '/release')
    await until(() => w.server.modals(ALICE).length === 1)
    await w.server.submit(ALICE, { Service: 'user-service', Version: 'v1' })
    gate.resolve()
    await w.server.submit(ALICE, { Service: 'user-service', Version: 'v1' })
    expect(w.server.modals(ALICE)).toEqual([])
    expect(w.reception.envelopes).toHaveLength(1)
  })

  test('is away for good, no event is acknowledged', async () => {
    w = await world({ server: { ackMs: 300, retryMs: [10] } })
    w.reception.before = async () => {
      throw away()
    }
    expect((await w.server.mention(ALICE, PLACE, 'status')).acked).toBe(false)
  })

  test('is away, a form stays open with what was filled in', async () => {
    w = await world()
    w.reception.forms.set('/release', FORM)
    await w.server.slash(ALICE, PLACE, '/release')
    await until(() => w.server.modals(ALICE).length === 1)
    w.reception.before = async () => {
      throw away()
    }
    const { errors } = await w.server.submit(ALICE, { Service: 'user-service', Version: 'v1' })
    expect(Object.values(errors ?? {})[0]).toContain('could not store')
    expect(w.server.modals(ALICE)).toHaveLength(1)
    w.reception.before = async () => {}
    await w.server.submit(ALICE, { Service: 'user-service', Version: 'v1' })
    expect(w.reception.envelopes).toHaveLength(1)
    expect(w.server.modals(ALICE)).toHaveLength(0)
  })
})

const FORM: Form = {
  command: 'release',
  title: 'Release',
  fields: [
    {
      kind: 'choice',
      name: 'service',
      label: 'Service',
      options: ['user-service', 'pay-service'],
      value: 'user-service',
      required: true,
    },
    { kind: 'text', name: 'version', label: 'Version', required: true, most: 100, hint: 'such as v1.1.0' },
    { kind: 'choices', name: 'hosts', label: 'Hosts', options: ['web-1', 'web-2'], required: false },
    { kind: 'flag', name: 'override-freeze', label: 'Override the freeze' },
  ],
}

describe('a command that lacks words', () => {
  test('opens a form, whose answers become a command line', async () => {
    w = await world()
    w.reception.forms.set('/release', FORM)
    const asked: Record<string, string>[] = []
    w.reception.lines = (_, values) => {
      asked.push(values)
      return { text: '/release user-service v2' }
    }
    const delivered = await w.server.slash(ALICE, PLACE, '/release')
    expect(delivered.acked).toBe(true)
    await until(() => w.server.modals(ALICE).length === 1)
    const types = w.server.modals(ALICE)[0]?.view.blocks.map(({ element }) => (element as { type: string }).type)
    expect(types).toEqual(['static_select', 'plain_text_input', 'multi_static_select', 'checkboxes'])
    expect(w.reception.envelopes).toEqual([])
    const { acked } = await w.server.submit(ALICE, {
      Service: 'user-service',
      Version: 'v2',
      Hosts: ['web-1', 'web-2'],
      'Override the freeze': ['yes'],
    })
    expect(acked).toBe(true)
    expect(asked).toEqual([{ service: 'user-service', version: 'v2', hosts: 'web-1,web-2', 'override-freeze': 'yes' }])
    expect(w.reception.envelopes).toMatchObject([
      {
        id: expect.stringMatching(/^view\//),
        user: ALICE,
        channel: '#releases',
        deed: { kind: 'typed', text: '/release user-service v2' },
      },
    ])
    const [envelope] = w.reception.envelopes
    if (envelope !== undefined) await sent(w.slack.answer(envelope, { ok: true, text: 'R-1 is prepared.' }))
    expect(w.server.ephemerals(ALICE)).toMatchObject([
      { channel: PLACE, via: 'postEphemeral', text: '✅ R-1 is prepared.' },
    ])
  })

  test('shows what is wrong at its field', async () => {
    w = await world({ language: 'zh' })
    w.reception.forms.set('/release', FORM)
    w.reception.lines = () => ({ wrong: { version: 'This is needed.' } })
    await w.server.slash(ALICE, PLACE, '/release')
    await until(() => w.server.modals(ALICE).length === 1)
    const { errors } = await w.server.submit(ALICE, { 'field:service': 'user-service', 'field:version': 'x' })
    expect(Object.keys(errors ?? {})).toEqual(['field:version'])
    expect(w.server.modals(ALICE)).toHaveLength(1)
    expect(w.reception.envelopes).toEqual([])
  })

  test('with more than a hundred options asks for words instead', async () => {
    w = await world()
    const options = Array.from({ length: 130 }, (_, at) => `web-${at}`)
    w.reception.forms.set('/release', {
      ...FORM,
      fields: [{ kind: 'choices', name: 'hosts', label: 'Hosts', options, required: false }],
    })
    const asked: Record<string, string>[] = []
    w.reception.lines = (_, values) => {
      asked.push(values)
      return { text: '/release' }
    }
    await w.server.slash(ALICE, PLACE, '/release')
    await until(() => w.server.modals(ALICE).length === 1)
    await w.server.submit(ALICE, { Hosts: 'web-1, web-129' })
    expect(asked).toEqual([{ hosts: 'web-1,web-129' }])
  })

  test('whose trigger has expired says what to type instead', async () => {
    w = await world({ server: { triggerMs: 1 } })
    w.reception.forms.set('/release', FORM)
    w.server.faults.slow('views.open', 50)
    await w.server.slash(ALICE, PLACE, '/release')
    await until(() => w.server.ephemerals(ALICE).length === 1)
    expect(w.server.ephemerals(ALICE)[0]?.text).toBe(
      '⚠️ The form could not be opened in time. Next: /release &lt;service&gt; &lt;version&gt; [host …]',
    )
    expect(w.server.modals(ALICE)).toEqual([])
  })

  test('opens one form though the command comes twice', async () => {
    w = await world()
    w.reception.forms.set('/release', FORM)
    w.server.faults.duplicate(1)
    await w.server.slash(ALICE, PLACE, '/release')
    await until(() => w.server.calls('views.open').length === 2)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(w.server.modals(ALICE)).toHaveLength(1)
    expect(w.server.ephemerals(ALICE)).toEqual([])
  })
})

describe('buttons', () => {
  test('bring their id, after the question', async () => {
    w = await world()
    const ts = await posted([
      button({ confirm: 'Approve R-1?' }),
      button({ id: 'b-2', label: 'Reject', style: 'danger' }),
    ])
    expect(await w.server.click(ALICE, PLACE, ts, 'Approve')).toMatchObject({ acked: true, confirmed: 'Approve R-1?' })
    expect(w.reception.envelopes).toMatchObject([
      {
        id: expect.stringMatching(/^press\//),
        channel: '#releases',
        deed: { kind: 'pressed', button: 'b-1', fields: {} },
      },
    ])
  })

  const fields = [{ name: 'why', label: 'Why', kind: 'text' as const, required: true, most: 200 }]

  test('that ask for something open a form first', async () => {
    w = await world()
    const ts = await posted([button({ fields })])
    await w.server.click(ALICE, PLACE, ts, 'Approve')
    await until(() => w.server.modals(ALICE).length === 1)
    await w.server.submit(ALICE, { Why: 'because' })
    expect(deeds()).toEqual([{ kind: 'pressed', button: 'b-1', fields: { why: 'because' } }])
  })

  test('tell at once who may not press, and ask nothing', async () => {
    w = await world()
    w.reception.refuses.set('b-1', { ok: false, text: 'You may not approve. Next: ask an approver' })
    const ts = await posted([button({ fields })])
    expect((await w.server.click(ALICE, PLACE, ts, 'Approve')).acked).toBe(true)
    await until(() => w.server.ephemerals(ALICE).length === 1)
    expect(w.server.ephemerals(ALICE)[0]?.text).toBe('⚠️ You may not approve. Next: ask an approver')
    expect(w.server.modals(ALICE)).toEqual([])
  })

  test('of an answer that only one person sees work too', async () => {
    w = await world()
    await w.server.slash(ALICE, PLACE, '/status')
    const [envelope] = w.reception.envelopes
    if (envelope === undefined) throw new Error('no envelope')
    await sent(
      w.slack.answer(envelope, { ok: true, text: 'Here.', message: card({ buttons: [button({ id: 'b-9' })] }) }),
    )
    expect((await w.server.clickEphemeral(ALICE, 0, 'Approve')).acked).toBe(true)
    expect(deeds()[1]).toEqual({ kind: 'pressed', button: 'b-9', fields: {} })
  })

  test('that are none of ours are acknowledged and answered (trap 2)', async () => {
    w = await world()
    const ts = await posted([button()])
    const old = { type: 'button', text: { type: 'plain_text', text: 'Old' }, action_id: 'x', value: 'old' }
    const blocks = [{ type: 'actions', elements: [old] }]
    const answer = await fetch(`${w.server.apiUrl}chat.update`, {
      method: 'POST',
      headers: { authorization: `Bearer ${w.server.botToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ channel: PLACE, ts, text: 'old', blocks }),
    })
    expect(await answer.json()).toMatchObject({ ok: true })
    expect((await w.server.click(ALICE, PLACE, ts, 'Old')).acked).toBe(true)
    await until(() => w.server.ephemerals(ALICE).length === 1)
    expect(w.server.ephemerals(ALICE)[0]?.text).toContain('Next: /rollcall-status shows')
  })
})

describe('answers', () => {
  async function asked() {
    await w.server.slash(ALICE, PLACE, '/status')
    const envelope = w.reception.envelopes.at(-1)
    if (envelope === undefined) throw new Error('no envelope')
    return envelope
  }

  test('use the address of the deed five times, and are posted to the person then', async () => {
    w = await world()
    const envelope = await asked()
    for (let at = 0; at < 7; at++) await sent(w.slack.answer(envelope, { ok: at % 2 === 0, text: `Answer ${at}.` }))
    const told = w.server.ephemerals(ALICE)
    expect(told.map(({ via }) => via)).toEqual([...Array(5).fill('response_url'), 'postEphemeral', 'postEphemeral'])
    expect(told.map(({ text }) => text.slice(0, 2).trim())).toEqual(['✅', '⚠️', '✅', '⚠️', '✅', '⚠️', '✅'])
    expect(w.server.calls('response_url').every(({ status }) => status === 200)).toBe(true)
  })

  test('after a restart, or when the address is old, do without it', async () => {
    w = await world({ timings: { responseUrl: 0 } })
    await sent(w.slack.answer(await asked(), { ok: true, text: 'Late.' }))
    expect(w.server.ephemerals(ALICE)).toMatchObject([{ via: 'postEphemeral', channel: PLACE }])
  })

  test('go to a direct message where the bot is not in the channel', async () => {
    w = await world({ timings: { responseUrl: 0 } })
    const envelope = await asked()
    await sent(w.slack.answer({ ...envelope, reply: { channel: 'C0NOWHERE' } }, { ok: true, text: 'Here.' }))
    expect(w.server.messages('D0ALICE').at(-1)?.text).toBe('✅ Here.')
  })

  test('that are long come in several', async () => {
    w = await world()
    const text = Array.from({ length: 500 }, (_, at) => `Line ${at} of the help text for everybody.`).join('\n')
    await sent(w.slack.answer(await asked(), { ok: true, text }))
    const all = JSON.stringify(w.server.ephemerals(ALICE).map(({ blocks }) => blocks))
    expect(w.server.ephemerals(ALICE).length).toBeGreaterThan(1)
    expect(all).toContain('Line 0 of')
    expect(all).toContain('Line 499 of')
  })

  test('do without Slack’s own blocks where these are refused', async () => {
    w = await world()
    w.server.faults.refuseNativeBlocks(true)
    const table = { type: 'table' as const, columns: ['host', 'state'], rows: [['web-1', 'held']] }
    await sent(w.slack.answer(await asked(), { ok: true, text: 'Hosts.', message: card({ blocks: [table] }) }))
    expect(JSON.stringify(w.server.ephemerals(ALICE).at(-1)?.blocks)).toContain('web-1  held')
    expect(w.server.messages('D0ALICE')).toEqual([])
  })

  test('show pictures, once they are ready', async () => {
    w = await world({ server: { fileReadyMs: 100 } })
    w.pictures.set('p/1', PNG)
    const picture = { type: 'picture' as const, id: 'p/1', alt: 'error rate', width: 1, height: 1 }
    await sent(w.slack.answer(await asked(), { ok: true, text: 'Chart.', message: card({ blocks: [picture] }) }))
    expect(w.server.ephemerals(ALICE).at(-1)?.blocks?.at(-1)?.type).toBe('image')
  })

  test('say how it went while Slack limits', async () => {
    w = await world({ timings: { responseUrl: 0 } })
    const envelope = await asked()
    w.server.faults.rateLimit(PLACE, { seconds: 7 })
    expect(await w.slack.answer(envelope, { ok: true, text: 'x' })).toMatchObject({
      at: 'later',
      ms: 7000,
      scope: 'place',
    })
  })
})

test('stop lets what is being taken in end, and takes nothing more (trap 9)', async () => {
  w = await world({ timings: { accept: 2000 } })
  const gate = Promise.withResolvers<void>()
  w.reception.before = () => gate.promise
  const delivered = w.server.slash(ALICE, PLACE, '/status')
  await until(() => w.reception.asked === 1)
  let stopped = false
  const stopping = w.slack.stop(2000).then(() => {
    stopped = true
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(stopped).toBe(false)
  gate.resolve()
  await stopping
  expect((await delivered).acked).toBe(true)
  expect(w.reception.envelopes).toHaveLength(1)
  await until(() => w.server.connections() === 0)
})
