import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type Behaviour, versions } from '../../src/demo/artifacts.ts'
import { type Member, tarOf } from '../adapters/ssh/kit.ts'

/** What the server does with one version; everything but the body has a plain default. */
export interface Package {
  body: Buffer
  /** What the .sha256 beside it says; default: the truth. */
  sha256?: string
  /** Content-Length of HEAD; default: the truth. */
  announced?: number
  /** Answers a GET of the package instead of sending the body. */
  send?: (response: ServerResponse, body: Buffer) => void
}

export interface Packages {
  url: string
  publish(version: string, what: Package): void
  withdraw(version: string): void
  /** GETs of packages so far, `.sha256` files left out. */
  fetched(version: string): number
  close(): Promise<void>
}

export const source = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../src/demo/service/${name}`, import.meta.url)), 'utf8')

/**
 * A package of the sandbox's user-service. `files` replaces or adds some of its files, an empty text leaves one out; each start leaves the version as a
 * line in ~/starts, before anything else.
 */
export function userService(
  version: string,
  options: { behaviour?: Partial<Behaviour>; files?: Record<string, string> } = {},
): Buffer {
  const behaviour = { version, ...versions['v1.0.0'], ...options.behaviour }
  const note = `#!/bin/sh\necho "$(basename "$(cd "$(dirname "$0")/.." && pwd -P)")" >>"$HOME/starts"\n`
  const files: Record<string, string> = {
    'server.mjs': source('server.mjs'),
    'behaviour.json': JSON.stringify(behaviour),
    'bin/common': source('bin/common'),
    'bin/start': source('bin/start'),
    'bin/stop': source('bin/stop'),
    'bin/health': source('bin/health'),
    ...options.files,
  }
  const written = Object.entries(files).filter(([, text]) => text !== '')
  const members = written.map(
    ([name, text]): Member => ({
      name,
      mode: name.startsWith('bin/') ? 0o755 : 0o644,
      text: name === 'bin/start' ? text.replace(/^#!\/bin\/sh\n/, note) : text,
    }),
  )
  return gzipSync(tarOf(members))
}

/** Serves /user-service/user-service-VERSION.tar.gz and its .sha256 on a free port of 127.0.0.1; what it sends is up to the tests. */
export async function startPackages(): Promise<Packages> {
  const published = new Map<string, Package>()
  const gets = new Map<string, number>()
  const server = createServer((request, response) => {
    const [, version = '', sum] =
      /^\/user-service\/user-service-(.+?)\.tar\.gz(\.sha256)?$/.exec(decodeURIComponent(request.url ?? '')) ?? []
    const found = published.get(version)
    if (found === undefined) return void response.writeHead(404).end('no such package\n')
    if (sum !== undefined) {
      const digest = found.sha256 ?? createHash('sha256').update(found.body).digest('hex')
      return void response.end(`${digest}  user-service-${version}.tar.gz\n`)
    }
    if (request.method === 'HEAD') {
      return void response.writeHead(200, { 'content-length': found.announced ?? found.body.length }).end()
    }
    gets.set(version, (gets.get(version) ?? 0) + 1)
    if (found.send !== undefined) return found.send(response, found.body)
    response.writeHead(200, { 'content-length': found.body.length }).end(found.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    publish: (version, what) => void published.set(version, what),
    withdraw: (version) => void published.delete(version),
    fetched: (version) => gets.get(version) ?? 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/**
 * A start that leaves ~/at-start and goes on when ~/go is there: what happens in between is up to the test. A release that
 * has been started once does not wait again.
 */
export const startThatWaits: Record<string, string> = {
  'bin/start': [
    '#!/bin/sh',
    'cd "$(dirname "$0")/.."',
    '[ -e went ] || : >"$HOME/at-start"',
    'while [ ! -e went ]; do [ ! -e "$HOME/go" ] || : >went; sleep 0.05; done',
    'exec bin/begin',
    '',
  ].join('\n'),
  'bin/begin': source('bin/start'),
}
