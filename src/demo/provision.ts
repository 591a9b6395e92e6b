import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '../lib/fault.ts'
import type { ArtifactFile } from './artifacts.ts'
import type { SandboxHost } from './fleet.ts'
import { remotely } from './remote.ts'

/** Where releases of user-service lie on a host, under its root. */
export const releasesFolder = 'opt/releases/user-service'

/** The digest file is the job protocol's mark of a complete release: without it a bot would not go back to this one. */
const install = `set -e
read -r version
read -r sha256
release="$HOME/${releasesFolder}/$version"
mkdir -p "$release"
tar -xzf - -C "$release"
printf 'sha256:%s\\n' "$sha256" >"$release/.rollcall-digest"
ln -sfn "$version" "$release/../current"
"$release/bin/start"
`

/**
 * What each host is like before the first release by a bot: its settings for user-service in HOME, and one version laid,
 * current and running. Done over SSH, as a bot would. Resolves when every service answers as that version.
 */
export async function provision(
  hosts: SandboxHost[],
  artifact: ArtifactFile,
  options: {
    /** What user-service asks for a share of its requests; nothing when left out. */
    accountStore?: string
  } = {},
): Promise<void> {
  const input = Buffer.concat([Buffer.from(`${artifact.version}\n${artifact.sha256}\n`), await readFile(artifact.file)])
  await Promise.all(
    hosts.map(async (host) => {
      await writeFile(join(host.root, 'user-service.env'), settings(host, options.accountStore))
      const { code, stderr } = await remotely(host, install, input)
      if (code !== 0) throw notUp(host, stderr.trim())
      await healthy(host, artifact.version)
    }),
  )
}

function settings(host: SandboxHost, accountStore = ''): string {
  const quoted = process.execPath.replaceAll("'", `'\\''`)
  return `PORT=${host.servicePort}\nHOST_ID=${host.id}\nNODE='${quoted}'\nACCOUNT_STORE='${accountStore}'\n`
}

/** Waits until the host's service answers as this version. Throws Fault `demo.service` after `ms`. */
export async function healthy(host: SandboxHost, version: string, ms = 15_000): Promise<void> {
  const until = Date.now() + ms
  let seen = 'nothing'
  while (Date.now() < until) {
    try {
      const answer = await fetch(`http://${host.ip}:${host.servicePort}/health`, { signal: AbortSignal.timeout(2000) })
      const { version: running } = (await answer.json()) as { version: string }
      if (running === version) return
      seen = running
    } catch {
      // not yet
    }
    await delay(50)
  }
  throw notUp(host, `it answers as ${seen} instead of ${version} after ${ms} ms`)
}

function notUp(host: SandboxHost, why: string): Fault {
  return new Fault('demo.service', {
    say: `user-service did not start on ${host.id}: ${why}`,
    next: `read ${join(host.root, 'user-service.log')}`,
  })
}
