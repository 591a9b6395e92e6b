import { afterEach, describe, expect, it, test, vi } from 'vitest'
import { press } from '../../src/entry/actions.ts'
import { diagnosisStory } from '../../src/incident/diagnose.ts'
import { refreshOffer } from '../../src/incident/offer.ts'
import { translate } from '../../src/lib/catalogue/translate.ts'
import type { Message } from '../../src/ports/chat.ts'
import type { Model } from '../../src/ports/model.ts'
import type { Release } from '../../src/release/release.ts'
import { scriptedModel } from '../agent/loop-kit.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { type DiagnosisWorld, diagnosisWorld, guilty, heldRelease, innocent } from './diagnosis-kit.ts'
import { openIncident, quickParts } from './thread-kit.ts'

let world: DiagnosisWorld
let t: TestDesk | undefined
afterEach(async () => {
  await world?.close()
  await t?.close()
  t = undefined
})

const textOf = ({ blocks }: Message) => blocks.map((block) => (block.type === 'text' ? block.text : '')).join('\n')
const buttonOf = (message: Message) => message.buttons[0]?.id ?? 'none'
const bob = () => world.desk.people.find(({ id }) => id === 'bob')!
const pressIt = (button: string) => press(world.desk, button, bob())
const move = (change: (release: Release) => Partial<Release>) =>
  world.desk.releases.update('R-7', (release) => ({ ...release, ...change(release) }))
const refresh = async (incident = 'A-1') => refreshOffer(world.desk, await world.desk.incidents.need(incident))
const resolve = (id = 'A-1') =>
  world.desk.incidents.update(id, (incident) => ({
    ...incident,
    state: { at: 'resolved', when: '2026-01-01T01:00:00.000Z' },
  }))
const rollingOut = {
  at: 'rolling out' as const,
  batch: 3,
  doing: 'deploying' as const,
  since: '2026-01-01T00:20:00.000Z',
}

async function offered(): Promise<string> {
  world = await diagnosisWorld()
  await world.incident()
  await world.diagnose()
  return buttonOf(await world.message())
}

describe('the Roll back of a report', () => {
  it('counts while everything stands as it stood', async () => {
    const button = await offered()
    expect(await pressIt(button)).toMatchObject({ ok: true, text: 'Rolling back.' })
    expect((await world.desk.releases.need('R-7')).stop).toMatchObject({ kind: 'rollback', by: 'bob' })
  })

  test.each<[string, (release: Release) => Partial<Release>]>([
    ['another turn', ({ turn }) => ({ turn: turn + 1 })],
    ['another batch of the same turn', ({ state }) => ({ state: { ...state, batch: 2 } as Release['state'] })],
    ['another state and batch', ({ turn }) => ({ turn: turn + 4, state: rollingOut })],
    ['another state of the same turn', () => ({ state: { ...rollingOut, batch: 1 } })],
    ['its end', ({ turn }) => ({ turn: turn + 2, state: { at: 'done', when: '2026-01-01T00:20:00.000Z' } })],
  ])('does not count in %s; the fresh one that stands in its place does', async (_, change) => {
    const button = await offered()
    await move(change)
    const before = await world.desk.releases.need('R-7')
    const answer = await pressIt(button)
    expect(answer).toMatchObject({ ok: false, text: expect.stringMatching(/^The release has moved on\. R-7 is /) })
    expect(answer.text).toContain("Next: look at the report's message: it has a fresh button if it still offers one.")
    expect(translate(answer.text, 'zh')).toContain('下一步：请查看该报告的消息：若仍可回滚，其中有新的按钮')
    expect(await world.desk.releases.need('R-7')).toEqual(before)
    await refresh()
    await expect.poll(async () => buttonOf(await world.message())).not.toBe(button)
    await pressIt(buttonOf(await world.message()))
    const { state, stop } = await world.desk.releases.need('R-7')
    expect(stop?.kind ?? state.at).toMatch(/^(rollback|rolling back)$/)
  })

  it('does not count for another plan', async () => {
    const button = await offered()
    await move(() => ({ planHash: 'd'.repeat(64) }))
    expect(await pressIt(button)).toMatchObject({ ok: false, text: expect.stringMatching(/^The plan has changed/) })
    expect((await world.desk.releases.need('R-7')).stop).toBeUndefined()
  })

  it('does not count for who may not roll back, whatever else holds', async () => {
    const button = await offered()
    await move(({ turn }) => ({ turn: turn + 1 }))
    const viewer = { id: 'vera', roles: ['viewer' as const], surfaces: {} }
    expect((await press(world.desk, button, viewer)).text).not.toContain('moved on')
    expect((await press(world.desk, button, viewer)).ok).toBe(false)
  })

  it('does not count once a newer report of the incident says something else, before its message is edited', async () => {
    let survey = guilty
    world = await diagnosisWorld({ story: { readSurvey: async () => survey } })
    await world.incident()
    await world.diagnose()
    const button = buttonOf(await world.message())
    survey = innocent
    await world.diagnose(2, { by: 'bob' })
    expect(await pressIt(button)).toMatchObject({
      ok: false,
      text: 'There is a newer report: R-7/2. Next: /status R-7.',
    })
  })

  it('ends with the alert: neither a fresh one nor the old one after it was resolved', async () => {
    const button = await offered()
    await resolve()
    expect(await pressIt(button)).toMatchObject({
      ok: false,
      text: expect.stringMatching(/^A-1 is resolved since .*: this report offers no rollback of R-7 any more\./),
    })
    // Resumed and done long since: it could still be rolled back, though not on this evidence.
    await move(({ turn }) => ({ turn: turn + 2, state: { at: 'done', when: '2026-01-01T00:20:00.000Z' } }))
    await refresh()
    await expect.poll(async () => (await world.message()).buttons).toEqual([])
    const text = textOf(await world.message())
    expect(text).toContain('A-1 is resolved since')
    expect(translate(text, 'zh')).toContain('本报告不再提供 R-7 的回滚')
  })

  it('ends when hosts were added that the report could not know of', async () => {
    const button = await offered()
    await move(({ turn, hosts }) => ({
      turn: turn + 1,
      hosts: { ...hosts, h3: { ...hosts.h1!, deployedAt: '2026-01-01T00:30:00.000Z' } },
    }))
    const words = 'R-7 was brought to more hosts after this report: h3. Press Diagnose again.'
    expect(await pressIt(button)).toMatchObject({ ok: false, text: expect.stringContaining(words) })
    await refresh()
    await expect.poll(async () => (await world.message()).buttons).toEqual([])
    expect(textOf(await world.message())).toContain(words)
    await world.diagnose(2, { by: 'bob' })
    expect((await world.message(2)).buttons).toHaveLength(1)
  })

  it('ends when the incident was joined to another release since, and still names its own', async () => {
    const button = await offered()
    await world.desk.releases.insert(heldRelease({ id: 'R-8', candidate: 'v1.2.0' }))
    const joined = { id: 'R-8', candidate: 'v1.2.0' }
    await world.desk.incidents.update('A-1', (incident) => ({
      ...incident,
      report: 'R-7/1',
      joined: 'R-8',
      ...(incident.release === undefined ? {} : { release: { ...incident.release, ...joined } }),
    }))
    const words = 'A-1 belongs to R-8 now. Press Diagnose again.'
    expect(await pressIt(button)).toMatchObject({ ok: false, text: expect.stringContaining(words) })
    await refresh()
    await expect.poll(async () => (await world.message()).buttons).toEqual([])
    const message = await world.message()
    expect(textOf(message)).toContain(words)
    expect(message.title).toBe('Diagnosis of user-service: release R-7 (v1.1.0) did it')
  })

  it('stays when a host that was being changed already has got it since', async () => {
    const held = heldRelease()
    const { h1, h2, ...rest } = held.hosts
    const deploying = { ...h2!, at: 'deploying' as const, deployedAt: undefined }
    world = await diagnosisWorld({ release: { ...held, hosts: { h1: h1!, h2: deploying, ...rest } } })
    await world.incident()
    await world.diagnose()
    await move(({ hosts }) => ({ hosts: { ...hosts, h2: { ...h2!, deployedAt: new Date().toISOString() } } }))
    await refresh()
    expect((await world.message()).buttons).toHaveLength(1)
    expect((await pressIt(buttonOf(await world.message()))).ok).toBe(true)
  })
})

describe('reports of two incidents about one release', () => {
  it('decide each about their own button; the older points to the newer', async () => {
    let survey = guilty
    world = await diagnosisWorld({ story: { readSurvey: async () => survey } })
    await world.incident('A-1')
    await world.incident('A-2')
    await world.diagnose()
    survey = innocent
    expect(await world.diagnose(1, { incident: 'A-2', by: 'bob' })).toMatchObject({ id: 'R-7/2' })
    const pointer = 'Newer report R-7/2 about this release stands in the thread of A-2.'
    await expect.poll(async () => textOf(await world.message(1, 'A-1'))).toContain(pointer)
    const message = await world.message(1, 'A-1')
    expect(message.buttons).toMatchObject([{ action: 'release.rollback', style: 'primary' }])
    expect((await world.message(1, 'A-2')).buttons).toEqual([])
    expect((await pressIt(buttonOf(message))).ok).toBe(true)
  })

  it('the offer stays with the last that came to a verdict when a newer diagnosis fails', async () => {
    let broken = false
    const readSurvey = async () => {
      if (broken) throw new Error('the survey broke')
      return guilty
    }
    world = await diagnosisWorld({ story: { readSurvey } })
    await world.incident()
    await world.diagnose()
    const button = buttonOf(await world.message())
    broken = true
    expect(await world.diagnose(2, { by: 'bob' })).toMatchObject({ status: 'failed' })
    await move(({ turn }) => ({ turn: turn + 1 }))
    await refresh()
    await expect.poll(async () => buttonOf(await world.message())).not.toBe(button)
    expect((await pressIt(buttonOf(await world.message()))).ok).toBe(true)
  })
})

describe('while a model still writes', () => {
  const words =
    '【Summary】\nErrors at 18.3 %.\n【Root cause】\nThe new version.\n【Impact】\nTwo hosts.\n【Next steps】\n1. Look there.'
  const written = { text: JSON.stringify({ promQL: ['sum by (host) (errors)'], content: words }) }

  /** A model that answers when it is told to. */
  async function writing(survey = guilty) {
    const asked = Promise.withResolvers<void>()
    const told = Promise.withResolvers<void>()
    const inner = scriptedModel([written])
    const model: Model = {
      ...inner,
      async complete(...args) {
        asked.resolve()
        await told.promise
        return inner.complete(...args)
      },
    }
    world = await diagnosisWorld({ parts: { model }, story: { readSurvey: async () => survey } })
    await world.incident()
    const done = world.diagnose()
    await asked.promise
    const now = () => world.chat.posts.get('A-1/report/1')?.message
    await vi.waitFor(() => expect(now()?.title).toBe('Diagnosing… report R-7/1, step 1'))
    return { now: () => now()!, done, tell: told.resolve }
  }

  it('the verdict, its checks and the rollback stand there, and the report replaces them in place', async () => {
    const { now, done, tell } = await writing()
    const early = now()
    expect(textOf(early)).toContain('The release did it: ')
    expect(early.blocks.some((block) => block.type === 'table' && block.rows.length > 1)).toBe(true)
    expect(early).toMatchObject({ tone: 'bad', buttons: [{ action: 'release.rollback', style: 'primary' }] })
    // It follows the release as the one of a whole report does.
    await move(({ turn }) => ({ turn: turn + 1 }))
    expect((await pressIt(buttonOf(early))).ok).toBe(false)
    await refresh()
    await expect.poll(() => buttonOf(now())).not.toBe(buttonOf(early))
    expect((await pressIt(buttonOf(now()))).ok).toBe(true)
    tell()
    expect(await done).toMatchObject({ status: 'completed', by: 'model' })
    expect((await world.message()).title).toBe('Diagnosis of user-service: release R-7 (v1.1.0) did it')
    expect([...world.chat.posts.keys()].filter((key) => key.startsWith('A-1/report/'))).toEqual(['A-1/report/1'])
  })

  it('an earlier report loses its button to that verdict', async () => {
    const told = Promise.withResolvers<void>()
    const inner = scriptedModel([written, written])
    let held = false
    const model: Model = {
      ...inner,
      async complete(...args) {
        if (held) await told.promise
        return inner.complete(...args)
      },
    }
    let survey = guilty
    world = await diagnosisWorld({ parts: { model }, story: { readSurvey: async () => survey } })
    await world.incident()
    await world.diagnose()
    const button = buttonOf(await world.message())
    held = true
    survey = innocent
    const done = world.diagnose(2, { by: 'bob' })
    await vi.waitFor(async () => expect((await world.message()).buttons).toEqual([]))
    expect(textOf(await world.message())).toContain('There is a newer report: R-7/2.')
    expect((await pressIt(button)).ok).toBe(false)
    told.resolve()
    await done
  })

  it('another verdict stands there without any button', async () => {
    const { now, done, tell } = await writing(innocent)
    expect(textOf(now())).toContain('Not the release: ')
    expect(now().buttons).toEqual([])
    tell()
    await done
  })
})

describe('a diagnosis that breaks, end to end', () => {
  it('says so in the thread, and Diagnose again makes another', async () => {
    let broken = true
    t = await testDesk({
      incident: quickParts(),
      diagnosis: (flow, desk, input) =>
        diagnosisStory(flow, desk, input, {
          readSurvey: async () => {
            if (broken) throw new Error('the survey broke')
            return { ...guilty, release: undefined }
          },
        }),
    })
    const { chat, desk } = t
    await openIncident(t)
    await vi.waitFor(
      () => expect(chat.posts.get('A-1/report/1')?.message.title).toBe('The diagnosis of A-1 failed'),
      5000,
    )
    const failed = chat.posts.get('A-1/report/1')?.message
    expect(failed).toMatchObject({ tone: 'warn', buttons: [] })
    expect(textOf(failed!)).toContain('the survey broke')
    await vi.waitFor(async () => expect((await desk.incidents.need('A-1')).report).toMatch(/\/1$/))
    broken = false
    const again = chat.card('A-1').buttons.find(({ action }) => action === 'incident.diagnose-again')
    const alice = desk.people.find(({ id }) => id === 'alice')!
    expect(await press(desk, again?.id ?? 'none', alice)).toMatchObject({ ok: true })
    await vi.waitFor(() => expect(chat.posts.get('A-1/report/2')?.message.title).toMatch(/^Diagnosis of /), 5000)
    await vi.waitFor(async () => expect((await desk.incidents.need('A-1')).report).toMatch(/\/2$/))
  })
})
