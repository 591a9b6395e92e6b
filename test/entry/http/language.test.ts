import type { FastifyPluginAsync } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { languageOf, languagePlugin, translateAnswer } from '../../../src/entry/http/language.ts'
import { aRelease } from '../../fakes/release.ts'
import { type Console, testConsole } from './kit.ts'

describe('the language of a request', () => {
  const of = (accept: string | undefined, query: unknown = {}) =>
    languageOf({ headers: accept === undefined ? {} : { 'accept-language': accept }, query })

  test.each([
    [undefined, 'en'],
    ['', 'en'],
    ['zh', 'zh'],
    ['zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
    ['en-GB,en;q=0.9,zh;q=0.8', 'en'],
    ['en;q=0.5, zh-Hans;q=0.7', 'zh'],
    ['fr, zh;q=0.3', 'zh'],
    ['zh;q=0', 'en'],
    ['de,*', 'en'],
    ['zh;q=x', 'en'],
    [';;;,,,', 'en'],
  ])('%s -> %s', (accept, language) => {
    expect(of(accept)).toBe(language)
  })

  test('is what ?lang says where headers cannot be set', () => {
    expect(of('en', { lang: 'zh' })).toBe('zh')
    expect(of('zh', { lang: 'en' })).toBe('en')
    expect(of('zh', { lang: 'xx' })).toBe('en')
  })
})

describe('an answer in Chinese', () => {
  const zh = <T>(value: T): T => translateAnswer(value, 'zh')

  test('keeps what code compares with: states, ids, codes, actions, names', () => {
    const hosts = [
      {
        id: 'failed',
        ip: '10.0.0.1',
        region: 'healthy',
        labels: { why: 'Going on.' },
        services: [{ service: 'held', state: 'unreachable', why: 'it did not answer' }],
      },
    ]
    expect(zh(hosts)).toEqual([{ ...hosts[0], services: [{ service: 'held', state: 'unreachable', why: '没有应答' }] }])
    expect(zh({ code: 'access.sign-in', say: 'You are not signed in.', next: 'rollcall doctor' })).toEqual({
      code: 'access.sign-in',
      say: '你尚未登录。',
      next: 'rollcall doctor',
    })
  })

  test('translates steps, risks, metrics and verdicts, and no document in them', () => {
    expect(
      zh({
        steps: [
          {
            step_name: 'VersionCheck',
            status: 'success',
            summary: 'No conflict detected',
            details: { why: 'Going on.' },
          },
        ],
        risks: [{ type: 'memory_leak', source: 'knowledge/a.md', why: 'holds for every release' }],
        metrics: [
          { key: 'error_rate', name: 'Error Rate', query: 'rate(x)', limits: ['0.1%'], source: 'limit as configured' },
        ],
        notes: ['bj-1: its clock is 40 s off'],
        limits: { warn: 1 },
        verdicts: [
          {
            verdict: 'fail',
            why: 'bj-1 has no data',
            metrics: [{ key: 'cpu', name: 'CPU', verdict: 'fail', why: 'no data' }],
          },
        ],
      }),
    ).toEqual({
      steps: [{ step_name: 'VersionCheck', status: 'success', summary: '未发现冲突', details: { why: 'Going on.' } }],
      risks: [{ type: 'memory_leak', source: 'knowledge/a.md', why: '适用于每次发布' }],
      metrics: [{ key: 'error_rate', name: '错误率', query: 'rate(x)', limits: ['0.1%'], source: '采用所配置的阈值' }],
      notes: ['bj-1：时钟偏差 40 秒'],
      limits: { warn: 1 },
      verdicts: [
        {
          verdict: 'fail',
          why: 'bj-1 没有数据',
          metrics: [{ key: 'cpu', name: 'CPU', verdict: 'fail', why: '没有数据' }],
        },
      ],
    })
  })

  test('leaves the points of a chart alone', () => {
    const points: [number, number][] = [[1, 2]]
    expect(zh({ points }).points).toEqual(points)
  })

  test('is the very same object in English', () => {
    const answer = { text: 'Going on.' }
    expect(translateAnswer(answer, 'en')).toBe(answer)
  })
})

/** Everybody is alice. */
const alice: FastifyPluginAsync = Object.assign(
  async (app: Parameters<FastifyPluginAsync>[0]) => {
    app.decorateRequest('person', undefined)
    app.addHook('onRequest', async (request) => {
      request.person = { id: 'alice', roles: ['operator'], surfaces: {} }
    })
  },
  { [Symbol.for('skip-override')]: true },
)

describe('the plugin', () => {
  let console: Console | undefined
  afterEach(async () => {
    await console?.close()
    console = undefined
  })

  async function world() {
    const plugins = [alice, languagePlugin()]
    console = await testConsole({ deps: { plugins } })
    return console
  }
  const get = (c: Console, url: string, language: string) =>
    c.server.inject({ method: 'GET', url, headers: { 'x-person': 'alice', 'accept-language': language } })

  test('translates the card of a release, its headline and what is refused, as the request wants it', async () => {
    const c = await world()
    await c.insert(aRelease({ id: 'R-1', state: { at: 'preparing' } }))
    const chinese = (await get(c, '/api/v1/releases/R-1', 'zh-CN')).json()
    const english = (await get(c, '/api/v1/releases/R-1', 'en')).json()
    expect(chinese.headline).toBe('准备中：正在检查主机、预测风险、选取指标。')
    expect(chinese.card.blocks[0].text).toBe(chinese.headline)
    expect(english.headline).toBe('Preparing: checking hosts, predicting risks, choosing metrics.')
    expect(chinese.state).toBe('preparing')
    // Written once for all who read Chinese, and still their own when others read English.
    expect((await get(c, '/api/v1/releases/R-1', 'zh-CN')).json()).toEqual(chinese)
    expect((await get(c, '/api/v1/releases', 'zh')).json().releases[0].headline).toBe(chinese.headline)
    expect((await get(c, '/api/v1/releases/R-1/series', 'zh')).json()).toEqual({ windows: [] })
    const refused = await get(c, '/api/v1/releases/R-9', 'zh')
    expect(refused.json()).toMatchObject({ code: 'release.unknown', say: '没有发布 R-9。' })
    expect(refused.headers['content-language']).toBe('zh')
  })

  test('leaves the state in front of a cell for the client, which colours it', async () => {
    const c = await world()
    const host = { version: 'v1.0.0', before: 'v1.0.0', attempt: 1 }
    const hosts = {
      'bj-1': { ...host, at: 'failed' as const, why: 'exit code 3' },
      'sh-1': { ...host, at: 'healthy' as const },
    }
    await c.insert(aRelease({ id: 'R-1', hosts }))
    const { card, progress } = (await get(c, '/api/v1/releases/R-1', 'zh')).json()
    const table = card.blocks.find((block: { type: string }) => block.type === 'table')
    expect(table.columns).toEqual(['主机', '状态', '版本'])
    expect(table.rows.map((row: string[]) => row[1])).toContain('failed: 退出码 3')
    expect(progress.find((each: { host: string }) => each.host === 'bj-1')).toMatchObject({
      state: 'failed',
      why: '退出码 3',
    })
  })

  test('translates what a command answers', async () => {
    const c = await world()
    const answer = await c.server.inject({
      method: 'POST',
      url: '/api/v1/messages',
      headers: { 'x-person': 'alice', 'accept-language': 'zh', 'content-type': 'application/json' },
      payload: JSON.stringify({ channel: '#releases', text: 'hello' }),
    })
    expect(answer.json().text).toBe('这不是命令。下一步：输入 /help。')
  })

  test('leaves the issue as the specification wants it, and the description of the API', async () => {
    const c = await world()
    await c.insert(aRelease({ id: 'R-1' }))
    const of = async (language: string) => (await get(c, '/api/v1/releases/R-1/issue', language)).body
    expect(await of('zh')).toBe(await of('en'))
    const docs = async (language: string) => (await get(c, '/api/docs/json', language)).body
    expect(await docs('zh')).toBe(await docs('en'))
  })
})
