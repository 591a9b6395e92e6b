import { describe, expect, test } from 'vitest'
import { createOpenAiModel } from '../../../src/adapters/openai/index.ts'
import type { Turn } from '../../../src/ports/model.ts'
import { asking, bad, canary, good, type ModelSubject, modelBench, modelContract } from '../../contracts/model.ts'
import { inTurn, type Recorded } from '../../servers/model.ts'

const subject: ModelSubject = { wire: 'openai', create: createOpenAiModel, baseUrl: ({ openAiUrl }) => openAiUrl }
modelContract(subject)

const query = { name: 'execute_query', arguments: { query: 'up' } }
const keys = (recorded: Recorded | undefined): string[] => Object.keys((recorded?.body ?? {}) as object)
const completion = (
  message: object,
  more: object = {},
  finish: string | null = 'stop',
): { status: number; body: object } => ({
  status: 200,
  body: {
    id: 'x',
    object: 'chat.completion',
    model: 'qwen',
    choices: [{ index: 0, message, finish_reason: finish }],
    ...more,
  },
})

describe('with chat completions', () => {
  const { start, model } = modelBench(subject)

  test('a compatible server is given max_tokens', async () => {
    const server = await start({ text: 'ok' }, { outputLimit: 'max_tokens' })
    good(await model().complete(asking()))
    expect(server.requests.map(({ status }) => status)).toEqual([200])
  })

  test('a server that wants the other name of the limit is given that one, and from then on', async () => {
    const server = await start({ text: 'ok' }, { outputLimit: 'max_completion_tokens' })
    const adapter = model()
    good(await adapter.complete(asking()))
    good(await adapter.complete(asking()))
    expect(server.requests.map(({ status }) => status)).toEqual([400, 200, 200])
    expect(keys(server.requests[2])).toContain('max_completion_tokens')
    expect(keys(server.requests[2])).not.toContain('max_tokens')
  })

  test('calls that learn of it at the same time all succeed', async () => {
    await start({ text: 'ok' }, { outputLimit: 'max_completion_tokens' })
    const adapter = model()
    const answers = await Promise.all(Array.from({ length: 5 }, () => adapter.complete(asking())))
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true, true, true])
  })

  test('a limit that is too high for the server is no reason to use the other name', async () => {
    const server = await start({
      status: 400,
      body: {
        error: {
          message: 'Range of max_tokens should be [1, 8192]',
          type: 'invalid_request_error',
          code: 'invalid_parameter_error',
        },
      },
    })
    expect(bad(await model().complete(asking()))).toMatchObject({ why: 'refused', next: 'lower ai.maxTokens' })
    expect(server.requests).toHaveLength(1)
  })

  test('a model that answers only as a stream is asked for one, and from then on', async () => {
    const server = await start({ text: 'ok', calls: [query] }, { demandsStream: true })
    const adapter = model({ stream: false })
    expect(good(await adapter.complete(asking())).calls).toHaveLength(1)
    good(await adapter.complete(asking()))
    expect(server.requests.map(({ status }) => status)).toEqual([400, 200, 200])
  })

  test('a model that does not reason beside tools is told not to, from then on, and only where tools are offered', async () => {
    const server = await start({ text: 'ok' }, { demandsNoReasoning: true })
    const adapter = model()
    good(await adapter.complete(asking()))
    good(await adapter.complete(asking()))
    good(await adapter.complete({ ...asking(), tools: [] }))
    expect(server.requests.map(({ status }) => status)).toEqual([400, 200, 200, 200])
    expect(server.requests.map((each) => keys(each).includes('reasoning_effort'))).toEqual([false, true, true, false])
  })

  test('a server that wants everything in another form is asked in that one', async () => {
    const server = await start(
      { text: 'ok' },
      { demandsNoReasoning: true, outputLimit: 'max_completion_tokens', demandsStream: true },
    )
    good(await model({ stream: false, retries: 0 }).complete(asking()))
    expect(server.requests.map(({ status }) => status)).toEqual([400, 400, 400, 200])
  })

  test('a server that does not know stream_options is asked without', async () => {
    const server = await start(
      inTurn(
        { status: 400, body: { error: { message: 'Unrecognized request argument supplied: stream_options' } } },
        { text: 'ok' },
      ),
    )
    const answer = good(await model({ stream: true }).complete(asking()))
    expect(answer.text).toBe('ok')
    expect(answer.usage.input).toBeGreaterThan(10)
    expect(keys(server.requests[1])).not.toContain('stream_options')
  })

  test('a call without an id gets one of its own, and its result comes back under it', async () => {
    for (const stream of [false, true]) {
      const server = await start((asked) =>
        asked.turns.at(-1)?.role === 'tools'
          ? { text: 'ok' }
          : {
              calls: [
                { id: '', ...query },
                { id: '', ...query },
              ],
            },
      )
      const adapter = model({ stream })
      const { calls } = good(await adapter.complete(asking()))
      expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
      const results = calls.map(({ id }) => ({ id, text: '1', failed: false }))
      const turns: Turn[] = [
        { role: 'user', text: 'go' },
        { role: 'assistant', text: '', calls },
        { role: 'tools', results },
      ]
      expect(good(await adapter.complete(asking(...turns))).text).toBe('ok')
      expect(server.requests.map(({ status }) => status)).toEqual([200, 200])
    }
  })

  test('usage that the server does not count is estimated, so that a budget ends', async () => {
    for (const stream of [false, true]) {
      await start({ text: 'word '.repeat(80), usage: false })
      const { usage } = good(await model({ stream }).complete(asking()))
      expect(usage.output).toBeGreaterThan(80)
      expect(usage.input).toBeGreaterThan(20)
    }
  })

  test.each([
    ['content is missing', completion({ role: 'assistant' }), { text: '', stop: 'end' }],
    ['content is null', completion({ role: 'assistant', content: null }), { text: '', stop: 'end' }],
    [
      'calls come with the reason stop',
      completion({
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      }),
      { stop: 'tools', calls: [{ id: 'a', name: 'f', arguments: { a: 1 } }] },
    ],
    [
      'arguments are missing or empty',
      completion({
        content: '',
        tool_calls: [
          { id: 'a', function: { name: 'f' } },
          { id: 'b', function: { name: 'g', arguments: '' } },
        ],
      }),
      {
        calls: [
          { id: 'a', name: 'f', arguments: {} },
          { id: 'b', name: 'g', arguments: {} },
        ],
      },
    ],
    [
      'arguments are JSON but no object',
      completion({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: '"up"' } }] }),
      { calls: [{ id: 'a', name: 'f', arguments: undefined }] },
    ],
    ['the list of calls is null', completion({ content: 'ok', tool_calls: null }, {}, null), { text: 'ok', calls: [] }],
    [
      'thoughts stand before the answer',
      completion({ content: '<think>\nHm.\n</think>\n\n{"a": 1}' }),
      { text: '{"a": 1}' },
    ],
    ['it refuses', completion({ content: null, refusal: 'I cannot.' }), { text: 'I cannot.', stop: 'refusal' }],
    [
      'the prompt was cached in part',
      completion(
        { content: 'ok' },
        {
          usage: {
            prompt_tokens: 100,
            completion_tokens: 5,
            prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 10 },
          },
        },
      ),
      { usage: { input: 30, cacheRead: 60, cacheWrite: 10, output: 5 } },
    ],
  ] as const)('an answer is understood where %s', async (_what, answer, expected) => {
    await start({ status: answer.status, body: JSON.parse(JSON.stringify(answer.body)) })
    expect(await model().complete(asking())).toMatchObject({ ok: true, ...expected })
  })

  test.each([
    [
      'the id is repeated in every piece',
      [
        { index: 0, id: 'a', f: ['execute_query', '{"query"'] },
        { index: 0, id: 'a', f: ['', ':"up"}'] },
      ],
    ],
    ['pieces have no index', [{ id: 'a', f: ['execute_query', '{"query"'] }, { f: ['', ':"up"}'] }]],
    [
      'later pieces have an empty id and name',
      [
        { index: 0, id: 'a', f: ['execute_query', ''] },
        { index: 0, id: '', f: ['', '{"query":"up"}'] },
      ],
    ],
  ])('a streamed call is put together where %s', async (_what, pieces) => {
    const chunks = pieces.map(({ f: [name, json], ...piece }) => ({
      choices: [
        { index: 0, delta: { tool_calls: [{ ...piece, function: { name, arguments: json } }] }, finish_reason: null },
      ],
    }))
    const end = { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }
    const stream = [...chunks, end].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')
    await start({ malformed: `${stream}data: [DONE]\n\n` })
    const answer = good(await model({ stream: true }).complete(asking()))
    expect(answer.calls).toEqual([{ id: 'a', ...query }])
  })

  test('an overload in the middle of a stream is tried again', async () => {
    const server = await start(inTurn({ overload: 503, midStream: true }, { text: 'here' }))
    expect(good(await model({ stream: true }).complete(asking())).text).toBe('here')
    expect(server.requests).toHaveLength(2)
  })

  test('what the environment says about another account of OpenAI is not sent', async () => {
    const environment = {
      OPENAI_ORG_ID: 'somebody-org',
      OPENAI_PROJECT_ID: 'somebody-project',
      OPENAI_ADMIN_KEY: 'somebody-admin',
      OPENAI_API_KEY: 'somebody-key',
      OPENAI_BASE_URL: 'http://127.0.0.1:9/somebody',
      OPENAI_CUSTOM_HEADERS: 'X-Tenant: somebody-tenant\nAuthorization: Bearer somebody-bearer\nCookie: somebody=1',
    }
    Object.assign(process.env, environment)
    try {
      const server = await start({ text: 'ok' })
      good(await model().complete(asking()))
      expect(server.requests).toHaveLength(1)
      expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${canary}`)
      expect(JSON.stringify(server.requests[0]?.headers)).not.toMatch(/somebody|x-tenant/i)
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name]
    }
  })
})
