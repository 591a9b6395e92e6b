import { describe, expect, it, test } from 'vitest'
import { type AgentSpec, runAgent } from '../../src/agent/loop.ts'
import { Fault } from '../../src/lib/fault.ts'
import { fakeTools, scriptedModel } from './loop-kit.ts'

const good = '{"answer": 42}'
const parse: AgentSpec<number>['parse'] = (value) =>
  typeof value === 'object' && value !== null && 'answer' in value && typeof value.answer === 'number'
    ? { ok: true, value: value.answer }
    : { ok: false, problems: ['answer: expected a number'] }

function run(spec: Partial<AgentSpec<number>> & Pick<AgentSpec<number>, 'model'>) {
  return runAgent({
    tools: undefined,
    system: 'rules',
    prompt: 'find it',
    budget: { steps: 20, tokens: 1_000_000, seconds: 600 },
    record: (_, effect) => effect(),
    parse,
    clock: () => new Date(),
    ...spec,
  })
}

describe('an agent', () => {
  it('answers at once when it wants no tool', async () => {
    const model = scriptedModel([{ text: good }])
    const result = await run({ model })
    expect(result).toMatchObject({ ok: true, value: 42, steps: 1, tools: {}, model: 'scripted-1' })
    expect(result.usage).toEqual({ input: 100, cacheRead: 10, cacheWrite: 5, output: 20 })
    expect(result.transcript).toEqual([
      { role: 'user', text: 'find it' },
      { role: 'assistant', text: good, calls: [] },
    ])
  })

  it('is given the results of its calls, in their order, with what they were called for', async () => {
    const tools = fakeTools({
      slow: async () => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        return { text: 'slow one' }
      },
      quick: () => ({ text: 'quick one' }),
    })
    const model = scriptedModel([
      {
        calls: [
          ['slow', { a: 1 }],
          ['quick', {}],
        ],
      },
      { text: good },
    ])
    const result = await run({ model, tools, present: (name, text) => `<${name}>${text}` })
    expect(result).toMatchObject({ ok: true, steps: 2, tools: { slow: 1, quick: 1 } })
    expect(model.asked[1]?.turns.at(-1)).toEqual({
      role: 'tools',
      results: [
        { id: 'c1-0', text: '<slow>slow one', failed: false },
        { id: 'c1-1', text: '<quick>quick one', failed: false },
      ],
    })
  })

  it('calls the tools of one answer at the same time', async () => {
    let running = 0
    let most = 0
    const tools = fakeTools({
      look: async () => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 10))
        running--
        return { text: 'x' }
      },
    })
    await run({
      model: scriptedModel([
        {
          calls: [
            ['look', { n: 1 }],
            ['look', { n: 2 }],
            ['look', { n: 3 }],
          ],
        },
        { text: good },
      ]),
      tools,
    })
    expect(most).toBe(3)
  })

  it('is refused an identical call, whatever the order of its arguments, and pointed to the first', async () => {
    const tools = fakeTools({ look: () => ({ text: 'seen' }) })
    const model = scriptedModel([
      { calls: [['look', { a: 1, b: [1, { x: 1, y: 2 }] }]] },
      {
        calls: [
          ['look', { b: [1, { y: 2, x: 1 }], a: 1 }],
          ['look', { a: 2 }],
          ['look', { a: 2 }],
        ],
      },
      { text: good },
    ])
    const result = await run({ model, tools })
    expect(tools.called).toHaveLength(2)
    expect(result.calls.map(({ refused }) => refused)).toEqual([false, true, false, true])
    const turn = model.asked[2]?.turns.at(-1)
    expect(turn?.role === 'tools' && turn.results[0]).toMatchObject({
      failed: true,
      text: expect.stringContaining('step 1.1'),
    })
  })

  test.each<[string, [string, (null | string | number[] | undefined)?], RegExp]>([
    ['a tool that there is not', ['delete_everything', null], /no such tool.*look/i],
    ['arguments that are no JSON', ['look', undefined], /not a JSON object/],
    ['arguments that are no object', ['look', [1]], /not a JSON object/],
    ['arguments that are text', ['look', 'up'], /not a JSON object/],
  ])('is answered with a failed result for %s, and nothing is called', async (_, call, words) => {
    const tools = fakeTools({ look: () => ({ text: 'seen' }) })
    const model = scriptedModel([{ calls: [call] }, { text: good }])
    expect(await run({ model, tools })).toMatchObject({ ok: true, tools: {} })
    expect(tools.called).toEqual([])
    const turn = model.asked[1]?.turns.at(-1)
    expect(turn?.role === 'tools' && turn.results[0]?.text).toMatch(words)
  })

  it('that calls tools for ever answers in its last step but one, without tools, and never takes more than the budget', async () => {
    const tools = fakeTools({ look: () => ({ text: 'seen' }) })
    let n = 0
    const model = scriptedModel([{}])
    const endless = {
      ...model,
      complete: (request: Parameters<typeof model.complete>[0]) => {
        n++
        return scriptedModel([
          request.tools.length === 0 ? { text: n > 19 ? good : 'I am still looking' } : { calls: [['look', { n }]] },
        ]).complete(request)
      },
    }
    const result = await run({ model: endless, tools })
    expect(result).toMatchObject({ ok: true, value: 42, steps: 20, tools: { look: 18 } })
    expect(n).toBe(20)
  })

  it('that still calls tools when none are offered any more gives no answer', async () => {
    const tools = fakeTools({ look: () => ({ text: 'seen' }) })
    const result = await run({
      model: scriptedModel([{ calls: [['look', {}]] }]),
      tools,
      budget: { steps: 5, tokens: 1e6, seconds: 60 },
    })
    expect(result).toMatchObject({ ok: false, why: 'invalid' })
    expect(tools.called).toHaveLength(1)
    expect(result.steps).toBeLessThanOrEqual(5)
  })

  it('that only repeats itself has to answer after three such steps', async () => {
    const tools = fakeTools({ look: () => ({ text: 'seen' }) })
    const model = scriptedModel([
      ...Array.from({ length: 4 }, () => ({ calls: [['look', {}]] as [string, object][] })),
      { text: good },
    ] as never)
    const result = await run({ model, tools })
    expect(result).toMatchObject({ ok: true, steps: 5 })
    expect(model.asked[4]?.tools).toEqual([])
  })

  it('is asked for its answer when the tokens run out', async () => {
    const tools = fakeTools({ look: () => ({ text: 'seen' }) })
    const model = scriptedModel([{ calls: [['look', { n: 1 }]], tokens: 3000 }, { text: good }])
    const result = await run({ model, tools, budget: { steps: 20, tokens: 8000, seconds: 60 } })
    expect(result).toMatchObject({ ok: true, steps: 2 })
    expect(model.asked[1]?.tools).toEqual([])
    expect(model.asked[1]?.turns.at(-1)).toMatchObject({
      role: 'user',
      text: expect.stringMatching(/no further tool calls/),
    })
  })

  it('is asked for its answer when the seconds run out', async () => {
    let now = 0
    const tools = fakeTools({
      look: () => {
        now += 70_000
        return { text: 'slow' }
      },
    })
    const model = scriptedModel([{ calls: [['look', { n: 1 }]] }, { text: good }])
    const result = await run({
      model,
      tools,
      clock: () => new Date(now),
      budget: { steps: 20, tokens: 1e6, seconds: 60 },
    })
    expect(result).toMatchObject({ ok: true, steps: 2, seconds: 70 })
    expect(model.asked[1]?.tools).toEqual([])
  })

  test.each([
    ['a code fence', '```json\n{"answer": 42}\n```'],
    ['leading words', 'Here is what I found {as asked}: {"answer": 42} Good luck!'],
    ['braces in strings', '{"answer": 42, "text": "a } \\" { b"}'],
    ['a first try in front of it', '{"answer": "none"} no, rather {"answer": 42}'],
  ])('may put %s around its answer', async (_, text) => {
    expect(await run({ model: scriptedModel([{ text }]) })).toMatchObject({ ok: true, value: 42, steps: 1 })
  })

  test.each([
    ['no JSON', 'I could not find out'],
    ['half of one', '{"answer": 42'],
    ['another object', '{"answer": "many"}'],
    ['nothing', ''],
  ])('gets one turn to repair %s, with the problems', async (_, text) => {
    const model = scriptedModel([{ text }, { text: good }])
    expect(await run({ model })).toMatchObject({ ok: true, value: 42, steps: 2 })
    expect(model.asked[1]?.turns.at(-1)).toMatchObject({
      text: expect.stringMatching(/cannot be used:\n- (it holds no JSON|answer: expected)/),
    })
    const again = await run({ model: scriptedModel([{ text }]) })
    expect(again).toMatchObject({ ok: false, why: 'invalid', steps: 2 })
  })

  test.each(['overloaded', 'timeout', 'unreachable', 'refused', 'malformed', 'stopped'] as const)(
    'whose model is %s gives that as a value, with what was spent before',
    async (why) => {
      const tools = fakeTools({ look: () => ({ text: 'seen' }) })
      const failure = { ok: false as const, why, say: 'It went wrong.', next: '', seconds: 1 }
      const result = await run({ model: scriptedModel([{ calls: [['look', {}]] }, failure]), tools })
      expect(result).toMatchObject({ ok: false, why, say: 'It went wrong.', steps: 2, usage: { input: 100 } })
    },
  )

  it('whose model throws gives that as a value', async () => {
    const result = await run({ model: scriptedModel([new Fault('a.b', { say: 'Broken.' })]) })
    expect(result).toMatchObject({ ok: false, say: 'Broken.' })
  })

  it('that declines gives that as a value', async () => {
    expect(await run({ model: scriptedModel([{ text: 'no', stop: 'refusal' }]) })).toMatchObject({
      ok: false,
      why: 'refusal',
    })
  })

  it('whose conversation has become too long goes on once with shortened results', async () => {
    const tools = fakeTools({ look: () => ({ text: 'x'.repeat(5000) }) })
    const failure = { ok: false as const, why: 'too-long' as const, say: 'Too long.', next: '', seconds: 1 }
    const model = scriptedModel([{ calls: [['look', {}]] }, failure, { text: good }])
    expect(await run({ model, tools })).toMatchObject({ ok: true, steps: 3 })
    expect(JSON.stringify(model.asked[2]).length).toBeLessThan(2000)
    expect(await run({ model: scriptedModel([failure]), tools })).toMatchObject({ ok: false, why: 'too-long' })
  })

  it('goes on when a tool throws or its list cannot be had', async () => {
    const throwing = fakeTools({ look: () => Promise.reject(new Error('boom')) })
    const model = scriptedModel([{ calls: [['look', {}]] }, { text: good }])
    expect(await run({ model, tools: throwing })).toMatchObject({
      ok: true,
      calls: [{ failed: true, text: 'The tool failed: boom' }],
    })
    const away = { ...throwing, list: () => Promise.reject(new Error('away')) }
    expect(await run({ model: scriptedModel([{ text: good }]), tools: away })).toMatchObject({ ok: true, steps: 1 })
  })

  it('is replayed from its records without asking anybody again, to the same result', async () => {
    const kept = new Map<string, string>()
    const order: string[] = []
    const record = async <R>(name: string, effect: () => Promise<R>): Promise<R> => {
      order.push(name)
      if (!kept.has(name)) kept.set(name, JSON.stringify(await effect()))
      return JSON.parse(kept.get(name) ?? '')
    }
    const tools = fakeTools({ look: (args) => ({ text: `seen ${JSON.stringify(args)}` }) })
    const model = scriptedModel([
      {
        calls: [
          ['look', { n: 1 }],
          ['look', undefined],
          ['look', { n: 2 }],
        ],
      },
      { text: 'hm' },
      { text: good },
    ])
    const first = await run({ model, tools, record })
    const names = order.splice(0)
    expect(names).toEqual(['tools', 'model 1', 'tool 1.1 look', 'tool 1.3 look', 'model 2', 'model 3'])
    const second = await run({ model: scriptedModel([new Error('asked again')]), tools: fakeTools({}), record })
    expect(second).toEqual(first)
    expect(order).toEqual(names)
    expect(model.asked).toHaveLength(3)
    expect(tools.called).toHaveLength(2)
  })

  it('carries out at most eight calls of one answer', async () => {
    const tools = fakeTools({ look: () => ({ text: 'x' }) })
    const calls = Array.from({ length: 12 }, (_, n): [string, object] => ['look', { n }])
    await run({ model: scriptedModel([{ calls: calls as never }, { text: good }]), tools })
    expect(tools.called).toHaveLength(8)
  })
})
