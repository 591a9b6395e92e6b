import type { Command } from '../src/entry/command.ts'
import { hostsOf, needService } from '../src/release/desk.ts'
import { noteSightings } from '../src/release/fleet.ts'
import { probeAll } from '../src/release/version-check.ts'

export const hosts: Command = {
  name: 'hosts',
  summary: 'which host runs which version, asked now',
  usage: ['', '<service> [host …]'],
  action: 'hosts.read',
  async run({ desk }, { args: [name, ...only] }) {
    const services = name === undefined ? desk.services : [needService(desk, name)]
    const rows: string[][] = []
    for (const service of services) {
      const probes = await probeAll(desk, service, hostsOf(desk, service, only))
      await noteSightings(desk, service.name, probes)
      for (const { host, facts, fault } of probes) {
        const found = facts === undefined ? ['?', fault?.say ?? ''] : [facts.version ?? 'none', facts.state]
        rows.push([service.name, host.id, host.region, ...found])
      }
    }
    return {
      ok: true,
      text: `${rows.length} host${rows.length === 1 ? '' : 's'}`,
      message: {
        title: `Hosts${name === undefined ? '' : ` of ${name}`}`,
        tone: 'plain',
        blocks: [{ type: 'table', columns: ['service', 'host', 'region', 'version', 'state'], rows }],
        buttons: [],
      },
    }
  },
}
