import { z } from 'zod'

/** `store:` in rollcall.yaml when the state lies in MongoDB, which several processes may share. */
export const MongoConfig = z.strictObject({
  kind: z.literal('mongo'),
  /** The variable with the connection string (mongodb:// or mongodb+srv://). */
  uriEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, not the address itself')
    .default('MONGODB_URI'),
  database: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,38}$/, 'letters, digits, _ and - only, at most 38')
    .default('rollcall'),
  /** Of this machine: the lock of this process, the key of the audit log and its head. Each process wants its own. */
  folder: z.string().min(1).default('.rollcall'),
})
export type MongoConfig = z.infer<typeof MongoConfig>
