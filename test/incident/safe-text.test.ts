import { expect, test } from 'vitest'
import { safeText } from '../../src/incident/safe-text.ts'
import { createRedactor } from '../../src/lib/redact.ts'

const redact = createRedactor(['s3cret-canary']).text
const known = ['https://github.com/acme/shop/', 'http://prometheus:9090/']

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
])('text of a model keeps nothing of %s that acts', (_, text, safe) => {
  expect(safeText(text, known, redact, 1000)).toBe(safe)
})
