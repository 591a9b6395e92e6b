import { afterEach, describe, expect, it, test } from 'vitest'
import { createAnthropicModel } from '../../src/adapters/anthropic/index.ts'
import { createOpenAiModel } from '../../src/adapters/openai/index.ts'
import { runAgent } from '../../src/agent/loop.ts'
import type { Model } from '../../src/ports/model.ts'
import { type Answer, type ModelServer, type Script, startModelServer } from '../servers/model.ts'
import { fakeTools } from './loop-kit.ts'

const good: Answer = { text: '{"answer": 42}' }
const look = (n: number): Answer => ({ calls: [{ name: 'look', arguments: { n } }] })

let server: ModelServer
afterEach(() => server?.close())

function modelOf(wire: string, limitSeconds: number, maxTokens?: number): Model {
  const [kind, stream] = wire.split(' ')
  const options = {
    model: 'm',
    key: () => server.key,
    keyName: 'AI_API_KEY',
    limitSeconds,
    retries: 2,
    stream: stream !== undefined,
    backOffMs: 5,
    ...(maxTokens === undefined ? {} : { maxTokens }),
  }
  return kind === 'anthropic'
    ? createAnthropicModel({ ...options, baseUrl: server.url })
    : createOpenAiModel({ ...options, baseUrl: server.openAiUrl })
}

async function run(wire: string, script: Script, limitSeconds = 20, maxTokens?: number) {
  server = await startModelServer(script)
  const tools = fakeTools({ look: () => ({ text: 'seen' }) })
  const result = await runAgent({
    model: modelOf(wire, limitSeconds, maxTokens),
    tools,
    system: 'rules',
    prompt: 'find it',
    budget: { steps: 6, tokens: 100_000, seconds: 60 },
    record: (_, effect) => effect(),
    parse: (value) =>
      JSON.stringify(value) === '{"answer":42}' ? { ok: true, value: 42 } : { ok: false, problems: ['wrong'] },
    clock: () => new Date(),
  })
  return { result, tools }
}

describe.each(['anthropic', 'anthropic stream', 'openai', 'openai stream'])('an agent over HTTP, %s', (wire) => {
  it.each([300, 9000, 200_000])('lets the model write as much as is configured: %d tokens', async (maxTokens) => {
    const asked: number[] = []
    const script: Script = (request) => {
      asked.push(request.maxTokens)
      return good
    }
    expect((await run(wire, script, 20, maxTokens)).result).toMatchObject({ ok: true })
    expect(asked).toEqual([maxTokens])
  })

  it('calls tools and answers', async () => {
    const { result, tools } = await run(wire, ({ n }) =>
      n === 1
        ? {
            calls: [
              { name: 'look', arguments: { n: 1 } },
              { name: 'look', arguments: { n: 2 } },
            ],
          }
        : good,
    )
    expect(result).toMatchObject({ ok: true, value: 42, steps: 2, tools: { look: 2 } })
    expect(tools.called.map(({ args }) => args)).toEqual([{ n: 1 }, { n: 2 }])
    expect(result.usage.output).toBeGreaterThan(0)
  })

  it('goes on after an overload', async () => {
    const { result } = await run(wire, ({ n }) =>
      n <= 2 ? { overload: n === 1 ? 529 : 429 } : n === 3 ? look(1) : good,
    )
    expect(result).toMatchObject({ ok: true, steps: 2 })
  })

  it('gives an overload that does not end as a value', async () => {
    const { result } = await run(wire, () => ({ overload: 503 }))
    expect(result).toMatchObject({ ok: false, why: 'overloaded', steps: 1 })
  })

  it('answers calls whose arguments are no JSON with a failure, and goes on', async () => {
    const { result, tools } = await run(wire, ({ n }) =>
      n === 1 ? { calls: [{ name: 'look', malformed: '{"n": ' }] } : good,
    )
    expect(result).toMatchObject({ ok: true })
    expect(tools.called).toEqual([])
  })

  it('ends a model that calls tools for ever within its steps', async () => {
    const { result, tools } = await run(wire, ({ n, turns }) =>
      JSON.stringify(turns.at(-1)).includes('no further tool calls') ? good : look(n),
    )
    expect(result).toMatchObject({ ok: true, steps: 5 })
    expect(tools.called).toHaveLength(4)
    // Even one that calls without being offered anything.
    await server.close()
    const stubborn = await run(wire, ({ n }) => look(n))
    expect(stubborn.result.ok).toBe(false)
    expect(stubborn.tools.called).toHaveLength(4)
  })

  it('gives an answer that comes too late as a value', async () => {
    const { result } = await run(wire, () => ({ slowMs: 5000 }), 0.3)
    expect(result).toMatchObject({ ok: false, why: 'timeout' })
  })

  test.each<[string, Answer]>([
    ['a body that is no JSON', { malformed: '<html>oops' }],
    ['a connection that breaks', { drop: { text: 'half of it' } }],
    ['a request that is refused', { status: 400, body: { error: { message: 'no', type: 'invalid_request_error' } } }],
  ])('gives %s as a value', async (_, answer) => {
    const { result } = await run(wire, () => answer)
    expect(result.ok).toBe(false)
    expect(JSON.stringify(result)).not.toContain(server.key)
  })

  it('repairs an answer once', async () => {
    const { result } = await run(wire, ({ n }) => (n === 1 ? { text: 'no JSON here' } : good))
    expect(result).toMatchObject({ ok: true, steps: 2 })
  })
})
