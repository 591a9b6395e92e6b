import type { Model, ModelAnswer, ModelRequest, ToolCall } from '../../src/ports/model.ts'
import type { Json } from '../../src/ports/store.ts'
import type { ToolDefinition, ToolResult, Tools } from '../../src/ports/tools.ts'

export interface Said {
  text?: string
  calls?: [name: string, args?: Json | undefined][]
  stop?: 'end' | 'tools' | 'length' | 'refusal'
  tokens?: number
}

/** A model in memory that says one thing after the other; the last one again and again. Keeps what it was asked. */
export function scriptedModel(
  script: (Said | Extract<ModelAnswer, { ok: false }> | Error)[],
): Model & { asked: ModelRequest[] } {
  const asked: ModelRequest[] = []
  return {
    name: 'scripted',
    wire: 'anthropic',
    asked,
    async complete(request) {
      asked.push(structuredClone({ ...request, signal: undefined }))
      const said = script[Math.min(asked.length, script.length) - 1] ?? {}
      if (said instanceof Error) throw said
      if ('ok' in said) return said
      const calls = (said.calls ?? []).map(
        ([name, args], n): ToolCall => ({ id: `c${asked.length}-${n}`, name, arguments: args }),
      )
      return {
        ok: true,
        text: said.text ?? '',
        calls,
        stop: said.stop ?? (calls.length > 0 ? 'tools' : 'end'),
        usage: { input: said.tokens ?? 100, cacheRead: 10, cacheWrite: 5, output: 20 },
        model: 'scripted-1',
        seconds: 0.01,
      }
    },
  }
}

export interface FakeTools extends Tools {
  called: { name: string; args: Json }[]
}

/** Tools in memory: by name, what they answer. */
export function fakeTools(
  answers: Record<string, (args: Json) => Partial<ToolResult> | Promise<Partial<ToolResult>>>,
): FakeTools {
  const called: FakeTools['called'] = []
  return {
    called,
    async list() {
      return Object.keys(answers).map(
        (name): ToolDefinition => ({
          name,
          server: 's',
          description: name,
          inputSchema: { type: 'object' },
          hash: 'h',
        }),
      )
    },
    servers: () => [],
    async call(name, args) {
      called.push({ name, args })
      const answer = (await answers[name]?.(args)) ?? { text: 'no such tool', failed: true }
      return { text: '', failed: false, empty: false, characters: 0, seconds: 0, ...answer }
    },
    async close() {},
  }
}
