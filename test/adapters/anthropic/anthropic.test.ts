import { describe, expect, test } from 'vitest'
import { createAnthropicModel } from '../../../src/adapters/anthropic/index.ts'
import type { Turn } from '../../../src/ports/model.ts'
import {
  asking,
  bad,
  canary,
  good,
  type ModelSubject,
  modelBench,
  modelContract,
  tools,
} from '../../contracts/model.ts'
import { inTurn, type Recorded } from '../../servers/model.ts'

const subject: ModelSubject = { wire: 'anthropic', create: createAnthropicModel, baseUrl: ({ url }) => url }
modelContract(subject)

const query = { name: 'execute_query', arguments: { query: 'up' } }
const round = (id: string): Turn[] => [
  { role: 'assistant', text: '', calls: [{ id, ...query }] },
  { role: 'tools', results: [{ id, text: 'one', failed: false }] },
]

interface Sent {
  system: { cache_control?: object }[]
  messages: { role: string; content: { type: string; cache_control?: object; signature?: string }[] }[]
  thinking?: object
  tool_choice?: object
}
const sent = (recorded: Recorded | undefined): Sent => recorded?.body as unknown as Sent

describe('in the Messages format', () => {
  const { start, model, lines } = modelBench(subject)

  test('breakpoints of the cache stand behind the system prompt and the last two messages of the user', async () => {
    const server = await start({ text: 'ok' })
    await model().complete(asking({ role: 'user', text: 'go' }, ...round('a'), ...round('b'), ...round('c')))
    const { system, messages } = sent(server.requests[0])
    expect(system.map(({ cache_control }) => cache_control)).toEqual([{ type: 'ephemeral' }])
    const marked = messages.flatMap(({ content }, index) => (content.some((each) => each.cache_control) ? [index] : []))
    expect(marked).toEqual([4, 6])
  })

  test('many results between two requests do not lose the prefix', async () => {
    await start({ text: 'ok' })
    const calls = Array.from({ length: 30 }, (_, index) => ({ id: `a${index}`, ...query }))
    const results = calls.map(({ id }) => ({ id, text: 'series '.repeat(60), failed: false }))
    const first: Turn[] = [{ role: 'user', text: 'The alert: '.repeat(600) }]
    const then: Turn[] = [...first, { role: 'assistant', text: '', calls }, { role: 'tools', results }]
    const before = good(await model().complete(asking(...first)))
    const after = good(await model().complete(asking(...then)))
    expect(after.usage.cacheRead).toBe(before.usage.cacheWrite)
  })

  test('what the model thought before it called a tool is sent back as it came, with whole answers and streams', async () => {
    for (const stream of [false, true]) {
      const server = await start(inTurn({ thinking: 'Is it up?', calls: [query] }, { text: 'It is.' }), {
        demandsThinking: true,
      })
      const adapter = model({ stream })
      const { calls, text } = good(await adapter.complete(asking()))
      const results = calls.map(({ id }) => ({ id, text: '1', failed: false }))
      const answer = await adapter.complete(
        asking({ role: 'user', text: 'go' }, { role: 'assistant', text, calls }, { role: 'tools', results }),
      )
      expect(good(answer).text).toBe('It is.')
      expect(server.requests).toHaveLength(2)
      expect(sent(server.requests[1]).messages[1]?.content[0]).toMatchObject({
        type: 'thinking',
        thinking: 'Is it up?',
      })
    }
  })

  test('a call that could not be read goes back with its thinking in a form that is taken', async () => {
    const answer = { thinking: 'Hm.', calls: [{ name: 'execute_query', malformed: '{"query": ' }] }
    for (const stream of [false, true]) {
      const server = await start(inTurn(answer, { text: 'ok' }), { demandsThinking: true })
      const adapter = model({ stream })
      const { calls } = good(await adapter.complete(asking()))
      const results = calls.map(({ id }) => ({ id, text: 'not JSON', failed: true }))
      good(
        await adapter.complete(
          asking({ role: 'user', text: 'go' }, { role: 'assistant', text: '', calls }, { role: 'tools', results }),
        ),
      )
      expect(server.requests.map(({ status }) => status)).toEqual([200, 200])
    }
  })

  test('results and what the user says after them are one message', async () => {
    const server = await start({ text: 'ok' })
    await model().complete(asking({ role: 'user', text: 'go' }, ...round('a'), { role: 'user', text: 'Write now.' }))
    const { messages } = sent(server.requests[0])
    expect(messages.map(({ role, content }) => [role, ...content.map(({ type }) => type)])).toEqual([
      ['user', 'text'],
      ['assistant', 'tool_use'],
      ['user', 'tool_result', 'text'],
    ])
  })

  test('where thinking is wanted that a restart has lost, the request goes out with thinking disabled', async () => {
    const server = await start({ text: 'ok' }, { demandsThinking: true })
    expect(good(await model().complete(asking({ role: 'user', text: 'go' }, ...round('a')))).text).toBe('ok')
    expect(server.requests.map(({ status }) => status)).toEqual([400, 200])
    expect(sent(server.requests[1]).thinking).toEqual({ type: 'disabled' })
  })

  test('under other tools what was thought is left out, for it holds only where it was thought', async () => {
    const server = await start(inTurn({ thinking: 'Is it up?', calls: [query] }, { text: 'It is.' }))
    const adapter = model()
    const { calls } = good(await adapter.complete(asking()))
    const results = calls.map(({ id }) => ({ id, text: '1', failed: false }))
    const turns: Turn[] = [
      { role: 'user', text: 'go' },
      { role: 'assistant', text: '', calls },
      { role: 'tools', results },
    ]
    good(await adapter.complete({ ...asking(...turns), tools: tools.slice(0, 1) }))
    expect(sent(server.requests[1]).messages[1]?.content.map(({ type }) => type)).toEqual(['tool_use'])
  })

  test('a turn that the provider pauses is gone on with, and paid for as a whole', async () => {
    for (const stream of [false, true]) {
      const server = await start(inTurn({ text: 'First, ', stop: 'pause' }, { text: 'then.' }))
      const answer = good(await model({ stream }).complete(asking()))
      expect(answer).toMatchObject({ text: 'First, then.', stop: 'end' })
      const [first, second] = server.requests.map(({ usage }) => usage?.input ?? 0)
      expect(answer.usage.input).toBe((first ?? 0) + (second ?? 0))
    }
  })

  test('a stream whose events lack what they should carry is malformed, and not asked for again', async () => {
    const server = await start({ malformed: 'event: message_start\ndata: {"type":"message_start"}\n\n' })
    expect(bad(await model({ stream: true }).complete(asking())).why).toBe('malformed')
    expect(server.requests).toHaveLength(1)
  })

  test('an overload in the middle of a stream is tried again, and what it cost is counted', async () => {
    const server = await start(inTurn({ overload: 529, midStream: true }, { text: 'here' }))
    expect(good(await model({ stream: true }).complete(asking())).text).toBe('here')
    expect(server.requests).toHaveLength(2)
  })

  test('a stream that was cut off is paid for as well', async () => {
    const server = await start(inTurn({ drop: { text: 'half '.repeat(200) } }, { text: 'whole' }))
    const { usage } = good(await model({ stream: true }).complete(asking()))
    const [, second] = server.requests
    expect(usage.input).toBe((second?.usage?.input ?? 0) * 2)
  })

  test('a gateway that knows only the older version of the API is asked in that one', async () => {
    const server = await start({ text: 'ok' }, { version: '2023-06-01' })
    const adapter = model()
    good(await adapter.complete(asking()))
    good(await adapter.complete(asking()))
    expect(server.requests.map(({ status }) => status)).toEqual([400, 200, 200])
    expect(server.requests.at(-1)?.headers['anthropic-version']).toBe('2023-06-01')
  })

  test('the key goes to a gateway in both headers that gateways read', async () => {
    const server = await start({ text: 'ok' })
    await model().complete(asking())
    const headers = server.requests[0]?.headers
    expect(headers?.['x-api-key']).toBe(server.key)
    expect(headers?.authorization).toBe(`Bearer ${server.key}`)
    expect(lines()).toEqual([])
  })

  test('what the environment says about another account of Anthropic is not sent', async () => {
    const environment = {
      ANTHROPIC_API_KEY: 'somebody-key',
      ANTHROPIC_AUTH_TOKEN: 'somebody-token',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:9/somebody',
      ANTHROPIC_CUSTOM_HEADERS:
        'X-Tenant: somebody-tenant\nAuthorization: Bearer somebody-bearer\nX-Api-Key: somebody-key2\nCookie: somebody=1',
    }
    Object.assign(process.env, environment)
    try {
      const server = await start({ text: 'ok' })
      good(await model().complete(asking()))
      expect(server.requests).toHaveLength(1)
      expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${canary}`)
      expect(server.requests[0]?.headers['x-api-key']).toBe(canary)
      expect(JSON.stringify(server.requests[0]?.headers)).not.toMatch(/somebody|x-tenant/i)
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name]
    }
  })
})
