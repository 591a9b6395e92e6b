import type { HostConfig } from '../../../src/adapters/ssh/config.ts'
import { createSshTarget } from '../../../src/adapters/ssh/index.ts'
import type { Job } from '../../../src/ports/target.ts'

/** A bot in a process of its own, made to be killed: runs one job and prints its state. argv[2] is `{ host, job }`. */
const { host, job } = JSON.parse(process.argv[2] ?? '') as { host: HostConfig; job: Job }
const target = createSshTarget({ hosts: [host] })
process.stdout.write('ready\n')
const state = await target.run(host.id, job, 0, async () => {})
process.stdout.write(`${JSON.stringify(state)}\n`)
await target.close()
