import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Person, personSchema, type Role, roles } from '../../src/access/config.ts'
import { actions, findPerson, mayDo, needPerson, policy } from '../../src/access/policy.ts'

const person = (...of: Role[]): Person => ({ id: 'alice', roles: of, surfaces: {} })

// Written out once more, so that a change of the table is a change of two places.
const expected: Record<Role, string[]> = {
  viewer: ['alerts.read', 'status.read', 'hosts.read', 'help.read', 'people.read'],
  operator: [
    'release.request',
    'release.pause',
    'release.resume',
    'release.promote',
    'release.abort',
    'release.retry',
    'release.skip',
    'release.rollback',
    'incident.acknowledge',
    'incident.diagnose-again',
    'incident.silence',
    'incident.end-silence',
    'alerts.read',
    'status.read',
    'hosts.read',
    'help.read',
    'people.read',
  ],
  approver: [
    'release.approve',
    'release.reject',
    'release.pause',
    'release.abort',
    'release.rollback',
    'release.override-freeze',
    'incident.acknowledge',
    'incident.diagnose-again',
    'incident.silence',
    'incident.end-silence',
    'alerts.read',
    'status.read',
    'hosts.read',
    'help.read',
    'people.read',
    'audit.read',
  ],
  admin: Object.keys(policy),
}

describe('mayDo', () => {
  const cases = roles.flatMap((role) =>
    actions.map((action) => [role, action, expected[role].includes(action)] as const),
  )
  test.each(cases)('%s, %s: %s', (role, action, allowed) => {
    const answer = mayDo(person(role), action)
    expect(answer.ok).toBe(allowed)
    if (!answer.ok)
      expect(answer).toMatchObject({ why: expect.stringContaining(action), next: expect.stringMatching(/.+/) })
  })

  test('several roles add up', () => {
    expect(mayDo(person('viewer', 'approver'), 'release.approve')).toEqual({ ok: true })
    expect(mayDo(person('operator', 'approver'), 'release.request')).toEqual({ ok: true })
  })

  test.each(['release.destroy', 'toString', '__proto__', ''])(
    'the unlisted action %j is refused to an admin too',
    (action) => {
      expect(mayDo(person('admin'), action)).toMatchObject({ ok: false, next: 'type /help' })
    },
  )

  test('nobody without a role may do anything', () => {
    expect(actions.filter((action) => mayDo(person(), action).ok)).toEqual([])
  })
})

describe('findPerson', () => {
  const people = z.array(personSchema).parse([
    { id: 'alice', roles: ['operator'], surfaces: { slack: 'U1', terminal: 'alice' } },
    { id: 'bob', roles: ['approver'], surfaces: { slack: 'U2', console: 'U1' } },
  ])

  test('knows a person by the id of that very surface', () => {
    expect(findPerson(people, 'slack', 'U1')?.id).toBe('alice')
    expect(findPerson(people, 'console', 'U1')?.id).toBe('bob')
    expect(findPerson(people, 'wecom', 'U1')).toBeUndefined()
    expect(findPerson(people, 'slack', 'u1')).toBeUndefined()
    expect(findPerson(people, 'constructor', 'U1')).toBeUndefined()
  })
})

test('needPerson answers with the person or with the nearest id', () => {
  const people = [person('viewer')]
  expect(needPerson(people, 'alice')).toBe(people[0])
  expect(() => needPerson(people, 'alcie')).toThrow(
    expect.objectContaining({ code: 'access.unknown-person', message: expect.stringContaining('Did you mean alice?') }),
  )
})
