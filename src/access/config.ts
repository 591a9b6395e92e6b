import { z } from 'zod'

export const roles = ['viewer', 'operator', 'approver', 'admin'] as const
export type Role = (typeof roles)[number]

export const surfaces = ['terminal', 'console', 'slack', 'wecom'] as const
export type Surface = (typeof surfaces)[number]

/** Who may request and who may approve a release: for the policy table, and for the check that a release can be approved at all. */
export const requestingRoles: readonly Role[] = ['operator', 'admin']
export const approvingRoles: readonly Role[] = ['approver', 'admin']

/** A person: one id, the roles, and the id under which each surface knows them. */
export const personSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'use lower-case letters, digits and . _ - only, at most 63'),
  name: z.string().min(1).max(100).optional(),
  roles: z.array(z.enum(roles)).min(1, 'give at least one role'),
  surfaces: z.partialRecord(z.enum(surfaces), z.string().min(1).max(200)).default({}),
})

export type Person = z.output<typeof personSchema>
