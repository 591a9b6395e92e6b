const REST = String.raw`[^\s"'\`<>)\]】」]*`
/** A name of at least two labels, with what may stand before and behind it in an address. */
const NAME = new RegExp(
  String.raw`(?<![\w./-])(?:[\w.+-]{1,64}@)?((?:[a-z0-9_](?:[\w-]{0,62})\.){1,12}(?:[a-z]{2,24}|xn--[a-z0-9-]{1,58}))\.?(?![\w-]|\.\w|\()(:\d{1,5}(?![\d.]))?([/?#]${REST})?`,
  'gi',
)
/** `https:evil.example`, `http:/evil.example`, with which browsers put up; not `http:8080`. */
const HALF_SCHEME = new RegExp(String.raw`\b(?:https?|ftp|wss?):(?!\/\/)[/\\]{0,3}(?=[a-z_[]|\d+\.)${REST}`, 'gi')
const NO_SCHEME = new RegExp(String.raw`(?<![\w:/\\])[/\\]{2}(?=[\w-]+(?:\.[\w-]+)+)${REST}`, 'gi')

/** What names of hosts end in and hardly anything else does: removed however they stand. */
const HOSTS = oneOf([
  'com|net|org|edu|gov|mil|int|example|cn|ru|uk|eu|de|fr|jp|kr|br|io|xyz|biz|online|site|website|space|icu',
  'click|link|live|club|vip|shop|cloud|network|host|hosting|press|pw|tk|ga|gq|cf|onion|arpa|co|me|tv|ly|gg',
])
/** What other names end in as well (methods, properties, abbreviations): removed with a path, or with three labels. */
const BOTH = oneOf([
  'ai|app|dev|info|name|test|top|store|tech|page|pages|run|tools|zone|today|world|work|works|email|blog|news',
  'media|in|is|it|at|be|to|so|no|us|id|my|do|by|am|fm|ws|st|la|li|lu|nu|pe|ph|pk|ro|sa|se|sg|si|sk|su|th|tr|tw',
  'ua|ve|vn|za|nl|es|ca|ch|au|ir|il|hk|mx|ar|cl|cz|dk|fi|gr|hu|ie|lt|lv|nz|pt|rs|sh|md|pl|py|cc|ps|mobi|pro',
  'asia|cat|jobs|tel|travel|museum|aero|coop|invalid',
])
/** Ends of file names that are also top-level domains: removed with a path only. */
const FILES = /^(?:rs|sh|md|pl|py|cc|ps|so|zip|mov|bat)$/
/** Those that no name ends in that is turned round. */
const MOST_USED = /^(?:com|net|org|example|cn|ru|io|co|me)$/
/** Names turned round, as of packages: `com.acme.shop`, `io.netty`. */
const REVERSED = /^(?:com|org|net|io|java|javax|jakarta|kotlin|scala|android|dev|cn|de)\./i

/**
 * Takes out addresses that stand without a scheme, which surfaces make into links all the same: names of hosts under a public
 * domain, `//host`, `https:host`. `keep` says which names may stay. Names of files, packages, versions, metrics, methods and
 * hosts without a public domain stay.
 */
export function withoutBareAddresses(text: string, keep: (host: string) => boolean, gone: string): string {
  return text
    .replace(HALF_SCHEME, gone)
    .replace(NO_SCHEME, gone)
    .replace(NAME, (whole: string, host: string, _port: string | undefined, path = '') =>
      isAddress(host, path) && !(keep(host.toLowerCase()) && path === '') ? gone : whole,
    )
}

function isAddress(host: string, path: string): boolean {
  const labels = host.split('.')
  const last = labels.at(-1) ?? ''
  const end = last.toLowerCase()
  if (end.startsWith('xn--')) return true
  const reached = path !== ''
  if (FILES.test(end)) return reached && (labels.length > 2 || !/^\/[\w./-]*\.\w+$/.test(path))
  if (HOSTS.test(end)) return reached || !REVERSED.test(host) || MOST_USED.test(end)
  if (!BOTH.test(end)) return false
  // A sentence that goes on without a space: "it failed.It is".
  if (!reached && /^[A-Z][a-z]+$/.test(last)) return false
  return reached || (labels.length > 2 && !REVERSED.test(host))
}

function oneOf(words: string[]): RegExp {
  return new RegExp(`^(?:${words.join('|')})$`)
}
