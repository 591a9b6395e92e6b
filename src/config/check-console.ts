import type { Parts } from './parts.ts'
import type { Problem } from './problems.ts'

/**
 * What must not be reachable, or could never be used. Who may listen beyond this machine: only a server whose people come by
 * https, as tokens and sessions would otherwise cross the network in the clear. A personal token is always a way in; the sandbox,
 * where one may be anybody, does not listen beyond loopback at all (src/access/refusals.ts, openDemo).
 */
export function checkConsole({ console }: Parts): Problem[] {
  if (console === undefined) return []
  const { host, publicUrl, oidc, trustedProxies } = console
  const problems: Problem[] = []
  if (publicUrl !== undefined && !isSafe(publicUrl)) {
    problems.push({
      path: 'console.publicUrl',
      say: `people would send their tokens to ${new URL(publicUrl).host} in the clear`,
      remedy: 'put something in front that ends TLS, and give its https address',
    })
  } else if (!loopback(host) && !(publicUrl ?? '').startsWith('https:')) {
    problems.push({
      path: 'console.host',
      say: `${host} is reached from other machines, and nothing says that TLS is ended in front of it`,
      remedy: 'set console.publicUrl to the https address that people type, or leave host at 127.0.0.1',
    })
  }
  const everybody = trustedProxies.find((each) => each.endsWith('/0'))
  if (everybody !== undefined) {
    problems.push({
      path: 'console.trustedProxies',
      say: `${everybody} is everybody, so anybody could claim any address`,
      remedy: 'give the addresses of what ends TLS only',
    })
  }
  if (oidc !== undefined && !isSafe(oidc.issuer)) {
    problems.push({
      path: 'console.oidc.issuer',
      say: 'a provider on another machine must be reached by https',
      remedy: 'give its https address',
    })
  }
  return problems
}

/** A provider whose accounts belong to nobody lets nobody in. */
export function strangersOnly({ console, people }: Parts): Problem[] {
  if (console?.oidc === undefined || people.some(({ value }) => value.surfaces.console !== undefined)) return []
  return [
    {
      path: 'console.oidc',
      say: 'nobody has an account of this provider, so nobody can sign in with it',
      remedy: "write each person's `sub` under people, as surfaces: { console: … }; a refused sign-in shows it",
    },
  ]
}

function isSafe(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || loopback(hostname)
}

function loopback(host: string): boolean {
  return /^(localhost|\[?::1\]?|127(\.\d{1,3}){3})$/i.test(host)
}
