import { BlockList, isIP } from 'node:net'

/** Where the console listens, and the names that it may be reached by. */
export interface Addresses {
  /** The address to listen on. */
  host: string
  /** The port, once it is known. */
  port: () => number | undefined
  /** The address that people type, when something in front ends TLS: `https://rollcall.example.com`. */
  publicUrl?: string
  /** Further values of the Host header, with or without a port. */
  allowedHosts?: readonly string[]
}

/** 127.0.0.0/8, ::1 and localhost: what only this machine can reach. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '')
  return name === 'localhost' || name === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
}

/** Listening there is listening on every interface. */
function isWildcard(host: string): boolean {
  return ['0.0.0.0', '::', '[::]'].includes(host)
}

/**
 * Whether the address of a direct peer is in the list of addresses and CIDR ranges, so that what it forwards about others is
 * believed. IPv4 within IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
 */
export function trusts(list: readonly string[]): (address: string) => boolean {
  const known = new BlockList()
  for (const each of list) {
    const [address = '', bits] = each.split('/', 2)
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) known.addAddress(address, family)
    else known.addSubnet(address, Number(bits), family)
  }
  return (address) => isIP(address) !== 0 && known.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** `name:port` of every way to this server that needs nothing in front of it. */
function ownHosts({ host, port }: Addresses): string[] {
  const names = ['127.0.0.1', 'localhost', '[::1]']
  const own = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host.toLowerCase()
  if (!isWildcard(host) && !names.includes(own)) names.push(own)
  const number = port()
  if (number === undefined) return []
  // Browsers leave the default port out.
  return names.flatMap((name) => (number === 80 ? [name, `${name}:80`] : [`${name}:${number}`]))
}

/** Whether a Host header names this server. A page of another site that points its own name at us (DNS rebinding) does not. */
export function knownHost(addresses: Addresses, header: string | undefined): boolean {
  if (header === undefined) return false
  const host = header.toLowerCase()
  const known = [
    ...ownHosts(addresses),
    ...(addresses.publicUrl === undefined ? [] : [new URL(addresses.publicUrl).host]),
    ...listedHosts(addresses),
  ]
  return known.includes(host)
}

/** The further names, as they are and with our port. */
function listedHosts({ allowedHosts = [], port }: Addresses): string[] {
  return allowedHosts.map((each) => each.toLowerCase()).flatMap((each) => [each, `${each}:${port()}`])
}

/**
 * Whether an Origin header is that of our own pages: compared whole, scheme and port included. A further name may have TLS in
 * front of it or not: whoever listed it knows, we do not.
 */
export function knownOrigin(addresses: Addresses, header: string): boolean {
  const own = ownHosts(addresses).map((host) => `http://${host}`)
  const listed = listedHosts(addresses).flatMap((host) => [`http://${host}`, `https://${host}`])
  const known = [...own, ...listed, ...(addresses.publicUrl === undefined ? [] : [new URL(addresses.publicUrl).origin])]
  return known.includes(header.toLowerCase())
}
