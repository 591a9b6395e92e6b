import { expect, test } from 'vitest'
import { card, createScriptedSender, line, outboxWorld, type ScriptedSender } from './outbox-kit.ts'

const minute = 60_000
const shown = (sender: ScriptedSender) => sender.stands.map(({ key }) => key)

/** A world in which messages can be recorded by a process that dies before it notes them for chat. */
function world() {
  const { store, time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  const unnoted = async (key: string, thread?: string) => {
    const life = await start([])
    await life.put(key, thread === undefined ? card(key) : line(key), thread === undefined ? {} : { thread })
    life.kill()
  }
  return { store, time, start, sender, unnoted }
}

test('a message that was lost after hours of service is shown after the next start', async () => {
  const { time, start, sender, unnoted } = world()
  const first = await start([sender])
  await time.advance(120 * minute)
  first.kill()
  await unnoted('lost')
  await unnoted('reply', 'lost')
  await start([sender])
  await time.advance(1_000)
  expect(shown(sender)).toEqual(['lost', 'reply'])
})

test('so is one that was lost just after a time without service', async () => {
  const { time, start, sender, unnoted } = world()
  const first = await start([sender])
  await time.advance(1_000)
  first.kill()
  await time.advance(120 * minute)
  const second = await start([sender])
  await time.advance(30_000)
  second.kill()
  await unnoted('lost')
  await start([sender])
  await time.advance(1_000)
  expect(shown(sender)).toEqual(['lost'])
})

test('what was posted while the surface was not served is not shown, neither at the next start nor later', async () => {
  const { time, start, sender, unnoted } = world()
  const first = await start([sender])
  await time.advance(5 * minute)
  first.kill()
  await time.advance(60 * minute)
  await unnoted('between')
  await time.advance(60 * minute)
  for (let starts = 0; starts < 3; starts++) {
    const life = await start([sender])
    await time.advance(2 * minute)
    life.kill()
  }
  expect(sender.sent).toEqual([])
})

test('a process that comes back makes up for what it lost, though another one sends', async () => {
  const { time, start, sender, unnoted } = world()
  await start([sender], { exclusive: false })
  await time.advance(10_000)
  await unnoted('lost')
  // Long enough that the holder has written down more than once that it serves.
  await time.advance(5 * minute)
  expect(sender.sent).toEqual([])
  await start([createScriptedSender(time)], { exclusive: false })
  await time.advance(2_000)
  expect(shown(sender)).toEqual(['lost'])
})

test('the record is looked through once at a start, and only where the surface shows something', async () => {
  const { store, time, start, sender } = world()
  const looked: string[] = []
  store.before = (call, key) => {
    if (call === 'last') looked.push(key)
  }
  await start([sender], { exclusive: false, channels: ['#releases', '#elsewhere'] })
  await time.advance(10_000)
  expect(looked).toEqual(['channel/#releases'])
})
