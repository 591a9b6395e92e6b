import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { aiSchema, resolveAi } from '../../src/agent/config.ts'

const key = 'sk-canary-0123456789'
const ours = aiSchema.parse({})
const at = (env: Record<string, string>, config: object = {}) => {
  const resolved = resolveAi(aiSchema.parse(config), { AI_API_KEY: key, ...env })
  return resolved === undefined ? undefined : { wire: resolved.wire, baseUrl: resolved.baseUrl, model: resolved.model }
}

describe('the environment variables of the specification', () => {
  test.each([
    ['https://api.openai.com/v1', 'openai', 'https://api.openai.com/v1', 'gpt-5.5'],
    ['https://api.anthropic.com/v1', 'anthropic', 'https://api.anthropic.com', 'claude-sonnet-5-5'],
    [
      'https://dashscope.aliyuncs.com/compatible-mode/v1',
      'openai',
      'https://dashscope.aliyuncs.com/compatible-mode/v1',
      'qwen-max',
    ],
    [
      'https://api-inference.modelscope.cn',
      'openai',
      'https://api-inference.modelscope.cn/v1',
      'Qwen/Qwen3-Coder-480B-A35B-Instruct',
    ],
    // What people write besides.
    ['https://api.anthropic.com', 'anthropic', 'https://api.anthropic.com', 'claude-sonnet-5-5'],
    ['https://api.anthropic.com/v1/messages', 'anthropic', 'https://api.anthropic.com', 'claude-sonnet-5-5'],
    ['https://api.openai.com/', 'openai', 'https://api.openai.com/v1', 'gpt-5.5'],
    ['https://api.openai.com/v1/chat/completions', 'openai', 'https://api.openai.com/v1', 'gpt-5.5'],
    ['http://127.0.0.1:8000/v1/', 'openai', 'http://127.0.0.1:8000/v1', 'gpt-5.5'],
    [
      'https://dashscope.aliyuncs.com/apps/anthropic',
      'anthropic',
      'https://dashscope.aliyuncs.com/apps/anthropic',
      'claude-sonnet-5-5',
    ],
    [
      'https://gateway.example.com/anthropic/v1',
      'anthropic',
      'https://gateway.example.com/anthropic',
      'claude-sonnet-5-5',
    ],
  ])('AI_BASE_URL=%s speaks %s at %s with %s', (url, wire, baseUrl, model) => {
    expect(at({ AI_BASE_URL: url })).toEqual({ wire, baseUrl, model })
  })

  test('a proxy that speaks like OpenAI and is given a key of Anthropic gets a model of Anthropic', () => {
    const found = at({ AI_BASE_URL: 'https://your-proxy-service.com/v1', AI_API_KEY: 'sk-ant-xxxxxxx' })
    expect(found).toEqual({ wire: 'openai', baseUrl: 'https://your-proxy-service.com/v1', model: 'claude-sonnet-5-5' })
  })

  test('without a base URL the key tells whose it is', () => {
    expect(at({ AI_API_KEY: 'sk-ant-xxxxxxx' })).toMatchObject({
      wire: 'anthropic',
      baseUrl: 'https://api.anthropic.com',
    })
    expect(at({})).toMatchObject({ wire: 'openai', baseUrl: 'https://api.openai.com/v1' })
  })

  test('AI_MODEL and AI_BASE_URL win over the file, and the file over what is usual', () => {
    const config = { model: 'from-file', baseUrl: 'https://file.example.com/v1' }
    expect(at({}, config)).toMatchObject({ model: 'from-file', baseUrl: 'https://file.example.com/v1' })
    const env = { AI_MODEL: 'from-env', AI_BASE_URL: 'https://env.example.com/v1' }
    expect(at(env, config)).toMatchObject({ model: 'from-env', baseUrl: 'https://env.example.com/v1' })
  })

  test('the wire format can be set, whatever the address', () => {
    expect(at({ AI_BASE_URL: 'https://gateway.example.com' }, { wire: 'anthropic' })).toMatchObject({
      wire: 'anthropic',
      baseUrl: 'https://gateway.example.com',
    })
    expect(at({ AI_BASE_URL: 'https://api.anthropic.com/v1' }, { wire: 'openai' })).toMatchObject({
      wire: 'openai',
      baseUrl: 'https://api.anthropic.com/v1',
    })
  })

  test('without a key, or with blanks for one, there is no model', () => {
    for (const env of [{}, { AI_API_KEY: '' }, { AI_API_KEY: ' \n' }, { AI_BASE_URL: 'https://api.openai.com/v1' }])
      expect(resolveAi(ours, env)).toBeUndefined()
  })

  test('the key may stand in another variable, and blanks around it do not count', () => {
    const resolved = resolveAi(aiSchema.parse({ apiKeyEnv: 'QWEN_KEY' }), {
      QWEN_KEY: ` ${key}\n`,
      AI_API_KEY: 'other-key',
    })
    expect(resolved?.key()).toBe(key)
    expect(resolved?.keyName).toBe('QWEN_KEY')
  })

  test.each([
    'dashscope.aliyuncs.com/v1',
    'ftp://x.example.com',
    'https://user:secret@x.example.com',
    'https://x.example.com?a=1',
  ])('AI_BASE_URL=%s is a fault that does not repeat it', (url) => {
    expect(() => at({ AI_BASE_URL: url })).toThrow(
      expect.objectContaining({ code: 'agent.address-invalid', message: expect.not.stringContaining(url) }),
    )
  })

  test('a key that could not be kept out of logs is a fault', () => {
    expect(() => at({ AI_API_KEY: 'abc' })).toThrow(expect.objectContaining({ code: 'agent.key-too-short' }))
  })
})

describe('the section ai', () => {
  test('may be empty: a call may take twice the 60 s of the specification, a diagnosis 20 steps', () => {
    const resolved = resolveAi(ours, { AI_API_KEY: key })
    expect(resolved).toMatchObject({ limitSeconds: 120, retries: 4, stream: false, prices: undefined })
    expect(resolved?.budget).toEqual({ steps: 20, tokens: 400_000, seconds: 600 })
  })

  test('the resolved model can be printed in any way without its key', () => {
    const resolved = resolveAi(ours, { AI_API_KEY: key })
    const prints = [JSON.stringify(resolved), inspect(resolved, { depth: 9, showHidden: true }), String(resolved?.key)]
    for (const print of [...prints, JSON.stringify({ ...resolved })]) expect(print).not.toContain(key)
  })

  test.each([
    [{ baseUrl: 'api.openai.com' }, 'baseUrl'],
    [{ baseUrl: 'https://me:pass@api.openai.com' }, 'baseUrl'],
    [{ apiKeyEnv: 'sk-ant-a-key-itself' }, 'apiKeyEnv'],
    [{ wire: 'grpc' }, 'wire'],
    [{ timeout: 0 }, 'timeout'],
    [{ prices: { input: 3 } }, 'prices'],
    [{ budget: { steps: 0 } }, 'budget'],
    [{ key: 'sk-x' }, undefined],
  ])('%j is refused where it is wrong', (config, path) => {
    const { error } = aiSchema.safeParse(config)
    expect(error?.issues[0]?.path[0]).toBe(path)
  })
})
