import { safeLinks } from './links.ts'
import { numbered } from './numbered.ts'

/** Ways out of the console, each with the host that it leads to. What is no web address is shown, but leads nowhere. */
export function Links({ items }: { items: readonly { label: string; url: string }[] }) {
  return (
    <ul className="links">
      {numbered(items).map(({ id, value: item }) => {
        const [link] = safeLinks([item])
        return (
          <li key={id}>{link === undefined ? <span className="muted">{item.label}</span> : <WayOut {...link} />}</li>
        )
      })}
    </ul>
  )
}

/** A link to another site, which learns nothing of this one. */
export function WayOut({ url, label, host }: { url: string; label: string; host: string }) {
  return (
    <a className="way-out" href={url} target="_blank" rel="noopener noreferrer">
      <span>{label}</span> <span className="way-out-host">{host}</span>
      <span aria-hidden="true">↗</span>
    </a>
  )
}
