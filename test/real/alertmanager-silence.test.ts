import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAlertmanagerSilences } from '../../src/adapters/alertmanager/index.ts'
import { type Alertmanager, startAlertmanager } from '../../src/demo/alertmanager.ts'
import { missingLine, obtain } from '../../src/demo/parts.ts'
import type { Silences } from '../../src/ports/silences.ts'
import { skipReal, until } from './prometheus.ts'

describe.skipIf(skipReal)('silences at a real Alertmanager', () => {
  let folder: string
  let manager: Alertmanager
  let silences: Silences
  beforeAll(async () => {
    const { found, missing } = await obtain(['alertmanager'], { say: () => {} })
    const binary = found.alertmanager
    if (binary === undefined) throw new Error(missing.map(missingLine).join('\n'))
    folder = mkdtempSync(join(tmpdir(), 'rollcall-silences-'))
    manager = await startAlertmanager({ folder, binary })
    silences = createAlertmanagerSilences({ sources: [{ name: 'main', url: `${manager.url}/` }], timeoutSeconds: 5 })
  })
  afterAll(async () => {
    await manager?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const fire = async (host: string) => {
    const alert = {
      labels: { alertname: 'HighErrorRate', service: 'user-service', host },
      startsAt: new Date(Date.now() - 60_000).toISOString(),
      endsAt: new Date(Date.now() + 600_000).toISOString(),
    }
    const answer = await fetch(`${manager.url}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([alert]),
    })
    expect(answer.status).toBe(200)
  }
  /** Hosts whose alert is silenced, as Alertmanager sees it. */
  const suppressed = async (): Promise<string[]> => {
    const answer = await fetch(`${manager.url}/api/v2/alerts`)
    const alerts = (await answer.json()) as { labels: { host: string }; status: { state: string } }[]
    return alerts.flatMap(({ labels, status }) => (status.state === 'suppressed' ? [labels.host] : [])).toSorted()
  }
  const equal = (name: string, value: string) => ({ name, value, isRegex: false, isEqual: true })

  test('cover the alerts with all of these labels and no others, until they are ended', async () => {
    for (const host of ['bj-1', 'sh-2']) await fire(host)
    const id = await silences.create('main', {
      matchers: [equal('alertname', 'HighErrorRate'), equal('host', 'bj-1')],
      from: new Date(),
      until: new Date(Date.now() + 3_600_000),
      by: 'bob',
      comment: 'A-1: known',
    })
    await until(10, suppressed, (hosts) => hosts.join() === 'bj-1')
    const kept = await (await fetch(`${manager.url}/api/v2/silence/${id}`)).json()
    expect(kept).toMatchObject({ createdBy: 'bob', comment: 'A-1: known', status: { state: 'active' } })
    await silences.expire('main', id)
    await until(10, suppressed, (hosts) => hosts.length === 0)
    // Ending one that is over is no error, and neither is one that is not known any more.
    await silences.expire('main', id)
    await silences.expire('main', '11111111-2222-3333-4444-555555555555')
  })

  test('that match everything are refused, with what the server says', async () => {
    const made = silences.create('main', {
      matchers: [equal('alertname', '')],
      from: new Date(),
      until: new Date(Date.now() + 60_000),
      by: 'bob',
      comment: 'x',
    })
    await expect(made).rejects.toMatchObject({ code: 'silence.refused', message: expect.stringContaining('400') })
  })

  test('of a server that does not answer may be tried again', async () => {
    const away = createAlertmanagerSilences({
      sources: [{ name: 'main', url: 'http://127.0.0.1:9' }],
      timeoutSeconds: 2,
    })
    await expect(away.expire('main', 'x')).rejects.toMatchObject({ code: 'silence.unreachable', retry: true })
  })
})
