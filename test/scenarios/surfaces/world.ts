import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { startAlertmanager } from '../../../src/demo/alertmanager.ts'
import { missingLine, obtain } from '../../../src/demo/parts.ts'
import { freePorts } from '../../../src/demo/processes.ts'
import { newId } from '../../../src/lib/id.ts'
import { type Sandbox, startSandbox } from '../sandbox.ts'
import { people, SLACK_CHANNEL, WECOM_CHAT } from './hand.ts'

/** The sandbox with what happens around it. */
export interface World {
  bot: Sandbox
  /** A real Alertmanager hears it and tells the bot: an alert on the service that is released. */
  alert(status: 'firing' | 'resolved'): Promise<void>
  /** Comments of the silences that this Alertmanager keeps. */
  silences(): Promise<string[]>
  close(): Promise<void>
  /** A chart that is drawn now and posted under a card; resolves with its bytes. */
  picture(under: string): Promise<Buffer>
  /** A message of its own in the channel of releases. */
  say(key: string, text: string): Promise<void>
}

/** `services` are the sections `slack` and `wecom` of the configuration, `env` the secrets that they name. */
export async function startWorld(services: { sections?: object; env?: Record<string, string> } = {}): Promise<World> {
  for (const [name, value] of Object.entries(services.env ?? {})) vi.stubEnv(name, value)
  const { found, missing } = await obtain(['alertmanager'], { say: () => {} })
  const binary = found.alertmanager
  if (binary === undefined) throw new Error(missing.map(missingLine).join('\n'))
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-surfaces-'))
  const [port = 0] = await freePorts(1)
  const manager = await startAlertmanager({
    folder,
    binary,
    webhookUrl: `http://127.0.0.1:${port}/api/v1/alertmanager`,
  })
  const bot = await startSandbox({
    console: { demo: true },
    sections: {
      people,
      console: { port },
      alerts: { sources: [{ name: 'local', url: manager.url }] },
      ...services.sections,
    },
    ...(services.env === undefined ? {} : { env: services.env }),
  })
  const since = new Date(Date.now() - 60_000).toISOString()
  return {
    bot,
    async alert(status) {
      const labels = { alertname: 'HighErrorRate', service: 'user-service', severity: 'critical', instance: 'bj-1' }
      const endsAt = new Date(Date.now() + (status === 'firing' ? 600_000 : -1000)).toISOString()
      const annotations = { summary: 'user-service answers with errors' }
      const answer = await fetch(`${manager.url}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([{ labels, annotations, startsAt: since, endsAt }]),
      })
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
    },
    async silences() {
      const answer = await fetch(`${manager.url}/api/v2/silences`)
      return ((await answer.json()) as { comment: string }[]).map(({ comment }) => comment)
    },
    async close() {
      await bot.close()
      await manager.stop()
      await rm(folder, { recursive: true, force: true })
      vi.unstubAllEnvs()
    },
    async picture(under) {
      const { desk } = bot.app()
      const at = Math.floor(Date.now() / 1000)
      const points = Array.from({ length: 60 }, (_, n): [number, number] => [at - 600 + 10 * n, n % 7])
      const spec = { title: 'errors', unit: 'ratio' as const, from: at - 600, to: at, moments: [], limits: [] }
      const drawn = await desk.pictures.draw({ ...spec, series: [{ name: 'bj-1', group: 'upgraded', points }] })
      const { width, height } = drawn
      const png = Buffer.from(drawn.png)
      const [id, alt] = [newId(), 'errors of bj-1']
      await desk.store.insert('pictures', id, { png: png.toString('base64'), width, height, alt })
      await desk.chat.put({
        key: `${under}/chart/${id}`,
        channel: desk.channel,
        thread: `${under}/card`,
        message: { title: 'Chart', tone: 'plain', blocks: [{ type: 'picture', id, alt, width, height }], buttons: [] },
      })
      return png
    },
    async say(key, text) {
      const { desk } = bot.app()
      const message = { title: key, tone: 'plain' as const, blocks: [{ type: 'text' as const, text }], buttons: [] }
      await desk.chat.put({ key: `${key}/card`, channel: desk.channel, message })
    },
  }
}

export const slackSection = (apiUrl: string) => ({ slack: { apiUrl, channels: { '#releases': SLACK_CHANNEL } } })
export const wecomSection = (url: string) => ({
  wecom: { url, language: 'en', channels: { '#releases': { id: WECOM_CHAT, type: 'group' } } },
})
