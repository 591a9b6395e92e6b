import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Command } from '../../src/entry/command.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Envelope } from '../../src/ports/surface.ts'
import { offerButtons } from '../../src/release/button.ts'
import { createMemoryStore, type MemoryStore } from '../fakes/memory-store.ts'
import { aRelease } from '../fakes/release.ts'
import { heldBy, mortal, type Process, processOn, typed } from './reception-kit.ts'

/** However busy the machine is. */
const eventually = <T>(look: () => T | Promise<T>): Promise<T> => vi.waitFor(look, { timeout: 10_000, interval: 10 })

const open: Process[] = []
afterEach(async () => {
  for (const { reception } of open.splice(0)) await reception.close(1000)
})

function start(store: Store, options: Parameters<typeof processOn>[1] = {}): Process {
  const process = processOn(store, options)
  open.push(process)
  return process
}

async function running(options: Parameters<typeof processOn>[1] = {}): Promise<Process & { store: MemoryStore }> {
  const store = createMemoryStore()
  const process = start(store, options)
  await process.reception.open()
  return { ...process, store }
}

const pressed = (button: string, part: Partial<Envelope> = {}) =>
  typed('', { deed: { kind: 'pressed', button, fields: {} }, ...part })
const rowOf = async (store: Store, { surface, id }: Envelope) =>
  (await store.get('inbox', `${surface}/${id}`))?.document
/** How many numbers each lane keeps in the store. */
async function laneLengths(store: Store): Promise<number[]> {
  const lane = createHash('sha256')
    .update(JSON.stringify(['slack', 'U1', null]))
    .digest('hex')
    .slice(0, 32)
  return [(await store.read(`inbox-lane/${lane}`)).length]
}
const requests = async (store: Store) => (await store.read('release-numbers')).length

describe('what a chat service brings', () => {
  test('is done once however often it is delivered, and answered once', async () => {
    const { reception, store, told, started } = await running()
    const envelope = typed('/release user-service v1.1.0')
    const taken = await Promise.all([1, 2, 3].map(() => reception.accept(envelope)))
    expect(taken.sort()).toEqual(['known', 'known', 'new'])
    await reception.idle()
    expect(await reception.accept(envelope)).toBe('known')
    await reception.idle()
    expect([...started]).toEqual(['R-1'])
    expect(await requests(store)).toBe(1)
    expect(told).toEqual([
      { id: envelope.id, user: 'U1', answer: { ok: true, text: 'R-1: preparing user-service v1.1.0.' } },
    ])
    expect(await rowOf(store, envelope)).toMatchObject({ state: 'done', pending: false, attempt: 1 })
  })

  test('is durable before it is taken in, and not taken in when the store is away', async () => {
    const { reception, store, told } = await running()
    const envelope = typed('/status')
    store.before = (call, key) => {
      if (call === 'insert' && key.startsWith('inbox/')) throw new Error('no disk')
    }
    await expect(reception.accept(envelope)).rejects.toThrow('no disk')
    store.before = () => {}
    expect(await reception.accept(envelope)).toBe('new')
    await reception.idle()
    expect(told).toHaveLength(1)
  })

  test('that was written down though nobody heard so is done all the same', async () => {
    const { reception, store, told } = await running()
    const envelope = typed('/status')
    store.after = (call, key) => {
      if (call === 'insert' && key.startsWith('inbox/')) throw new Error('cut off')
    }
    await expect(reception.accept(envelope)).rejects.toThrow('cut off')
    store.after = () => {}
    expect(await reception.accept(envelope)).toBe('known')
    await eventually(() => expect(told.map(({ id }) => id)).toEqual([envelope.id]))
  })

  test('goes into the channel where it was done, else into that of releases', async () => {
    const { reception, desk } = await running()
    const start = vi.spyOn(desk.flows, 'start')
    await reception.accept(typed('/release user-service v1.1.0', { channel: '#ops' }))
    await reception.idle()
    await reception.accept(typed('/release user-service v1.1.0'))
    await reception.idle()
    expect(start.mock.calls.map(([, , input]) => input)).toMatchObject([{ channel: '#ops' }, { channel: '#releases' }])
  })

  test('is written into the audit log as that person’s, from there', async () => {
    const { reception, desk } = await running()
    await reception.accept(typed('/release user-service v1.1.0'))
    await reception.idle()
    const { entries } = await desk.audit.page({ limit: 5 })
    expect(entries).toMatchObject([{ who: 'alice', from: 'slack', action: 'release.request', result: 'done' }])
  })

  test.each([
    ['hello', '/release: prepare a release'],
    ['帮助', '/release: prepare a release'],
    ['help', '/release: prepare a release'],
    ['', '/release: prepare a release'],
    ['/hello', '/release: prepare a release'],
    ['/帮助', '/release: prepare a release'],
    ['/nonsense at all', '/release: prepare a release'],
    ['status', 'No release yet.'],
    ['Status', 'No release yet.'],
    ['／status', 'No release yet.'],
    ['/stauts', 'There is no command "/stauts". Did you mean status?'],
  ])('%j is answered with %j', async (text, words) => {
    const { reception, told } = await running()
    await reception.accept(typed(text))
    await reception.idle()
    expect(told[0]?.answer.text).toContain(words)
  })

  test('is masked in what comes back, and in what is kept', async () => {
    const { reception, store, told, next } = await running({
      desk: { redact: (text) => text.replaceAll('hunter2', '***') },
    })
    next.push({ at: 'later', ms: 60_000, scope: 'surface', why: 'down', arrived: 'no' })
    const envelope = typed('/status hunter2')
    await reception.accept(envelope)
    await reception.idle()
    expect(told[0]?.answer.text).toContain('"***" is neither a release nor a service')
    expect(await rowOf(store, envelope)).toMatchObject({ answer: { text: expect.stringContaining('***') } })
  })

  test('leaves a small row behind', async () => {
    const { reception, store } = await running()
    const envelope = typed(`/status ${'x'.repeat(9000)}`, { reply: { to: 'y'.repeat(1000) } })
    await reception.accept(envelope)
    await reception.idle()
    expect(JSON.stringify(await rowOf(store, envelope)).length).toBeLessThan(1200)
  })
})

describe('order', () => {
  /** `/slow <name>` begins, and ends when the test lets it. */
  function slow() {
    const log: string[] = []
    const ends = new Map<string, () => void>()
    const command: Command = {
      name: 'slow',
      summary: 'waits',
      usage: ['<name>'],
      action: 'help.read',
      async run({ person }, { args: [name = ''] }) {
        log.push(`${person.id} ${name} begins`)
        await new Promise<void>((resolve) => ends.set(name, resolve))
        log.push(`${person.id} ${name} ends`)
        return { ok: true, text: name }
      },
    }
    const end = async (name: string) => {
      await eventually(() => expect(ends.has(name)).toBe(true))
      ends.get(name)?.()
    }
    return { log, end, commands: [command] }
  }

  test('one person’s deeds in one place do not overtake each other; others do not wait for them', async () => {
    const { log, end, commands } = slow()
    const { reception } = await running({ commands })
    await reception.accept(typed('/slow a'))
    await reception.accept(typed('/slow b'))
    await reception.accept(typed('/slow c', { user: 'U2' }))
    await reception.accept(typed('/slow d', { channel: '#ops' }))
    await end('c')
    await end('d')
    expect(log).not.toContain('alice b begins')
    await end('a')
    await end('b')
    await reception.idle()
    expect(log.filter((line) => /[ab] /.test(line.slice(6)))).toEqual([
      'alice a begins',
      'alice a ends',
      'alice b begins',
      'alice b ends',
    ])
  })

  test('holds between two processes that share the store', async () => {
    const { log, end, commands } = slow()
    const store = createMemoryStore()
    const [one, two] = [1, 2].map(() => start(store, { commands, exclusive: false }))
    await one?.reception.open()
    await two?.reception.open()
    await one?.reception.accept(typed('/slow a'))
    await two?.reception.accept(typed('/slow b'))
    await eventually(() => expect(log).toEqual(['alice a begins']))
    // Several looks of the second process later.
    const looks = vi.spyOn(store, 'find')
    await eventually(() => expect(looks.mock.calls.length).toBeGreaterThan(8))
    expect(log).toEqual(['alice a begins'])
    await end('a')
    await end('b')
    await eventually(() => expect(log).toEqual(['alice a begins', 'alice a ends', 'alice b begins', 'alice b ends']))
  })

  test('is that of acceptance between two processes whose clocks differ', async () => {
    const { log, end, commands } = slow()
    const store = createMemoryStore()
    // Its own modules, as in a process of its own: ids of one process never go back.
    vi.resetModules()
    const elsewhere = await import('./reception-kit.ts')
    const one = elsewhere.processOn(store, { commands, exclusive: false })
    open.push(one)
    const two = start(store, { commands, exclusive: false })
    await two.reception.open()
    const fast = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000)
    await one.reception.accept(typed('/slow a'))
    fast.mockRestore()
    await two.reception.accept(typed('/slow b'))
    const looks = vi.spyOn(store, 'find')
    await eventually(() => expect(looks.mock.calls.length).toBeGreaterThan(4))
    expect(log).toEqual([])
    await one.reception.open()
    await end('a')
    await end('b')
    await eventually(() => expect(log).toEqual(['alice a begins', 'alice a ends', 'alice b begins', 'alice b ends']))
  })

  test('waits for what was numbered earlier and is not written yet', async () => {
    const { log, end, commands } = slow()
    const store = createMemoryStore()
    let written = (): void => {}
    const late = new Promise<void>((resolve) => (written = resolve))
    const insert: Store['insert'] = async (collection, id, document) => {
      if (collection === 'inbox') await late
      return store.insert(collection, id, document)
    }
    const timings = { gap: 60_000 }
    const one = start({ ...store, insert }, { commands, exclusive: false, timings })
    const two = start(store, { commands, exclusive: false, timings })
    await one.reception.open()
    await two.reception.open()
    const taken = one.reception.accept(typed('/slow a'))
    await eventually(async () => expect(await laneLengths(store)).toEqual([1]))
    await two.reception.accept(typed('/slow b'))
    const looks = vi.spyOn(store, 'find')
    await eventually(() => expect(looks.mock.calls.length).toBeGreaterThan(4))
    expect(log).toEqual([])
    written()
    await taken
    await end('a')
    await end('b')
    await eventually(() => expect(log).toEqual(['alice a begins', 'alice a ends', 'alice b begins', 'alice b ends']))
  })

  test('does not wait for ever for a number whose process died before it wrote the row', async () => {
    const store = createMemoryStore()
    const one = processOn(
      { ...store, insert: () => Promise.reject(new Error('died')) },
      { exclusive: false, timings: { gap: 50 } },
    )
    await expect(one.reception.accept(typed('/status'))).rejects.toThrow('died')
    const two = start(store, { exclusive: false, timings: { gap: 50 } })
    await two.reception.open()
    await two.reception.accept(typed('/status'))
    await eventually(() => expect(two.told).toHaveLength(1))
  })

  test('is kept in a short stream for each lane', async () => {
    const { reception, store } = await running()
    for (let n = 0; n < 50; n++) await reception.accept(typed('/status'))
    await reception.idle()
    const [length = 0] = await laneLengths(store)
    expect(length).toBeGreaterThan(0)
    expect(length).toBeLessThanOrEqual(32)
  })
})

describe('whoever is not known here', () => {
  test('is answered though the store did not take it the first time', async () => {
    const { reception, store, told } = await running()
    const envelope = typed('/status', { user: 'U9' })
    store.before = (call, key) => {
      if (call === 'insert' && key.startsWith('inbox/')) throw new Error('away')
    }
    await expect(reception.accept(envelope)).rejects.toThrow('away')
    store.before = () => {}
    expect(await reception.accept(envelope)).toBe('new')
    expect(await reception.accept(typed('/status', { user: 'U9' }))).toBe('known')
    await reception.idle()
    expect(told.map(({ id }) => id)).toEqual([envelope.id])
  })

  test('is told with which id to become known, once a minute, and nothing is done', async () => {
    let now = Date.parse('2026-01-31T09:00:00Z')
    const { reception, store, desk, told, started } = await running({ desk: { clock: () => new Date(now) } })
    const stranger = () => typed('/release user-service v1.1.0', { user: 'U0123' })
    const first = stranger()
    expect(await reception.accept(first)).toBe('new')
    for (let n = 0; n < 4; n++) expect(await reception.accept(stranger())).toBe('known')
    await reception.accept(typed('/status', { user: 'U0999' }))
    await reception.idle()
    expect(told.map(({ user, answer }) => [user, answer])).toEqual([
      [
        'U0123',
        {
          ok: false,
          text: 'Nobody here is known as U0123 on Slack. Next: have surfaces: { slack: "U0123" } added to a person in rollcall.yaml.',
        },
      ],
      ['U0999', expect.objectContaining({ ok: false })],
    ])
    expect(started.size).toBe(0)
    expect((await store.find('inbox')).length).toBe(2)
    now += 60_000
    await reception.accept(stranger())
    await reception.idle()
    expect(told).toHaveLength(3)
    const { entries } = await desk.audit.page({ limit: 5 })
    expect(entries).toMatchObject([
      { who: 'unknown', from: 'slack', target: 'slack U0123', result: 'refused' },
      { target: 'slack U0999', why: expect.stringContaining('and 4 more refusals before') },
      { target: 'slack U0123' },
    ])
  })

  test('is not somebody who has that id elsewhere', async () => {
    const { reception, told } = await running()
    await reception.accept(typed('/status', { user: 'alice.wx' }))
    await reception.idle()
    expect(told[0]?.answer.text).toContain('Nobody here is known as alice.wx on Slack')
  })
})

test('sixty deeds a minute are done for one person; the next is answered and not done', async () => {
  let now = Date.parse('2026-01-31T09:00:00Z')
  const { reception, told } = await running({ desk: { clock: () => new Date(now) } })
  for (let n = 0; n < 62; n++) await reception.accept(typed('/status'))
  await reception.accept(typed('/status', { user: 'U2' }))
  await reception.idle()
  const refused = told.filter(({ answer }) => !answer.ok)
  expect(refused.map(({ user, answer }) => [user, answer.text])).toEqual(
    Array(2).fill(['U1', 'That were too many requests. Next: wait a minute, then try it again.']),
  )
  now += 60_000
  await reception.accept(typed('/status'))
  await reception.idle()
  expect(told.at(-1)?.answer.ok).toBe(true)
})

describe('what is no envelope', () => {
  const good = typed('/status')
  test.each([
    ['nothing', undefined, false],
    ['a text', 'garbage', false],
    ['an unknown surface', { ...good, surface: 'irc' }, false],
    ['a user that is too long', { ...good, user: 'x'.repeat(201) }, false],
    ['an id that is too long', { ...good, id: 'x'.repeat(201) }, true],
    ['an id that is no text', { ...good, id: '\ud800' }, true],
    ['a field that is none', { ...good, more: 1 }, true],
    ['a text that is too long', { ...good, deed: { kind: 'typed', text: 'x'.repeat(10_001) } }, true],
    ['a deed of another kind', { ...good, deed: { kind: 'shouted' } }, true],
    ['too many fields', { ...good, deed: { kind: 'pressed', button: 'b', fields: manyFields() } }, true],
    ['a reply that is too long', { ...good, reply: 'x'.repeat(20_000) }, false],
    ['a reply that is no JSON', { ...good, reply: 1n }, false],
  ])(
    '(%s) is refused without a fault, leaves nothing, and is answered where it can be',
    async (_name, garbage, answered) => {
      const { reception, store, told } = await running()
      expect(await reception.accept(garbage as Envelope)).toBe('known')
      await reception.idle()
      const text = 'That could not be read. Next: shorten it and send it again.'
      expect(told).toEqual(answered ? [{ id: expect.any(String), user: 'U1', answer: { ok: false, text } }] : [])
      expect(await store.find('inbox')).toEqual([])
    },
  )

  test('is answered a few times a minute only', async () => {
    const { reception, told } = await running()
    for (let n = 0; n < 20; n++) await reception.accept({ ...good, more: 1 } as Envelope)
    await reception.idle()
    expect(told).toHaveLength(5)
  })
})

function manyFields(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`field-${'abcdefghijk'[n]}`, '']))
}

describe('a process that dies', () => {
  /** Dies at each of its writes in turn, before and after it, until a run comes through; then the next process goes on. */
  async function killed(
    envelope: () => Envelope,
    prepare: (store: Store) => Promise<void>,
    check: (outcome: { store: Store; told: Process['told']; at: string }) => Promise<void>,
  ): Promise<number> {
    let points = 0
    for (const when of ['before', 'after'] as const) {
      for (let at = 1; ; at++) {
        const store = createMemoryStore()
        await prepare(store)
        const body = mortal(store, at, when)
        const one = processOn(body.store)
        await one.reception.open()
        const given = envelope()
        const taken = await one.reception.accept(given).catch(() => undefined)
        await eventually(async () => {
          const row = await rowOf(store, given)
          expect(body.died() || (row as { state?: string })?.state === 'done').toBe(true)
        })
        await one.reception.close(0)
        const two = start(store)
        await two.reception.open()
        // The surface delivers again what was not acknowledged.
        if (taken === undefined) await two.reception.accept(given)
        await eventually(async () => expect(await rowOf(store, given)).toMatchObject({ state: 'done' }))
        await check({ store, told: [...one.told, ...two.told], at: `${when} write ${at}` })
        await two.reception.close(1000)
        if (!body.died()) break
        points++
      }
    }
    return points
  }

  test('has requested one release and not two, wherever it died, and the answer arrives', async () => {
    const points = await killed(
      () => typed('/release user-service v1.1.0'),
      async () => {},
      async ({ store, told, at }) => {
        const flows = (await store.find('flows')).map(({ id }) => id)
        expect(flows, at).toHaveLength(1)
        expect(told.length, at).toBeGreaterThan(0)
        expect(new Set(told.map(({ answer }) => answer.text)), at).toEqual(
          new Set([`${flows[0]}: preparing user-service v1.1.0.`]),
        )
      },
    )
    // Row, claim, number, request, flow, audit, answer, end; before and after each.
    expect(points).toBeGreaterThanOrEqual(14)
  })

  test('has approved once, wherever it died', async () => {
    let button = ''
    await killed(
      () => pressed(button, { user: 'U2' }),
      async (store) => {
        const { desk } = processOn(store)
        const until = new Date(Date.parse('2099-01-01T00:00:00Z')).toISOString()
        await desk.releases.insert(aRelease({ id: 'R-7', state: { at: 'awaiting approval', until }, approvals: [] }))
        const buttons = await offerButtons(store, await desk.releases.need('R-7'))
        button = buttons.find(({ action }) => action === 'release.approve')?.id ?? ''
      },
      async ({ store, told, at }) => {
        const { desk } = processOn(store)
        const { approvals } = await desk.releases.need('R-7')
        expect(
          approvals.map(({ by }) => by),
          at,
        ).toEqual(['bob'])
        expect(told.length, at).toBeGreaterThan(0)
        expect(told.at(-1)?.answer.text, at).toMatch(/approved/i)
      },
    )
  })

  test('has promoted the batch that was meant: done again later, it means no other', async () => {
    const observing = { at: 'rolling out', doing: 'observing', since: '2026-01-31T09:00:00Z' } as const
    let store = createMemoryStore()
    // Dies right after the order was sent: it is there, and the answer is not.
    for (let at = 1; (await store.find('mail')).length === 0; at++) {
      store = createMemoryStore()
      const { desk } = processOn(store)
      await desk.releases.insert(aRelease({ requester: 'bob', state: { ...observing, batch: 1 } }))
      const body = mortal(store, at, 'after')
      const one = processOn(body.store)
      await one.reception.open()
      await one.reception.accept(typed('/release promote R-7')).catch(() => {})
      await eventually(() => expect(body.died()).toBe(true))
      await one.reception.close(0)
    }
    expect((await store.find('mail')).map(({ id }) => id)).toEqual([expect.stringContaining('promote/1')])
    await processOn(store).desk.releases.update('R-7', (release) => ({ ...release, state: { ...observing, batch: 2 } }))
    const two = start(store)
    await two.reception.open()
    await eventually(() => expect(two.told).toHaveLength(1))
    expect(await store.find('mail')).toHaveLength(1)
    expect(two.told[0]?.answer.text).toContain('Batch 1 is over.')
  })

  test('each time with the same deed is not asked for it for ever', async () => {
    const store = createMemoryStore()
    const envelope = typed('/release user-service v1.1.0')
    const first = processOn(store)
    await first.reception.accept(envelope)
    await first.reception.close(0)
    const [row] = await store.find('inbox')
    if (row === undefined) throw new Error('no row')
    await store.put('inbox', row.id, { ...(row.document as object), state: 'doing', attempt: 5 }, row.version)
    const two = start(store)
    await two.reception.open()
    await eventually(() => expect(two.told).toHaveLength(1))
    expect(two.told[0]?.answer).toMatchObject({ ok: false, text: expect.stringContaining('never ended') })
    expect(two.started.size).toBe(0)
  })
})

describe('an answer that does not arrive', () => {
  const later = { at: 'later', ms: 0, scope: 'surface', why: 'Slack is down', arrived: 'no' } as const

  test('is not tried again by a process from which another has taken it', async () => {
    const store = createMemoryStore()
    const one = start(store, { exclusive: false, leads: heldBy(() => false), timings: { pause: 300 } })
    one.next.push(later)
    await one.reception.open()
    const envelope = typed('/status')
    await one.reception.accept(envelope)
    await eventually(() => expect(one.told).toHaveLength(1))
    const id = `slack/${envelope.id}`
    const row = await store.get('inbox', id)
    const taken = { ...(row?.document as object), worker: 'another' }
    expect(await store.put('inbox', id, taken, row?.version ?? 0)).toBeDefined()
    const looks = vi.spyOn(store, 'get')
    await eventually(() => expect(looks.mock.calls.some(([name, key]) => name === 'inbox' && key === id)).toBe(true))
    await one.reception.idle()
    expect(one.told).toHaveLength(1)
    expect((await store.get('inbox', id))?.document).toMatchObject({ state: 'owed', worker: 'another' })
  })

  test('is tried again until it does', async () => {
    const { reception, store, told, next } = await running({ timings: { pause: 5 } })
    next.push(later, later)
    const envelope = typed('/status')
    await reception.accept(envelope)
    await eventually(async () => expect(await rowOf(store, envelope)).toMatchObject({ state: 'done' }))
    expect(told).toHaveLength(3)
  })

  test('is kept over a restart, and given up after half an hour', async () => {
    let now = Date.parse('2026-01-31T09:00:00Z')
    const desk = { clock: () => new Date(now) }
    const store = createMemoryStore()
    const envelopes = [typed('/status'), typed('/status')]
    const one = processOn(store, { desk })
    one.next.push(later, later)
    await one.reception.open()
    for (const envelope of envelopes) await one.reception.accept(envelope)
    await eventually(() => expect(one.told).toHaveLength(2))
    await one.reception.close(1000)
    now += 29 * 60_000
    const two = start(store, { desk, timings: { pause: 5, longestPause: 20 } })
    two.next.push(...Array(500).fill(later))
    await two.reception.open()
    await eventually(() => expect(two.told.length).toBeGreaterThan(4))
    now += 2 * 60_000
    for (const envelope of envelopes) {
      await eventually(async () => expect(await rowOf(store, envelope)).toMatchObject({ state: 'done' }))
    }
    await two.reception.close(1000)
    // And after another restart nobody sends what is too old.
    const old = typed('/status')
    const three = processOn(store, { desk })
    three.next.push(later)
    await three.reception.open()
    await three.reception.accept(old)
    await eventually(() => expect(three.told).toHaveLength(1))
    await three.reception.close(1000)
    now += 31 * 60_000
    const four = start(store, { desk })
    await four.reception.open()
    await eventually(async () => expect(await rowOf(store, old)).toMatchObject({ state: 'done' }))
    expect(four.told).toEqual([])
  })

  test('does not hold up what the same person does next', async () => {
    const { reception, told, next } = await running({ timings: { pause: 60_000 } })
    next.push(later)
    await reception.accept(typed('/status'))
    await reception.accept(typed('/help'))
    await reception.idle()
    expect(told).toHaveLength(2)
  })

  test('is not tried again when the surface refuses it', async () => {
    const { reception, store, told, next } = await running({ timings: { pause: 5 } })
    next.push({ at: 'refused', why: 'too long', next: 'shorten it' })
    const envelope = typed('/status')
    await reception.accept(envelope)
    await reception.idle()
    expect(await rowOf(store, envelope)).toMatchObject({ state: 'done' })
    expect(told).toHaveLength(1)
  })
})

test('a row whose writing was not heard of is known as this process’s own, and is not begun again', async () => {
  const { reception, store, told } = await running()
  const envelope = typed('/release user-service v1.1.0')
  let lost = false
  store.after = (call, key) => {
    if (call !== 'put' || !key.startsWith('inbox/') || lost) return
    lost = true
    throw new Error('cut off')
  }
  await reception.accept(envelope)
  await eventually(async () => expect(await rowOf(store, envelope)).toMatchObject({ state: 'done' }))
  expect(lost).toBe(true)
  expect(await rowOf(store, envelope)).toMatchObject({ attempt: 1 })
  expect(told).toHaveLength(1)
})

describe('processes that share a store', () => {
  const timings = { beat: 20, silent: 120 }

  test('take over only while they hold the lead', async () => {
    const store = createMemoryStore()
    let held = false
    const one = processOn(store, { exclusive: false, timings, leads: heldBy(() => false) })
    const envelope = typed('/status')
    // It accepts, and is gone before it begins.
    await one.reception.accept(envelope)
    await one.reception.close(0)
    const two = start(store, { exclusive: false, timings, leads: heldBy(() => held) })
    await two.reception.open()
    const until = performance.now() + 5 * timings.silent
    const looks = vi.spyOn(store, 'find')
    await eventually(() => {
      expect(performance.now()).toBeGreaterThan(until)
      expect(looks.mock.calls.length).toBeGreaterThan(8)
    })
    expect(await rowOf(store, envelope)).toMatchObject({ state: 'new', attempt: 0 })
    held = true
    await eventually(() => expect(two.told).toHaveLength(1))
  })

  test('take over what a dead one has left, once, and leave alone what a living one does', async () => {
    const store = createMemoryStore()
    const leader = { now: 'two' }
    const body = mortal(store, 4, 'after')
    const one = processOn(body.store, { exclusive: false, timings, leads: heldBy(() => leader.now === 'one') })
    const two = start(store, { exclusive: false, timings, leads: heldBy(() => leader.now === 'two') })
    const three = start(store, { exclusive: false, timings, leads: heldBy(() => leader.now === 'three') })
    await Promise.all([one, two, three].map(({ reception }) => reception.open()))
    const envelope = typed('/release user-service v1.1.0')
    await one.reception.accept(envelope).catch(() => {})
    await eventually(() => expect(body.died()).toBe(true))
    await one.reception.close(0)
    await eventually(async () => expect(await rowOf(store, envelope)).toMatchObject({ state: 'done' }))
    expect(two.told).toHaveLength(1)
    expect(three.told).toEqual([])
    expect(await requests(store)).toBe(1)
  })

  test('leave what another one has begun while that one lives', async () => {
    const store = createMemoryStore()
    let end = (): void => {}
    const waits: Command = {
      name: 'waits',
      summary: 'waits',
      usage: [''],
      action: 'help.read',
      run: () => new Promise((resolve) => (end = () => resolve({ ok: true, text: 'done' }))),
    }
    const share = { exclusive: false, timings, commands: [waits] }
    const [one, two] = [start(store, share), start(store, share)]
    await one.reception.open()
    await two.reception.open()
    const envelope = typed('/waits')
    await one.reception.accept(envelope)
    await eventually(async () => expect(await rowOf(store, envelope)).toMatchObject({ state: 'doing' }))
    const beats = vi.spyOn(store, 'find')
    // More than twice the patience of the other one.
    await eventually(() => expect(beats.mock.calls.length).toBeGreaterThan(25))
    expect(await rowOf(store, envelope)).toMatchObject({ state: 'doing', attempt: 1 })
    end()
    await eventually(async () => expect(await rowOf(store, envelope)).toMatchObject({ state: 'done' }))
    expect([...one.told, ...two.told]).toHaveLength(1)
  })
})

describe('what a press would be answered', () => {
  test('is nothing when it would count, else why not, for strangers as well', async () => {
    const { reception, store, desk } = await running()
    const until = new Date(Date.parse('2099-01-01T00:00:00Z')).toISOString()
    await desk.releases.insert(aRelease({ id: 'R-7', state: { at: 'awaiting approval', until }, approvals: [] }))
    const [approve] = await offerButtons(store, await desk.releases.need('R-7'))
    const ask = (user: string, button = approve?.id ?? '') => reception.refusal({ surface: 'slack', user }, button)
    expect(await ask('U2')).toBeUndefined()
    expect(await ask('U1')).toMatchObject({ ok: false, text: expect.stringContaining('needs the role approver') })
    expect(await ask('U9')).toMatchObject({ ok: false, text: expect.stringContaining('known as U9 on Slack') })
    expect(await ask('U2', 'nothing')).toMatchObject({ ok: false, text: expect.stringContaining('not known here') })
    store.before = () => {
      throw new Error('no disk')
    }
    expect(await ask('U2')).toMatchObject({ ok: false, text: expect.stringContaining('no disk') })
    store.before = () => {}
  })
})
