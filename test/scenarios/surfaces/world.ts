import { vi } from 'vitest'
import { newId } from '../../../src/lib/id.ts'
import { type Sandbox, startSandbox } from '../sandbox.ts'
import { people, SLACK_CHANNEL, WECOM_CHAT } from './hand.ts'

/** The sandbox with what happens around it. */
export interface World {
  bot: Sandbox
  /** Alertmanager says so, over HTTP: an alert on the service that is released. */
  alert(status: 'firing' | 'resolved'): Promise<void>
  /** A chart that is drawn now and posted under a card; resolves with its bytes. */
  picture(under: string): Promise<Buffer>
  /** A message of its own in the channel of releases. */
  say(key: string, text: string): Promise<void>
}

/** `services` are the sections `slack` and `wecom` of the configuration, `env` the secrets that they name. */
export async function startWorld(services: { sections?: object; env?: Record<string, string> } = {}): Promise<World> {
  for (const [name, value] of Object.entries(services.env ?? {})) vi.stubEnv(name, value)
  const bot = await startSandbox({
    console: { demo: true },
    sections: { people, alerts: { sources: [{ name: 'local' }] }, ...services.sections },
    ...(services.env === undefined ? {} : { env: services.env }),
  })
  const since = new Date().toISOString()
  return {
    bot,
    async alert(status) {
      const labels = { alertname: 'HighErrorRate', service: 'user-service', severity: 'critical', instance: 'bj-1' }
      const body = {
        version: '4',
        groupKey: '{}:{alertname="HighErrorRate"}',
        truncatedAlerts: 0,
        status,
        receiver: 'rollcall',
        groupLabels: { alertname: 'HighErrorRate' },
        commonLabels: labels,
        commonAnnotations: { summary: 'user-service answers with errors' },
        externalURL: 'http://alertmanager.test',
        alerts: [
          {
            status,
            labels,
            annotations: { summary: 'user-service answers with errors' },
            startsAt: since,
            endsAt: status === 'firing' ? '0001-01-01T00:00:00Z' : new Date().toISOString(),
            generatorURL: 'http://prometheus.test/graph',
            fingerprint: 'f00d',
          },
        ],
      }
      const headers = { 'content-type': 'application/json' }
      const url = `${bot.app().url}/api/v1/alertmanager`
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
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
