import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import type { ModelOptions } from '../../src/lib/model-call.ts'
import type { Model, ModelAnswer, ModelRequest, ToolOffer, Turn, Usage } from '../../src/ports/model.ts'
import { type Answer, inTurn, type Limits, type ModelServer, type Script, startModelServer } from '../servers/model.ts'

/** An adapter, and where its wire format is spoken on a scripted server. */
export interface ModelSubject {
  wire: 'anthropic' | 'openai'
  create(options: ModelOptions): Model
  baseUrl(server: ModelServer): string
}

export const canary = 'sk-ant-canary-4f1d9a7b20'

export const tools: ToolOffer[] = [
  {
    name: 'execute_query',
    description: 'Runs a PromQL query.',
    inputSchema: { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] },
  },
  { name: 'list_metrics', description: 'Lists names of metrics.', inputSchema: { type: 'object' } },
]

export const asking = (...turns: Turn[]): ModelRequest => ({
  system: 'You look into alerts.',
  turns: turns.length > 0 ? turns : [{ role: 'user', text: 'What is wrong?' }],
  tools,
  maxTokens: 500,
})

/** A server, adapters pointed at it, and everything that they logged or printed. */
export function modelBench({ create, baseUrl }: ModelSubject) {
  let server: ModelServer | undefined
  let lines: string[] = []
  const start = async (script: Script | Answer, limits: Partial<Limits> = {}): Promise<ModelServer> => {
    await server?.close()
    server = await startModelServer(typeof script === 'function' ? script : () => script, { key: canary, ...limits })
    return server
  }
  const model = (options: Partial<ModelOptions> = {}): Model =>
    create({
      baseUrl: server === undefined ? 'http://127.0.0.1:9' : baseUrl(server),
      model: 'scripted-1',
      key: () => canary,
      keyName: 'AI_API_KEY',
      limitSeconds: 5,
      retries: 4,
      backOffMs: 5,
      log: createLog({ level: 'trace', stream: { write: (line) => void lines.push(line) }, env: {} }),
      ...options,
    })
  beforeEach(() => {
    lines = []
    for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const)
      vi.spyOn(console, name).mockImplementation((...words) => void lines.push(inspect(words, { depth: 20 })))
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await server?.close()
    server = undefined
  })
  return { start, model, lines: () => lines }
}

export function good(answer: ModelAnswer): Extract<ModelAnswer, { ok: true }> {
  if (!answer.ok) throw new Error(`${answer.why}: ${answer.say}`)
  return answer
}

export function bad(answer: ModelAnswer): Extract<ModelAnswer, { ok: false }> {
  if (answer.ok) throw new Error(`it answered: ${answer.text}`)
  return answer
}

const query = { name: 'execute_query', arguments: { query: 'up == 0' } }
const overload = { overload: 529 } as const

/** The contract of the `Model` port; every adapter passes it. */
export function modelContract(subject: ModelSubject): void {
  describe.each([
    ['whole answers', false],
    ['streams', true],
  ] as const)(`the Model contract: ${subject.wire}, %s`, (_name, stream) => {
    const bench = modelBench(subject)
    const { start } = bench
    const model = (options: Partial<ModelOptions> = {}): Model => bench.model({ stream, ...options })

    describe('answers', () => {
      test('are text with usage, the model that gave it and the time', async () => {
        const server = await start({ text: 'The disk is full.' })
        const adapter = model()
        expect(adapter).toMatchObject({ name: 'scripted-1', wire: subject.wire })
        const answer = good(await adapter.complete({ ...asking(), tools: [] }))
        expect(answer).toMatchObject({ text: 'The disk is full.', calls: [], stop: 'end', model: 'scripted-1' })
        expect(answer.usage).toEqual(server.requests[0]?.usage)
        expect(answer.usage.input).toBeGreaterThan(0)
        expect(answer.seconds).toBeGreaterThan(0)
        expect(answer.seconds).toBeLessThan(5)
      })

      test('reach the model with system, turns, tools and limit as they were given', async () => {
        const turns: Turn[] = [
          { role: 'user', text: 'What is wrong?' },
          { role: 'assistant', text: 'I look.', calls: [{ id: 'a-1', ...query }] },
          { role: 'tools', results: [{ id: 'a-1', text: 'no such metric', failed: true }] },
          { role: 'assistant', text: 'Nothing.', calls: [] },
          { role: 'user', text: 'Look again.' },
        ]
        let asked: unknown
        await start((request) => {
          asked = request
          return { text: 'ok' }
        })
        good(await model().complete(asking(...turns)))
        expect(asked).toEqual({
          ...{ wire: subject.wire, n: 1, model: 'scripted-1', system: 'You look into alerts.' },
          ...{ turns, tools, maxTokens: 500, stream },
        })
      })

      test('an answer is never allowed more tokens than are configured', async () => {
        const limits: number[] = []
        await start((request) => {
          limits.push(request.maxTokens)
          return { text: 'ok' }
        })
        for (const maxTokens of [100, 9000]) good(await model({ maxTokens }).complete(asking()))
        expect(limits).toEqual([100, 500])
      })

      test('a call of a tool goes out and its result comes back under its id', async () => {
        const server = await start((asked) => {
          const last = asked.turns.at(-1)
          return last?.role === 'tools'
            ? { text: `It says ${last.results[0]?.text}.` }
            : { text: 'I look.', calls: [query] }
        })
        const adapter = model()
        const first = good(await adapter.complete(asking()))
        expect(first).toMatchObject({ text: 'I look.', stop: 'tools', calls: [query] })
        const id = first.calls[0]?.id ?? ''
        expect(id).not.toBe('')
        const second = good(
          await adapter.complete(
            asking(
              { role: 'user', text: 'What is wrong?' },
              { role: 'assistant', text: first.text, calls: first.calls },
              { role: 'tools', results: [{ id, text: '0 series', failed: false }] },
            ),
          ),
        )
        expect(second.text).toBe('It says 0 series.')
        expect(server.requests.map(({ status }) => status)).toEqual([200, 200])
      })

      test('several calls at once keep their order, ids and arguments', async () => {
        const calls = [
          query,
          { name: 'list_metrics', arguments: {} },
          { name: 'execute_query', arguments: { query: 'b' } },
        ]
        await start((asked) => (asked.turns.at(-1)?.role === 'tools' ? { text: 'done' } : { calls }))
        const adapter = model()
        const first = good(await adapter.complete(asking()))
        expect(first.calls.map(({ name, arguments: given }) => ({ name, arguments: given }))).toEqual(calls)
        expect(new Set(first.calls.map(({ id }) => id)).size).toBe(3)
        const results = first.calls.map(({ id, name }) => ({ id, text: name, failed: false }))
        const turns: Turn[] = [
          { role: 'user', text: 'go' },
          { role: 'assistant', text: '', calls: first.calls },
          { role: 'tools', results },
        ]
        expect(good(await adapter.complete(asking(...turns))).text).toBe('done')
      })

      test('when the tools are taken away at the end, the model answers in words', async () => {
        const server = await start({ text: 'A report.' })
        const turns: Turn[] = [
          { role: 'user', text: 'go' },
          { role: 'assistant', text: '', calls: [{ id: 'a-1', ...query }] },
          { role: 'tools', results: [{ id: 'a-1', text: '', failed: false }] },
        ]
        expect(good(await model().complete({ ...asking(...turns), tools: [] })).text).toBe('A report.')
        expect(server.requests[0]?.status).toBe(200)
      })

      test.each([
        ['length', 'length'],
        ['refusal', 'refusal'],
        ['end', 'end'],
      ] as const)('the reason why it stopped is told: %s', async (stop, told) => {
        await start({ text: 'I', stop })
        expect(good(await model().complete(asking())).stop).toBe(told)
      })

      test('arguments that are no JSON are undefined, and the call can be answered all the same', async () => {
        await start((asked) =>
          asked.turns.at(-1)?.role === 'tools'
            ? { text: 'sorry' }
            : { calls: [{ name: 'execute_query', malformed: '{"query": "up' }, query] },
        )
        const adapter = model()
        const first = good(await adapter.complete(asking()))
        expect(first.calls.map((call) => call.arguments)).toEqual([undefined, query.arguments])
        const results = first.calls.map(({ id }) => ({ id, text: 'not JSON', failed: true }))
        const turns: Turn[] = [
          { role: 'user', text: 'go' },
          { role: 'assistant', text: '', calls: first.calls },
          { role: 'tools', results },
        ]
        expect(good(await adapter.complete(asking(...turns))).text).toBe('sorry')
      })

      test('turns without any text are sent in a form that is not refused', async () => {
        const server = await start({ text: 'ok' })
        const turns: Turn[] = [
          { role: 'user', text: '' },
          { role: 'assistant', text: ' ', calls: [] },
          { role: 'user', text: '\n' },
        ]
        expect(await model().complete({ ...asking(...turns), system: '' })).toMatchObject({ ok: true })
        expect(server.requests[0]?.status).toBe(200)
      })

      test('text of any language and any sign arrives unchanged', async () => {
        const text = '【问题概述】 "quoted" \\ \u{1F525} </s> data: [DONE]\n\nevent: x'
        await start({ text })
        expect(good(await model().complete(asking())).text).toBe(text)
      })
    })

    describe('overload', () => {
      test.each([429, 500, 502, 503, 529] as const)('after %i it tries again, and answers', async (status) => {
        const server = await start(inTurn({ overload: status }, { overload: status }, { text: 'here' }))
        expect(good(await model().complete(asking())).text).toBe('here')
        expect(server.requests).toHaveLength(3)
      })

      test('for ever ends as a value after the configured attempts', async () => {
        const server = await start(overload)
        const answer = bad(await model({ retries: 2 }).complete(asking()))
        expect(answer).toMatchObject({ why: 'overloaded' })
        expect(answer.say).toContain('overloaded')
        expect(answer.next).not.toBe('')
        expect(server.requests).toHaveLength(3)
      })

      test('for ever ends within the time of the call, however many attempts are left', async () => {
        const server = await start(overload)
        const answer = bad(await model({ retries: 1000, limitSeconds: 0.4, backOffMs: 20 }).complete(asking()))
        expect(['overloaded', 'timeout']).toContain(answer.why)
        expect(answer.seconds).toBeLessThan(2)
        expect(server.requests.length).toBeGreaterThan(2)
      })

      test('a pause that the provider asks for is kept', async () => {
        await start(inTurn({ overload: 429, retryAfter: 0.3 }, { text: 'here' }))
        const answer = good(await model().complete(asking()))
        expect(answer.seconds).toBeGreaterThan(0.28)
      })

      test('a pause longer than the call may take is not begun', async () => {
        const server = await start({ overload: 429, retryAfter: 60 })
        const answer = bad(await model().complete(asking()))
        expect(answer.why).toBe('overloaded')
        expect(answer.seconds).toBeLessThan(2)
        expect(server.requests).toHaveLength(1)
      })

      test('an account without credit is not tried again', async () => {
        const server = await start({
          status: 429,
          body: {
            error: {
              type: 'insufficient_quota',
              code: 'insufficient_quota',
              message: 'You exceeded your current quota',
            },
          },
        })
        expect(bad(await model().complete(asking()))).toMatchObject({
          why: 'refused',
          next: expect.stringContaining('AI_API_KEY'),
        })
        expect(server.requests).toHaveLength(1)
      })
    })

    describe('time', () => {
      test('an answer that is too slow is the value timeout', async () => {
        await start({ slowMs: 3000 })
        const answer = bad(await model({ limitSeconds: 0.2 }).complete(asking()))
        expect(answer).toMatchObject({ why: 'timeout', next: expect.stringContaining('ai.timeout') })
        expect(answer.seconds).toBeLessThan(2)
      })

      test('an answer that stops in the middle is the value timeout', async () => {
        await start({ hang: true, midStream: true })
        const answer = bad(await model({ limitSeconds: 0.3 }).complete(asking()))
        expect(answer.why).toBe('timeout')
        expect(answer.seconds).toBeLessThan(2)
      })

      test('a call that is stopped while it runs ends at once', async () => {
        const server = await start({ hang: true })
        const controller = new AbortController()
        const running = model().complete({ ...asking(), signal: controller.signal })
        await vi.waitFor(() => expect(server.requests).toHaveLength(1))
        controller.abort()
        const answer = bad(await running)
        expect(answer.why).toBe('stopped')
        expect(answer.seconds).toBeLessThan(2)
      })

      test('a call that is stopped during a pause ends at once', async () => {
        const server = await start(overload)
        const controller = new AbortController()
        const running = model({ backOffMs: 3000 }).complete({ ...asking(), signal: controller.signal })
        await vi.waitFor(() => expect(server.requests[0]?.status).toBe(529))
        controller.abort()
        const answer = bad(await running)
        expect(answer.why).toBe('stopped')
        expect(answer.seconds).toBeLessThan(1.5)
        expect(server.requests).toHaveLength(1)
      })

      test('a call that was stopped before it began sends nothing', async () => {
        const server = await start({ text: 'x' })
        expect(bad(await model().complete({ ...asking(), signal: AbortSignal.abort() })).why).toBe('stopped')
        expect(server.requests).toEqual([])
      })
    })

    describe('what goes wrong', () => {
      test.each([
        ['a page of a proxy', '<html>Bad gateway</html>'],
        ['JSON that breaks off', '{"id": "msg_1", "content": ['],
        ['JSON of another kind', '{"hello": "world"}'],
        ['nothing', ''],
        ['a list', '[]'],
        ['a stream of something else', 'data: {"hello": 1}\n\ndata: [DONE]\n\n'],
      ])('%s instead of an answer is the value malformed', async (_what, text) => {
        await start({ malformed: text })
        expect(bad(await model({ retries: 0 }).complete(asking()))).toMatchObject({
          why: expect.stringMatching(/^(malformed|unreachable)$/),
        })
      })

      test('whatever JSON comes instead of an answer, it ends as a value', async () => {
        const anything = fc.oneof(fc.jsonValue(), fc.constantFrom(null, '', 'x', 0, [], {}, [null], [{}]))
        const block = fc.record(
          {
            type: fc.constantFrom('text', 'tool_use', 'thinking', 'function', 'new'),
            text: anything,
            id: anything,
            name: anything,
            input: anything,
            function: fc.oneof(anything, fc.record({ name: anything, arguments: anything }, { requiredKeys: [] })),
          },
          { requiredKeys: [] },
        )
        const message = fc.record(
          {
            role: anything,
            content: fc.oneof(anything, fc.array(block)),
            tool_calls: fc.oneof(anything, fc.array(block)),
          },
          { requiredKeys: [] },
        )
        const choice = fc.record(
          { message, delta: message, finish_reason: anything, index: anything },
          { requiredKeys: [] },
        )
        const body = fc.record(
          {
            model: anything,
            type: fc.constantFrom(
              'message',
              'message_start',
              'content_block_start',
              'content_block_delta',
              'message_delta',
              'message_stop',
            ),
            content: fc.oneof(anything, fc.array(block)),
            choices: fc.oneof(anything, fc.array(choice)),
            stop_reason: anything,
            usage: anything,
            message: fc.oneof(anything, message),
            content_block: fc.oneof(anything, block),
            delta: fc.oneof(anything, message),
            index: anything,
          },
          { requiredKeys: [] },
        )
        const server = await start({ text: 'x' })
        const adapter = model({ retries: 0 })
        await fc.assert(
          fc.asyncProperty(fc.array(body, { minLength: 1, maxLength: 4 }), async (bodies) => {
            const events = bodies.map(
              (each) => `event: ${each.type ?? 'message_start'}\ndata: ${JSON.stringify(each)}\n\n`,
            )
            server.script(() => ({ malformed: stream ? events.join('') : JSON.stringify(bodies[0]) }))
            const answer = await adapter.complete(asking())
            if (!answer.ok) {
              expect(answer.say).not.toBe('')
              expect(answer.why).toMatch(/^(malformed|unreachable)$/)
              return
            }
            expect(answer).toMatchObject({
              text: expect.any(String),
              calls: expect.any(Array),
              model: expect.any(String),
            })
            for (const count of Object.values(answer.usage)) expect(count).toBeGreaterThanOrEqual(0)
          }),
          { numRuns: 150 },
        )
      })

      test('an answer that is cut off is asked for again', async () => {
        const server = await start(inTurn({ drop: { text: 'half of '.repeat(50) } }, { text: 'the whole' }))
        expect(good(await model().complete(asking())).text).toBe('the whole')
        expect(server.requests).toHaveLength(2)
      })

      test('an answer that is cut off for ever is a value', async () => {
        const server = await start({ drop: { text: 'half of '.repeat(50), calls: [query] } })
        const answer = bad(await model({ retries: 2 }).complete(asking()))
        expect(answer).toMatchObject({ why: 'unreachable', say: expect.stringContaining('broke off') })
        expect(server.requests).toHaveLength(3)
      })

      test('a server that is not there is the value unreachable', async () => {
        const { url } = await start({ text: 'x' })
        const gone = model({ retries: 1 })
        await start({ text: 'x' })
        const answer = bad(await gone.complete(asking()))
        expect(answer).toMatchObject({ why: 'unreachable', next: expect.stringContaining('AI_BASE_URL') })
        expect(answer.say).toContain(new URL(url).host)
        expect(answer.say).toContain('ECONNREFUSED')
      })

      test('a key that is not accepted is refused at once, with what to check', async () => {
        const server = await start({ text: 'x' }, { key: 'sk-another-key' })
        const answer = bad(await model().complete(asking()))
        expect(answer).toMatchObject({ why: 'refused', next: 'check AI_API_KEY' })
        expect(server.requests).toHaveLength(1)
      })

      test('a key that no header can carry is refused before it is sent', async () => {
        const server = await start({ text: 'x' })
        const key = `${canary}\n密钥`
        const answer = bad(await model({ key: () => key }).complete(asking()))
        expect(answer).toMatchObject({ why: 'refused', next: 'check AI_API_KEY' })
        expect(server.requests).toEqual([])
        expect(JSON.stringify([answer, bench.lines()])).not.toContain(canary)
      })

      test('a model that is not known is refused by name, with the setting', async () => {
        await start({ text: 'x' }, { models: ['scripted-2'] })
        const answer = bad(await model().complete(asking()))
        expect(answer.why).toBe('refused')
        expect(answer.say).toContain('scripted-1')
        expect(answer.next).toContain('ai.model')
      })

      test('an address where no such API is names the base URL', async () => {
        const server = await start({ text: 'x' })
        const answer = bad(await model({ baseUrl: `${server.url}/nowhere` }).complete(asking()))
        expect(answer).toMatchObject({ why: 'refused', next: expect.stringContaining('ai.baseUrl') })
      })

      test('a conversation that is too long is told apart', async () => {
        await start({ text: 'x' }, { window: 300 })
        const answer = bad(await model().complete(asking({ role: 'user', text: 'words '.repeat(1000) })))
        expect(answer.why).toBe('too-long')
      })

      test('a redirect is not followed', async () => {
        const other = await startModelServer(() => ({ text: 'stolen' }))
        await start({ status: 307, body: '', headers: { location: `${other.url}/v1/messages` } })
        const answer = bad(await model().complete(asking()))
        expect(answer.why).toBe('refused')
        expect(other.requests).toEqual([])
        await other.close()
      })

      test('a request that is refused for another reason is not tried again', async () => {
        const server = await start({ text: 'x' })
        const turns: Turn[] = [{ role: 'tools', results: [{ id: 'nobody', text: 'x', failed: false }] }]
        expect(bad(await model().complete(asking(...turns))).why).toBe('refused')
        expect(server.requests.map(({ status }) => status)).toEqual([400])
      })

      test('no failure says the key or the words of the request or of the provider, nor is the key logged', async () => {
        vi.stubEnv('ANTHROPIC_LOG', 'debug')
        vi.stubEnv('OPENAI_LOG', 'debug')
        const secret = 'CANARY-of-the-request'
        const answers: Answer[] = [
          overload,
          { malformed: `${canary} ${secret}` },
          { drop: { text: canary } },
          ...[400, 401, 403, 404, 413, 418, 422, 429, 500].map((status) => ({
            status,
            body: { type: 'error', error: { type: `${canary}`, message: `Bad ${canary} in ${secret}` } },
          })),
          { status: 400, body: `not JSON ${canary} ${secret}` },
        ]
        for (const answer of answers) {
          await start(answer)
          const failed = bad(
            await model({ retries: 0 }).complete(asking({ role: 'user', text: `${secret} ${canary}` })),
          )
          expect(JSON.stringify(failed)).not.toMatch(/canary/i)
          expect(failed.say).toMatch(/^[^\n]+\.$/)
        }
        expect(bench.lines().length).toBeGreaterThanOrEqual(answers.length)
        expect(bench.lines().join('\n')).not.toContain(canary)
        vi.unstubAllEnvs()
      })
    })
  })

  describe(`the Model contract: ${subject.wire}, both ways of answering`, () => {
    const { start, model } = modelBench(subject)

    test('give the same', async () => {
      const answers: Answer[] = [
        { text: 'The disk is full. '.repeat(40) },
        { text: 'I look.', calls: [query, query, { name: 'list_metrics', arguments: {} }] },
        {
          calls: [
            {
              name: 'execute_query',
              arguments: { query: 'sum(rate(http_requests_total{code=~"5.."}[5m]))', 时间: [1, { a: null }] },
            },
          ],
        },
        { calls: [{ name: 'execute_query', malformed: '{"query": ' }] },
        { text: 'cut', stop: 'length' },
        { text: 'no', stop: 'refusal' },
      ]
      for (const answer of answers) {
        // A fresh server each time, so that neither finds the cache of the other.
        await start(() => answer)
        const whole = good(await model({ stream: false }).complete(asking()))
        await start(() => answer)
        const streamed = good(await model({ stream: true }).complete(asking()))
        expect({ ...streamed, seconds: 0 }).toEqual({ ...whole, seconds: 0 })
      }
    })

    test('a conversation of 20 steps keeps its prefix in the cache: nothing is paid in full twice', async () => {
      await start((asked) => (asked.n <= 20 ? { text: `Step ${asked.n}.`, calls: [query, query] } : { text: 'Done.' }))
      const adapter = model()
      const turns: Turn[] = [{ role: 'user', text: 'The alert: '.repeat(400) }]
      const usages: Usage[] = []
      for (let step = 1; step <= 21; step++) {
        const answer = good(await adapter.complete(asking(...turns)))
        usages.push(answer.usage)
        turns.push({ role: 'assistant', text: answer.text, calls: answer.calls })
        const results = answer.calls.map(({ id }) => ({ id, text: 'series '.repeat(150), failed: false }))
        if (results.length > 0) turns.push({ role: 'tools', results })
      }
      const total = (usage: Usage): number => usage.input + usage.cacheRead + usage.cacheWrite
      for (const [index, usage] of usages.entries()) {
        const before = usages[index - 1]
        if (before === undefined) expect(usage.cacheRead).toBe(0)
        // All but the last bytes of what was sent before, in the steps of the provider.
        else expect(usage.cacheRead).toBeGreaterThan(total(before) - 200)
      }
      const all = usages.map(total).reduce((a, b) => a + b)
      const read = usages.map(({ cacheRead }) => cacheRead).reduce((a, b) => a + b)
      expect(read / all).toBeGreaterThan(0.85)
    })
  })
}
