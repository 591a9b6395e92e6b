import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readPetshop } from '../../bench/petshop.ts'
import { rank } from '../../src/incident/rank.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-rca-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const head = ['microservice,web,"store, main",web', 'metric,latency,latency,availability', 'statistic,p95,p95,Average']
const row = (at: number, ...cells: (number | '')[]) => [at, ...cells].join(',')

async function put(path: string, text: string): Promise<void> {
  await mkdir(join(folder, path, '..'), { recursive: true })
  await writeFile(join(folder, path), text)
}

/** Two nodes; the onset lies within the row of 1300. */
async function aSet(name: string): Promise<void> {
  await put(`${name}/graph.csv`, ',web,"store, main"\nweb,0.0,1.0\n"store, main",0.0,0.0\n')
  const calm = [0, 300, 600].map((at) => row(9000 + at, 0.1, 0.05, 100))
  await put(`${name}/noissue/metrics.csv`, [...head, 'unix_timestamp,,,', ...calm].join('\n'))
  const rows = [row(1000, 0.1, 0.05, 100), row(1300, 0.7, 0.7, 90), row(1600, 2, 2.5, ''), row(1900, 2, 2.4, 80)]
  await put(`${name}/train/issue_0/metrics.csv`, [...head, 'unix_timestamp,,,', ...rows, ''].join('\n'))
  const target = {
    target: { node: 'web', metric: 'latency', agg: 'p95', timestamp: 1400 },
    root_cause: { node: 'store, main', metric: null },
  }
  await put(`${name}/train/issue_0/target.json`, JSON.stringify(target))
}

test('a scenario has its history first, the row of the onset left out, and availability as errors', async () => {
  await aSet('one')
  const [set] = await readPetshop(folder)
  expect(set?.name).toBe('one')
  const [scenario] = set?.scenarios ?? []
  expect(scenario).toMatchObject({ name: 'one/train/issue_0', cause: 'store, main' })
  const { input } = scenario ?? { input: undefined }
  expect(input).toMatchObject({ onset: 1400, target: 'web', symptom: 'latency' })
  expect(input?.calls).toEqual([{ from: 'web', to: 'store, main' }])
  const [web, store] = input?.nodes ?? []
  expect(store?.metrics[0]?.points).toEqual([
    [1000 - 86_400 - 900, 0.05],
    [1000 - 86_400 - 600, 0.05],
    [1000 - 86_400 - 300, 0.05],
    [1000, 0.05],
    [1600, 2.5],
    [1900, 2.4],
  ])
  const availability = web?.metrics.find(({ kind }) => kind === 'errors')
  expect(availability?.points.map(([, value]) => value)).toEqual([0, 0, 0, 0, Number.NaN, 1 - 80 / 100])
  expect(rank(input ?? { onset: 0, nodes: [], calls: [] }).map(({ name }) => name)).toEqual(['store, main', 'web'])
})

test('sets are subfolders in order; what is no set is passed over', async () => {
  await aSet('two')
  await aSet('one')
  await put('notes/README.md', 'no set')
  expect((await readPetshop(folder)).map(({ name }) => name)).toEqual(['one', 'two'])
})

test('a folder that is not there, or holds no sets, is a fault that says what to type', async () => {
  await expect(readPetshop(join(folder, 'gone'))).rejects.toMatchObject({ code: 'rca.no-folder' })
  await expect(readPetshop(folder)).rejects.toMatchObject({ code: 'rca.no-scenarios', next: /bench:rca/ })
})

test('a file of another layout is named', async () => {
  await aSet('one')
  await put('one/train/issue_0/metrics.csv', 'time,value\n1,2\n')
  await expect(readPetshop(folder)).rejects.toMatchObject({ code: 'rca.bad-file', message: /issue_0\/metrics\.csv/ })
  await aSet('one')
  await put('one/train/issue_0/target.json', '{}')
  await expect(readPetshop(folder)).rejects.toMatchObject({ code: 'rca.bad-file', message: /target\.json/ })
})
