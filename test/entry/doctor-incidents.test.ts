import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createAnthropicModel } from '../../src/adapters/anthropic/index.ts'
import { aiSchema, resolveAi } from '../../src/agent/config.ts'
import { checkAlertSources, checkModel, checkTools, type IncidentPatient } from '../../src/entry/doctor-incidents.ts'
import { createLog } from '../../src/lib/log.ts'
import { startModelServer } from '../servers/model.ts'

const tools = { list: async () => [], servers: () => [] }
const patient = (part: Partial<IncidentPatient>): IncidentPatient => ({ sources: [], tools, ...part })

async function answering(status: number, body: string, look: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((_request, response) => response.writeHead(status).end(body))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await look(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.close()
  }
}

describe('what doctor says of alerts, the model and its tools', () => {
  test.each([
    [
      200,
      JSON.stringify({ versionInfo: { version: '0.25.0' } }),
      'ok',
      /^Alertmanager 0\.25\.0 answers; it sends a token$/,
    ],
    [200, '<html>', 'fail', /is no Alertmanager \(HTTP 200\)$/],
    [401, '{}', 'fail', /is no Alertmanager \(HTTP 401\)$/],
  ])('a source that answers %i %s is %s', async (status, body, at, say) => {
    await answering(status, body, async (url) => {
      const [check] = await checkAlertSources(
        patient({ sources: [{ name: 'main', url, proves: true, token: 'secret-token' }] }),
        fetch,
      )
      expect(check).toMatchObject({ status: at, say: expect.stringMatching(say) })
      expect(JSON.stringify(check)).not.toContain('secret-token')
    })
  })

  test('a source that is away fails; one without an address only takes silences away', async () => {
    const sources = [{ name: 'gone', url: 'http://127.0.0.1:1' }, { name: 'blind' }]
    const checks = await checkAlertSources(patient({ sources }), fetch)
    expect(checks.map(({ subject, status }) => [subject, status])).toEqual([
      ['gone', 'fail'],
      ['blind', 'ok'],
    ])
  })

  test('without a key there is nothing to ask; with a wrong one it says what to check', async () => {
    expect(await checkModel(patient({}))).toMatchObject([{ status: 'ok', say: expect.stringContaining('rules') }])
    const server = await startModelServer(() => ({ text: 'yes' }))
    try {
      for (const [key, status] of [
        [server.key, 'ok'],
        ['sk-ant-a-wrong-one', 'fail'],
      ] as const) {
        const env = { AI_API_KEY: key, AI_BASE_URL: server.url }
        const ai = resolveAi(aiSchema.parse({ wire: 'anthropic' }), env) ?? expect.fail('no model')
        const model = createAnthropicModel({ ...ai, log: createLog({ level: 'silent' }) })
        const [check] = await checkModel(patient({ model: { model, host: 'localhost' } }))
        expect(check?.status).toBe(status)
        expect(JSON.stringify(check)).not.toContain(key)
      }
    } finally {
      await server.close()
    }
  })

  test('each server is named, and what is held says how to go on', async () => {
    const states = [
      { name: 'prometheus', at: 'connected' as const, tools: 5 },
      { name: 'github', at: 'held' as const, why: 'get_commit has changed', tools: 0 },
    ]
    const checks = await checkTools(patient({ tools: { ...tools, servers: () => states } }))
    expect(checks.map(({ status, say, remedy }) => [status, say, remedy])).toEqual([
      ['ok', 'connected, 5 tools', ''],
      [
        'warn',
        'held: get_commit has changed',
        'type rollcall tools to see what has changed, then rollcall tools approve github',
      ],
    ])
  })
})
