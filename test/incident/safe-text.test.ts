import { expect, test } from 'vitest'
import { safeText } from '../../src/incident/safe-text.ts'
import { createRedactor } from '../../src/lib/redact.ts'

const redact = createRedactor(['s3cret-canary']).text
const known = ['https://github.com/acme/shop/', 'http://prometheus:9090/', 'web-1.acme.com', '10.0.0.1']

test.each([
  ['a picture that loads', '![x](https://evil.example/p.png?d=1)', 'x ([link-removed])'],
  ['a link', '[click](https://evil.example/?q=1) now', 'click ([link-removed]) now'],
  ['an address', 'see https://evil.example/a?b=c, please', 'see [link-removed] please'],
  ['an address without a scheme', 'evil.example/collect?data=abc', '[link-removed]'],
  ['an address of www', 'www.evil.example/x', '[link-removed]'],
  [
    'another scheme',
    'ftp://evil.example and javascript:alert(1) and data:text/html,x',
    '[link-removed] and [link-removed]) and [link-removed]',
  ],
  ['HTML', '<img src=x onerror=alert(1)>text<b>bold</b>', 'textbold'],
  ['a mention of everybody', '<!channel> @here @everyone', ' here everyone'],
  ['a secret', 'the key is s3cret-canary', 'the key is ***'],
  ['a secret with something invisible in it', 'the key is s3cret\u200b-canary', 'the key is ***'],
  [
    'what is known',
    'https://github.com/acme/shop/pull/7 and http://prometheus:9090/graph?g0.expr=up',
    'https://github.com/acme/shop/pull/7 and http://prometheus:9090/graph?g0.expr=up',
  ],
  ['what only begins like it', 'https://github.com/acme/shop-evil/x', '[link-removed]'],
  [
    'plain words',
    '【Summary】\nrate < 5 & x > 3, a/b? file src/a.ts:12',
    '【Summary】\nrate < 5 & x > 3, a/b? file src/a.ts:12',
  ],
  [
    'an address without anything behind it',
    'ask evil.example, or evil.example.',
    'ask [link-removed], or [link-removed]',
  ],
  ['a path on a host', 'see evil.example/leak/host1 and evil.sh/x', 'see [link-removed] and [link-removed]'],
  [
    'data within the name of a host',
    'at c2VjcmV0.evil.example and a.b.evil.dev',
    'at [link-removed] and [link-removed]',
  ],
  ['half a scheme', 'https:evil.example, http:/evil.example/x', '[link-removed] [link-removed]'],
  ['no scheme', '//evil.example and \\\\evil.example/x', '[link-removed] and [link-removed]'],
  ['a user before a host', 'x@evil.example/leak', '[link-removed]'],
  ['a name in another alphabet', 'xn--e1afmkfd.xn--p1ai', '[link-removed]'],
  ['a host in Chinese text', '见evil.example/x。', '见[link-removed]'],
  [
    'a known host with data behind it',
    'web-1.acme.com/leak and s3cr.web-1.acme.com',
    '[link-removed] and [link-removed]',
  ],
  ['a host behind a sign', 'url=evil.example/x,host:evil.dev/y,@evil.example', 'url=[link-removed]'],
  ['an address in upper case', 'EVIL.EXAMPLE/X', '[link-removed]'],
])('text of a model keeps nothing of %s that acts', (_, text, safe) => {
  expect(safeText(text, known, redact, 1000)).toBe(safe)
})

test.each([
  'server.mjs failed, see src/server.ts:12 and main.py, deploy.sh, lib.rs, README.md',
  'v1.2.3, 1.2.3-rc.1, Node 26.1.0, Go 1.25',
  'rate(http_requests_total{instance="10.0.0.1:9100",code=~"5.."}[5m]) / on(host) group_left up > 0.5',
  'web-1.acme.com and web-1.acme.com:9100 and 10.0.0.1:9100/metrics',
  'lodash.merge, @acme/shop, com.acme.shop.Main, java.io.IOException, io.netty.handler, requests.exceptions.ConnectionError',
  'logger.info() and process.env and this.store, req.app',
  'shop.default.svc.cluster.local:8080/healthz, db.internal, prometheus:9090',
  'It failed.It is slow, i.e. at 5 p.m., e.g. here, and/or there. 延迟上升。错误率 8.1 %。',
  'http:8080 and https:443 // a comment',
  '/var/log/app/error.log, a/b.json, config.yaml/values.yaml, package.json, index.html',
])('names that only look like hosts stay: %s', (text) => {
  expect(safeText(text, known, redact, 1000)).toBe(text)
})

test('no text is slow to look through', () => {
  const begun = performance.now()
  for (const piece of ['a.', 'a-', 'a.b/', '//', 'http:', 'a@', '.', 'aa.bb:1'])
    safeText(piece.repeat(20_000 / piece.length), known, redact, 20_000)
  expect(performance.now() - begun).toBeLessThan(3000)
})
