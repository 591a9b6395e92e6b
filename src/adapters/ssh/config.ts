import { z } from 'zod'

const id = z
  .string()
  .max(64)
  .regex(/^[a-z0-9][a-z0-9._-]*$/i, 'letters, digits, dot, dash and underscore; the first is a letter or a digit')

export const hostKeySchema = z
  .string()
  .trim()
  .regex(
    /^(?:SHA256:[A-Za-z0-9+/]{43}=?|(?:ssh|ecdsa|rsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}(?: .*)?)$/,
    'an OpenSSH public key line (ssh-ed25519 AAAA...) or a fingerprint (SHA256:...); `rollcall enroll` prints it',
  )

const user = z
  .string()
  .regex(/^[a-z0-9_][a-z0-9._@\\-]*\$?$/i, 'a login name')
  .max(64)

/** Where an SSH server listens and how to sign in. `key` is a path; `agent: true` uses SSH_AUTH_SOCK. */
const endpoint = {
  id,
  ip: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[A-Za-z0-9:][A-Za-z0-9.:_-]*$/, 'an address or a name'),
  port: z.number().int().min(1).max(65535).default(22),
  user,
  key: z.string().min(1).optional(),
  agent: z.boolean().default(false),
  hostKey: hostKeySchema.optional(),
}

const oneWayIn = (value: { key?: string | undefined; agent: boolean }) => (value.key !== undefined) !== value.agent
const oneWayInMessage = { message: 'give either key (a path) or agent: true', path: ['key'] }

/** One jump host. It is dialled directly, and its host key is mandatory as well. */
export const bastionSchema = z.strictObject(endpoint).refine(oneWayIn, oneWayInMessage)

/** One target host. `bastion` is the id of a jump host (or of another host that serves as one). */
export const hostSchema = z
  .strictObject({
    ...endpoint,
    bastion: id.optional(),
    region: z.string().max(64).default(''),
    labels: z.record(z.string().max(64), z.string().max(256)).default({}),
  })
  .refine(oneWayIn, oneWayInMessage)

/** Seconds unless the name says otherwise. */
export const sshOptionsSchema = z.strictObject({
  /** Until the TCP connection stands, or the bastion has opened its channel. */
  connectSeconds: z.number().positive().default(10),
  /** From the TCP connection to the end of authentication. */
  handshakeSeconds: z.number().positive().default(15),
  /** A keepalive is sent after this much silence; the connection is dead when `keepaliveMisses` in a row got no answer. */
  keepaliveSeconds: z.number().positive().default(10),
  keepaliveMisses: z.number().int().positive().default(3),
  /** A short call (probe, look, fence) as a whole, and the opening of a channel. */
  commandSeconds: z.number().positive().default(30),
  /** A followed job says something every 5 s; after this much silence the link counts as lost. */
  silenceSeconds: z.number().positive().default(30),
  /** Added to a job's own timeout, which the host enforces: waiting for the lock, ending the group, the way back. */
  graceSeconds: z.number().positive().default(60),
  /** Waits between attempts to go on following a job whose connection was lost. */
  reconnectSeconds: z.array(z.number().nonnegative()).default([0.5, 1, 2, 4, 8]),
  /** Connections that may be starting at once; more stall the event loop and trip sshd's MaxStartups (10:30:100). */
  startsAtOnce: z.number().int().positive().default(16),
  /** A start waits a random part of this when others are starting too. */
  startJitterMs: z.number().nonnegative().default(20),
  /** A connection without calls is closed after this. */
  idleSeconds: z.number().positive().default(60),
  /** Largest artifact that the bot fetches for an upload. */
  maxArtifactMb: z.number().positive().default(2048),
  /** An artifact download that brings nothing for this long is given up. */
  downloadStallSeconds: z.number().positive().default(30),
})

export type HostConfig = z.infer<typeof hostSchema>
export type BastionConfig = z.infer<typeof bastionSchema>
export type SshOptions = z.infer<typeof sshOptionsSchema>
