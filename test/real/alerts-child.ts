/** The bot as a process that takes alerts: prints its address, and ends with its stdin. Its configuration is the first argument. */
import { createApp, readConfig } from '../../src/app.ts'
import { createLog } from '../../src/lib/log.ts'

const app = await createApp(readConfig(JSON.parse(process.argv[2] ?? '{}') as object), {
  write: () => {},
  log: createLog({ level: 'error' }),
  console: {},
})
await app.start()
process.stdout.write(`${app.url}\n`)
process.stdin.resume().once('end', () => process.exit(0))
