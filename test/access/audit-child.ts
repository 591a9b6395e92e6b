/** One of several processes that write one audit log: so many entries, then what it makes of the chain, as JSON on its output. */
import { createAudit } from '../../src/access/audit.ts'
import { createAuditHeads } from '../../src/access/audit-head.ts'
import { agreeOnAuditKey, auditKey } from '../../src/access/audit-key.ts'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { createLog } from '../../src/lib/log.ts'

const [database = '', folder = '', name = '', count = '0'] = process.argv.slice(2)
const log = createLog({ level: 'silent' })
const store = await createSqliteStore({ folder: database })
const key = await auditKey(folder, process.env)
await agreeOnAuditKey(store, key)
const heads = createAuditHeads({ folder, key, store, log, everyMs: 20 })
const audit = createAudit({ store, key, clock: () => new Date(), log, heads })
let written = 0
for (let n = 0; n < Number(count); n++) {
  const action = 'release.request'
  if (await audit.note({ who: name, from: { surface: 'test' }, action, target: `${n}`, result: 'done' })) written++
}
await audit.flush()
const verdict = await audit.verify()
process.stdout.write(JSON.stringify({ written, stands: await audit.stands(), ok: verdict.ok }))
await store.close()
