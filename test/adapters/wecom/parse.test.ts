import { describe, expect, test } from 'vitest'
import { commands } from '../../../commands/index.ts'
import { parseFrame, typedText, withQuoted } from '../../../src/adapters/wecom/parse.ts'

const frame = (body: object): object => ({
  cmd: 'aibot_msg_callback',
  headers: { req_id: 'req-1' },
  body: { msgid: 'm-1', aibotid: 'b', from: { userid: 'ZhangSan' }, ...body },
})
const event = (fields: object, chat: object = { chatid: 'grp', chattype: 'group' }): object =>
  frame({ create_time: 1, msgtype: 'event', event: fields, ...chat })

describe('what people type', () => {
  const group = { chatid: 'grp', chattype: 'group', msgtype: 'text' }
  test.each([
    ['@Rollcall /status', '/status'],
    ['@Rollcall\u200b /status', '/status'],
    ['@Rollcall\u2005/release user-service v1.1.0', '/release user-service v1.1.0'],
    ['@Rollcall ／status', '/status'],
    ['@Rollcall／status', '/status'],
    ['@Rollcall\u00a0release\u00a0user-service\u3000v1.1.0', '/release user-service v1.1.0'],
    ['＠rollcall release approve R-3', '/release approve R-3'],
    ['release approve R-3 @Rollcall', '/release approve R-3'],
    ['@Rollcall', '/help'],
    ['@Rollcall,  help', '/help'],
    ['@Old name of it /status', '/name of it /status'],
    ['@OldName /status', '/status'],
  ])('in a group, %j is %j', (content, line) => {
    expect(parseFrame(frame({ ...group, text: { content } }), 'Rollcall')).toMatchObject({
      kind: 'typed',
      text: line,
      chat: 'grp',
      user: 'ZhangSan',
      id: 'm-1',
      reqId: 'req-1',
    })
  })

  test('a direct message has no mention to take off, and no group', () => {
    const heard = parseFrame(
      frame({ chattype: 'single', msgtype: 'text', text: { content: 'hosts @alice' } }),
      'Rollcall',
    )
    expect(heard).toEqual({ kind: 'typed', id: 'm-1', user: 'ZhangSan', reqId: 'req-1', text: '/hosts @alice' })
  })

  test('a name with signs of a pattern is taken off as it is', () => {
    expect(typedText('@Roll (call)+ /status', { name: 'Roll (call)+', group: true })).toBe('/status')
  })

  test('text beside a picture counts, and what was spoken', () => {
    const mixed = {
      msg_item: [
        { msgtype: 'image', image: { url: 'x' } },
        { msgtype: 'text', text: { content: '@Rollcall /status' } },
      ],
    }
    expect(parseFrame(frame({ ...group, msgtype: 'mixed', mixed }), 'Rollcall')).toMatchObject({ text: '/status' })
    expect(parseFrame(frame({ ...group, msgtype: 'voice', voice: { content: 'status' } }), 'Rollcall')).toMatchObject({
      text: '/status',
    })
  })

  test('a file is none of it, and is no event', () => {
    expect(parseFrame(frame({ ...group, msgtype: 'file', file: {} }), 'Rollcall')).toMatchObject({
      kind: 'other',
      event: false,
    })
  })

  test.each([[undefined], [{}], [{ headers: {} }], [{ headers: { req_id: 'x' }, body: { msgtype: 'text' } }], [null]])(
    'a frame such as %j is not understood, and nothing is thrown',
    (broken) => {
      expect(parseFrame(broken, 'Rollcall')).toBeUndefined()
    },
  )
})

describe('events', () => {
  const click = { card_type: 'button_interaction', event_key: 'press_1', task_id: 'task-1' }
  test('a click is nested in the event, as the live service has it', () => {
    const heard = parseFrame(event({ eventtype: 'template_card_event', template_card_event: click }), 'Rollcall')
    expect(heard).toMatchObject({ kind: 'click', key: 'press_1', task: 'task-1', chat: 'grp' })
  })
  test('and flat, as the types of the SDK have it', () => {
    expect(parseFrame(event({ eventtype: 'template_card_event', ...click }), 'Rollcall')).toMatchObject({
      key: 'press_1',
      task: 'task-1',
    })
  })
  test('the nested one counts when both are there', () => {
    const both = {
      eventtype: 'template_card_event',
      template_card_event: click,
      event_key: 'press_2',
      task_id: 'task-2',
    }
    expect(parseFrame(event(both), 'Rollcall')).toMatchObject({ key: 'press_1', task: 'task-1' })
  })
  test('taskid is read as task_id', () => {
    const nested = { card_type: 'button_interaction', event_key: 'press_1', taskid: 'task-1' }
    expect(
      parseFrame(event({ eventtype: 'template_card_event', template_card_event: nested }), 'Rollcall'),
    ).toMatchObject({ task: 'task-1' })
  })
  test('entering, feedback and what nobody knows are told apart', () => {
    const single = { chattype: 'single' }
    expect(parseFrame(event({ eventtype: 'enter_chat' }, single), 'R')).toMatchObject({ kind: 'enter' })
    const feedback = { eventtype: 'feedback_event', feedback_event: { id: 'f-1', type: 2, content: 'bad' } }
    expect(parseFrame(event(feedback), 'R')).toMatchObject({ kind: 'feedback', about: 'f-1', type: '2' })
    expect(parseFrame(event({ eventtype: 'news' }), 'R')).toMatchObject({ kind: 'other', type: 'news', event: true })
  })
  test('a click without a task is no click', () => {
    expect(parseFrame(event({ eventtype: 'template_card_event', event_key: 'x' }), 'R')).toMatchObject({
      kind: 'other',
    })
  })
})

describe('a quoted message', () => {
  const line = (text: string, quote: string): string => withQuoted(text, quote, commands)
  const release = 'R-142 user-service v1.1.0 awaits approval, after A-9'
  const alert = 'A-17 error rate of R-3'
  test.each([
    ['/release approve', release, '/release approve R-142'],
    ['/release retry', release, '/release retry R-142'],
    ['/release approve R-7', release, '/release approve R-7'],
    ['/release approve user-service', release, '/release approve user-service'],
    ['/release', release, '/release'],
    ['/rollback', release, '/rollback R-142'],
    ['/status', release, '/status R-142'],
    ['/alerts', alert, '/alerts A-17'],
    ['/alerts ack', alert, '/alerts ack A-17'],
    ['/alerts ack 4', alert, '/alerts ack 4'],
    ['/alerts silence 2h planned work', alert, '/alerts silence A-17 2h planned work'],
    ['/alerts silence A-4 2h planned work', alert, '/alerts silence A-4 2h planned work'],
    ['/alerts', 'nothing here', '/alerts'],
    ['/help', release, '/help'],
  ])('%s, quoting %j, is %s', (text, quote, expected) => {
    expect(line(text, quote)).toBe(expected)
  })
  test('makes no line that is longer than 10,000 characters', () => {
    const full = `/alerts silence 2h ${'x'.repeat(10_000)}`.slice(0, 10_000)
    const quoted = line(full, alert)
    expect(quoted.startsWith('/alerts silence A-17 2h xxx')).toBe(true)
    expect(quoted).toHaveLength(10_000)
  })
})
