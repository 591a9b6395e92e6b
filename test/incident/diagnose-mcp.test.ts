import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import {
  createMcpTools,
  type McpTools,
  mcpSchema,
  resolveServers,
  type ServerPlan,
} from '../../src/adapters/mcp-client/index.ts'
import { createLog } from '../../src/lib/log.ts'
import type { ModelRequest } from '../../src/ports/model.ts'
import { scriptedModel } from '../agent/loop-kit.ts'
import { type DiagnosisWorld, diagnosisWorld } from './diagnosis-kit.ts'

const content = '【Summary】\nErrors.\n【Root cause】\nUnknown.\n【Impact】\nUnknown.\n【Next steps】\nLook.'
const good = { text: JSON.stringify({ promQL: ['sum by (host) (errors)'], content }) }
const bad = join(import.meta.dirname, '../servers/mcp-bad.ts')

let world: DiagnosisWorld
let tools: McpTools
afterEach(async () => {
  await tools?.close()
  await world?.close()
})

function serversOf(command: string[]): ServerPlan[] {
  const tools = ['look', 'die', 'hang', 'flood', 'refuse']
  const server = { name: 'bad', kind: 'custom', command, tools, timeoutSeconds: 1 }
  return resolveServers(mcpSchema.parse({ servers: [server], automatic: false }), {
    prometheusConfigured: false,
    env: {},
  })
}

function lastResult(asked: ModelRequest | undefined): string {
  const turn = asked?.turns.findLast(({ role }) => role === 'tools')
  return turn?.role === 'tools' ? (turn.results[0]?.text ?? '') : ''
}

describe('a diagnosis over a server that misbehaves comes all the same', () => {
  test.each<[string, string, RegExp]>([
    ['dies in a call', 'die', /\S/],
    ['hangs', 'hang', /\S/],
    ['floods', 'flood', /\S/],
    ['refuses', 'refuse', /503/],
    ['answers', 'look', /nothing special/],
  ])('when it %s', async (_, name, words) => {
    tools = createMcpTools({ servers: serversOf([process.execPath, bad]), log: createLog({ level: 'silent' }) })
    const offered = (await tools.list()).find((each) => each.name.endsWith(name))?.name ?? ''
    expect(offered).not.toBe('')
    const model = scriptedModel([{ calls: [[offered, {}]] }, good])
    world = await diagnosisWorld({ parts: { model, tools } })
    await world.incident()
    expect(await world.diagnose()).toMatchObject({
      status: 'completed',
      by: 'model',
      steps: 2,
      tools: { [offered]: 1 },
    })
    expect(lastResult(model.asked[1])).toMatch(words)
    expect(lastResult(model.asked[1]).length).toBeLessThan(45_000)
  })

  test('when it never starts, and the model is away as well: by rules, saying so', async () => {
    tools = createMcpTools({
      servers: serversOf([process.execPath, '-e', 'process.exit(1)']),
      log: createLog({ level: 'silent' }),
      connectSeconds: 2,
    })
    const model = scriptedModel([
      { ok: false, why: 'unreachable', say: 'The model cannot be reached.', next: '', seconds: 0 },
    ])
    world = await diagnosisWorld({ parts: { model, tools } })
    await world.incident()
    expect(await world.diagnose()).toMatchObject({
      status: 'completed',
      by: 'rules',
      fellBack: 'The model cannot be reached.',
    })
    expect(model.asked[0]?.tools.filter(({ name }) => name !== 'read_result')).toEqual([])
  })
})
