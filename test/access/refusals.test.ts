import { describe, expect, test } from 'vitest'
import * as refusals from '../../src/access/refusals.ts'
import { toRefusal } from '../../src/entry/http/refusals.ts'
import { access } from '../../src/lib/catalogue/zh/access.ts'
import { createRedactor } from '../../src/lib/redact.ts'

const { text } = createRedactor(['hunter2-hunter2'])

/** Every refusal there is, as it is sent. */
const said = {
  signInFirst: refusals.signInFirst(),
  signInFailed: refusals.signInFailed(),
  demoOnly: refusals.demoOnly(),
  signInLapsed: refusals.signInLapsed(),
  signInRefused: refusals.signInRefused(),
  unknownAccount: refusals.unknownAccount('00u1234567890ABCDEF'),
  providerAway: refusals.providerAway('login.test', undefined),
  notPermitted: refusals.notPermitted('audit.read needs the role approver; vera has viewer', 'ask someone'),
  otherOrigin: refusals.otherOrigin('https://evil.test'),
  otherHost: refusals.otherHost('evil.test'),
  tooManyTries: refusals.tooManyTries(30),
  openDemo: refusals.openDemo('0.0.0.0'),
} satisfies Record<keyof typeof refusals, Error>

describe('the masking of secrets leaves alone', () => {
  test.each(Object.entries(said))('what %s says and advises', (_name, fault) => {
    const { refusal } = toRefusal(fault)
    expect({ say: text(refusal.say), next: text(refusal.next) }).toEqual({ say: refusal.say, next: refusal.next })
  })

  test('every sentence of signing in and refusing, in English and in Chinese', () => {
    const all = Object.entries(access).flat()
    expect(all.filter((sentence) => text(sentence) !== sentence)).toEqual([])
  })
})
