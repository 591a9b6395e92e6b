import { afterEach, expect, test } from 'vitest'
import { postAuditHead } from '../../src/entry/post-audit-head.ts'
import { translateMessage } from '../../src/lib/catalogue/message.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let t: TestDesk | undefined
afterEach(async () => {
  await t?.close()
  t = undefined
})

test('the head that is posted is the one that the log has, once a tick', async () => {
  t = await testDesk()
  await postAuditHead(t.desk, 'tick/0')
  expect(t.chat.posts.size).toBe(0)
  await t.type('vera', '/release user-service v1.1.0')
  const head = await t.desk.audit.head()
  await postAuditHead(t.desk, 'tick/1')
  await postAuditHead(t.desk, 'tick/1')
  expect(t.chat.posts.size).toBe(1)
  const [post] = [...t.chat.posts.values()]
  if (post === undefined) throw new Error('nothing was posted')
  expect(JSON.stringify(post.message)).toContain(`rollcall audit --entries ${head.entries} --head ${head.head}`)
  expect(await t.desk.audit.verify(head)).toMatchObject({ ok: true })
  expect(JSON.stringify(translateMessage(post.message, 'zh'))).toContain('审计日志')
})
