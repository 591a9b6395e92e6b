import type { Desk } from '../release/desk.ts'

/** Every morning, by the machine's clock. */
export const AUDIT_HEAD_AT = '0 9 * * *'

/**
 * Posts the head of the audit log into the channel of releases: what people have seen there, nobody takes back together with the
 * database and its key. `rollcall audit --head` holds the log against it. Once for each tick, however often it is called.
 */
export async function postAuditHead(desk: Desk, tick: string): Promise<void> {
  const { entries, head } = await desk.audit.head()
  if (entries === 0) return
  desk.log.info({ entries, head }, 'audit head')
  await desk.chat.put({
    key: `audit-head/${tick}`,
    channel: desk.channel,
    message: {
      title: 'The audit log as it stands',
      tone: 'plain',
      blocks: [
        {
          type: 'text',
          text: 'Whoever keeps this message can prove later that nothing was taken out of the log before it. Next: hold the log against it with the line below.',
        },
        { type: 'code', text: `rollcall audit --entries ${entries} --head ${head}` },
      ],
      buttons: [],
    },
  })
}
