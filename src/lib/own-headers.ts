/**
 * Default headers for the SDK of a model that undo those that `variable` of the environment holds (`Name: value` a line): the SDK
 * would send them to whatever address is configured, and they may be meant for another. `own` are ours.
 */
export function ownHeaders(
  variable: string,
  own: Record<string, string> = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string | null> {
  const headers: Record<string, string | null> = {}
  for (const line of env[variable]?.trim().split('\n') ?? []) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = null
  }
  return { ...headers, ...own }
}
