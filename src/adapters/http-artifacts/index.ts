import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { Fault } from '../../lib/fault.ts'
import type { ArtifactSource, Artifacts, FoundArtifact } from '../../ports/artifacts.ts'

/** Checksum files are small; anything larger is something else. */
const CHECKSUM_BYTES = 1_000_000

/**
 * Release packages on HTTP servers. The package itself is only asked for (HEAD); hosts or the upload fetch it later and verify it.
 * `timeoutSeconds` bounds each request.
 */
export function createHttpArtifacts(options: { timeoutSeconds: number }): Artifacts {
  return {
    async find(source: ArtifactSource, version: string): Promise<FoundArtifact> {
      const url = fill(source.url, version)
      const head = await askForHead(url, options.timeoutSeconds)
      if (head.status === 404 || head.status === 410) {
        throw new Fault('artifact.missing', {
          say: `There is no package ${version} at ${url} (HTTP ${head.status}).`,
          next: 'check the version, or publish the package first',
        })
      }
      if (!head.ok) throw unexpected(url, head.status)
      const length = Number(head.headers.get('content-length') ?? Number.NaN)
      return {
        url,
        algorithm: source.checksum.algorithm,
        digest: await checksum(source, version, url, options.timeoutSeconds),
        delivery: source.delivery,
        ...(Number.isFinite(length) && length > 0 ? { sizeBytes: length } : {}),
      }
    },
  }
}

function fill(template: string, version: string): string {
  return template.replaceAll('{version}', encodeURIComponent(version))
}

async function checksum(source: ArtifactSource, version: string, url: string, timeoutSeconds: number): Promise<string> {
  const { checksum: by } = source
  const where = by.by === 'url' ? fill(by.url, version) : by.path.replaceAll('{version}', version)
  const text = /^https?:/.test(where) ? await fetchText(where, timeoutSeconds) : await readText(where)
  const name = basename(new URL(url).pathname)
  const digest = digestIn(text, decodeURIComponent(name), by.algorithm === 'sha256' ? 64 : 32, by.by === 'url')
  if (digest !== undefined) return digest
  throw new Fault('artifact.checksum-malformed', {
    say: `${where} holds no ${by.algorithm} of ${name}.`,
    next: `publish it in the format of ${by.algorithm}sum: <hex>  ${name}`,
  })
}

/** Lines of `<hex>`, `<hex>  <name>` or `<hex> *<name>`; a line with the name wins, a lone digest counts only in a file of one line. */
function digestIn(text: string, name: string, length: number, mayStandAlone: boolean): string | undefined {
  const lines = text
    .split(/\r?\n/)
    .map((line) => /^([0-9a-fA-F]+)(?:\s+\*?(.+))?$/.exec(line.trim()))
    .filter((match) => match?.[1]?.length === length)
  const named = lines.find((match) => match?.[2] !== undefined && basename(match[2]) === name)
  const alone = mayStandAlone && lines.length === 1 && lines[0]?.[2] === undefined ? lines[0] : undefined
  return (named ?? alone)?.[1]?.toLowerCase()
}

async function fetchText(url: string, timeoutSeconds: number): Promise<string> {
  const answer = await ask(url, 'GET', timeoutSeconds)
  if (!answer.ok) {
    throw new Fault('artifact.checksum-unknown', {
      say: `The checksum at ${url} cannot be read (HTTP ${answer.status}).`,
      next: 'publish the checksum beside the package',
    })
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bodyOf(answer, url)) {
    size += chunk.length
    if (size > CHECKSUM_BYTES) {
      throw new Fault('artifact.checksum-malformed', {
        say: `${url} is too large to be a checksum.`,
        next: 'check the URL of the checksum',
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new Fault('artifact.checksum-unknown', {
      say: `The checksum file ${path} cannot be read.`,
      next: 'create it, or correct the path',
      cause,
    })
  }
}

/** HEAD, or the first byte from a server that knows no HEAD. */
async function askForHead(url: string, timeoutSeconds: number): Promise<Response> {
  const head = await ask(url, 'HEAD', timeoutSeconds)
  if (head.status !== 405 && head.status !== 501) return head
  const first = await ask(url, 'GET', timeoutSeconds, { range: 'bytes=0-0' })
  await first.body?.cancel()
  const total = /\/(\d+)$/.exec(first.headers.get('content-range') ?? '')?.[1]
  const length = first.status === 206 ? total : first.headers.get('content-length')
  return new Response(null, {
    status: first.status === 206 ? 200 : first.status,
    headers: length ? { 'content-length': length } : {},
  })
}

/** The body, whose breaking off is a fault of the server and not of ours. */
async function* bodyOf(answer: Response, url: string): AsyncGenerator<Uint8Array> {
  try {
    yield* answer.body ?? []
  } catch (cause) {
    throw new Fault('artifact.unreachable', {
      say: `The answer of ${url} broke off.`,
      next: 'check the server, then request the release again',
      retry: true,
      cause,
    })
  }
}

async function ask(
  url: string,
  method: 'HEAD' | 'GET',
  timeoutSeconds: number,
  headers: Record<string, string> = {},
): Promise<Response> {
  try {
    return await fetch(url, { method, headers, redirect: 'follow', signal: AbortSignal.timeout(timeoutSeconds * 1000) })
  } catch (cause) {
    throw new Fault('artifact.unreachable', {
      say: `The artifact server of ${url} did not answer within ${timeoutSeconds} s.`,
      next: 'check the server, then request the release again',
      retry: true,
      cause,
    })
  }
}

function unexpected(url: string, status: number): Fault {
  return new Fault('artifact.unreachable', {
    say: `The artifact server answered HTTP ${status} for ${url}.`,
    next: 'check the server, then request the release again',
    retry: status >= 500,
  })
}
