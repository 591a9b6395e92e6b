import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAlertmanagerSilences } from '../../src/adapters/alertmanager/index.ts'
import { type Alertmanager, startAlertmanager } from '../../src/demo/alertmanager.ts'
import { missingLine, obtain } from '../../src/demo/parts.ts'
import { episodesOf } from '../../src/incident/alert.ts'
import { createIntake } from '../../src/incident/intake.ts'
import type { Silences } from '../../src/ports/silences.ts'
import { testDesk } from '../fakes/desk.ts'
import { hearAlert, openIncident, quickParts, titles } from '../incident/thread-kit.ts'
import { skipReal, until } from './prometheus.ts'

describe.skipIf(skipReal)('silences at a real Alertmanager', () => {
  let folder: string
  let manager: Alertmanager
  let silences: Silences
  let sources: { name: string; url: string }[]
  beforeAll(async () => {
    const { found, missing } = await obtain(['alertmanager'], { say: () => {} })
    const binary = found.alertmanager
    if (binary === undefined) throw new Error(missing.map(missingLine).join('\n'))
    folder = mkdtempSync(join(tmpdir(), 'rollcall-silences-'))
    manager = await startAlertmanager({ folder, binary })
    sources = [{ name: 'main', url: `${manager.url}/` }]
    silences = createAlertmanagerSilences({ sources, timeoutSeconds: 5, settlesSeconds: 0 })
  })
  afterAll(async () => {
    await manager?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const labelsOf = (host: string) => ({ alertname: 'HighErrorRate', service: 'user-service', host })
  const fire = async (host: string, endsInMs = 600_000) => {
    const alert = {
      labels: labelsOf(host),
      startsAt: new Date(Date.now() - 60_000).toISOString(),
      endsAt: new Date(Date.now() + endsInMs).toISOString(),
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

  /** The fingerprint that Alertmanager gives it, which its webhook carries as well. */
  const fingerprintOf = async (host: string): Promise<string> => {
    const answer = await fetch(`${manager.url}/api/v2/alerts?filter=host="${host}"`)
    const [alert] = (await answer.json()) as { fingerprint: string }[]
    if (alert === undefined) throw new Error(`no alert of ${host}`)
    return alert.fingerprint
  }

  test('hide no alert from the list of what fires, which has none that is resolved', async () => {
    await fire('gz-1')
    await fire('gz-2')
    const [one, two] = [await fingerprintOf('gz-1'), await fingerprintOf('gz-2')]
    const id = await silences.create('main', {
      matchers: [equal('host', 'gz-1')],
      from: new Date(),
      until: new Date(Date.now() + 3_600_000),
      by: 'bob',
      comment: 'x',
    })
    await until(10, suppressed, (hosts) => hosts.includes('gz-1'))
    expect([...((await silences.firing('main')) ?? [])]).toEqual(expect.arrayContaining([one, two]))
    await fire('gz-1', -1)
    await until(
      10,
      async () => await silences.firing('main'),
      (listed) => listed?.has(one) === false && listed.has(two),
    )
    await silences.expire('main', id)
  })

  test('of a server that has just started tell nothing of what fires: it has forgotten', async () => {
    expect(await createAlertmanagerSilences({ sources, timeoutSeconds: 5 }).firing('main')).toBeUndefined()
  })

  test('that are ended bring the end of what was resolved meanwhile, of which the server sends no word', async () => {
    const t = await testDesk({ incident: quickParts({ sources, diagnose: [] }, silences) })
    const intake = createIntake(t.desk)
    try {
      await intake.start()
      for (const host of ['sz-1', 'sz-2']) await fire(host)
      const receivedAt = new Date(Date.now() - 3_600_000).toISOString()
      const startsAt = receivedAt
      const heard = async (host: string) => ({
        fingerprint: await fingerprintOf(host),
        labels: labelsOf(host),
        startsAt,
        receivedAt,
      })
      await hearAlert(t, await heard('sz-2'))
      await openIncident(t, {}, await heard('sz-1'))
      await until(
        10,
        async () => t.chat.posts.size,
        (posts) => posts > 0,
      )
      expect(await t.type('bob', '/alerts silence A-1 1h known')).toMatchObject({ ok: true })
      await until(10, suppressed, (hosts) => hosts.includes('sz-1') && hosts.includes('sz-2'))
      await fire('sz-1', -1)
      const gone = await heard('sz-1').then(
        () => false,
        () => true,
      )
      expect(gone).toBe(true)
      expect(await t.type('bob', '/alerts unsilence A-1')).toMatchObject({ ok: true })
      await until(10, suppressed, (hosts) => !hosts.includes('sz-2'))
      const states = await until(
        10,
        async () => (await episodesOf(t.desk.store, 'A-1')).map(({ alert }) => `${alert.labels.host} ${alert.status}`),
        (all) => all.includes('sz-1 resolved'),
      )
      expect(states.toSorted()).toEqual(['sz-1 resolved', 'sz-2 firing'])
      await until(
        10,
        async () => titles(t),
        (all) => all.includes('Resolved 1 alert: no longer listed by Alertmanager main'),
      )
    } finally {
      await intake.stop()
      await t.close()
    }
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
