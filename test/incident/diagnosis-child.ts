import { appendFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { createAnthropicModel } from '../../src/adapters/anthropic/index.ts'
import { owedPosts } from '../../src/incident/pace.ts'
import { fakeTools } from '../agent/loop-kit.ts'
import { diagnosisWorld } from './diagnosis-kit.ts'

/** One diagnosis in a process of its own, which may end itself at a durable point; the same call again goes on. */
export interface ChildOrder {
  folder: string
  model: { url: string; key: string }
  /** Every call that reached a tool is added to this file. */
  calls: string
  /** What reaches the channel is added to this file. */
  posts: string
  /** Adds the name of each durable point to this file. */
  points?: string
  killAt?: string
}

const order: ChildOrder = JSON.parse(process.argv[2] ?? '')
const { url, key } = order.model
const world = await diagnosisWorld({
  folder: order.folder,
  onPost: (post) => appendFileSync(order.posts, `${JSON.stringify(post)}\n`),
  parts: {
    model: createAnthropicModel({
      baseUrl: url,
      model: 'claude',
      key: () => key,
      keyName: 'AI_API_KEY',
      limitSeconds: 20,
      retries: 0,
    }),
    tools: fakeTools({
      execute_query: (args) => {
        appendFileSync(order.calls, `${JSON.stringify(args)}\n`)
        return { text: '{"value":[1,"0.183"]}' }
      },
    }),
  },
  probe(point) {
    if (order.points !== undefined) appendFileSync(order.points, `${point}\n`)
    if (order.killAt === point) process.kill(process.pid, 'SIGKILL')
  },
})
if ((await world.desk.incidents.get('A-1')) === undefined) await world.incident()
const report = await world.diagnose()
for (const until = performance.now() + 5000; owedPosts(world.desk) > 0 && performance.now() < until; ) await delay(5)
const versions = (await world.desk.reports.versions('R-7')).length
process.stdout.write(JSON.stringify({ report, versions }))
await world.close()
