import { z } from 'zod'

/** `store:` in rollcall.yaml when the state lies in a folder of this machine. */
export const SqliteConfig = z.strictObject({
  kind: z.literal('sqlite'),
  /** Created with mode 0700 when it is missing; relative to the working directory. */
  folder: z.string().min(1).default('.rollcall'),
})

export type SqliteConfig = z.infer<typeof SqliteConfig>
