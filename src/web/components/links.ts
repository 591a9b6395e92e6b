interface Link {
  label: string
  url: string
  /** Where it leads, as the reader should see it: the host that will be asked, in ASCII. */
  host: string
}

/** The links that may be followed: http and https only, without a name or password in front of the host. */
export function safeLinks(items: readonly { label: string; url: string }[]): Link[] {
  return items.flatMap(({ label, url }) => {
    const link = safeUrl(url)
    return link === undefined ? [] : [{ label, url: link.href, host: link.host }]
  })
}

export function safeUrl(text: string | undefined): URL | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const web = url.protocol === 'http:' || url.protocol === 'https:'
  return web && url.username === '' && url.password === '' ? url : undefined
}
