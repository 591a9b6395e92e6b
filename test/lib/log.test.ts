import { describe, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { createRedactor } from '../../src/lib/redact.ts'

function capture(options: Parameters<typeof createLog>[0] = {}) {
  const lines: string[] = []
  const log = createLog({ env: {}, ...options, stream: { write: (line) => void lines.push(line) } })
  return { log, lines, read: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe('createLog', () => {
  test('writes one JSON line per call with time, level, message and fields', () => {
    const { log, lines, read } = capture()
    log.warn({ host: 'web-3', code: 'target.timeout' }, 'deploy failed')
    expect(lines[0]).toMatch(/^\{.*\}\n$/)
    expect(read()[0]).toMatchObject({
      level: 40,
      host: 'web-3',
      code: 'target.timeout',
      msg: 'deploy failed',
      time: expect.stringMatching(/Z$/),
    })
  })

  test('on a terminal lines are plain words, and what people were answered is left out unless it is asked for', () => {
    const { log, lines } = capture({ terminal: true })
    log.info({ command: '/relase' }, 'answered with a fault')
    expect(lines).toEqual([])
    log.warn({ host: 'web-3', lines: 2, said: '\u001b[2J' }, 'deploy failed')
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d WARN deploy failed {2}host=web-3 lines=2 said=\ufffd\[2J\n$/)
    log.error({ err: new Error('hunter2 broke') }, 'unexpected fault')
    expect(lines[1]).toMatch(/ERROR unexpected fault\nError: hunter2 broke\n +at /)
    const asked = capture({ terminal: true, env: { ROLLCALL_LOG: 'info' } })
    asked.log.info('shown')
    expect(asked.lines).toEqual([expect.stringContaining('INFO shown\n')])
    const more = capture({ terminal: true, level: 'debug' })
    more.log.debug('shown')
    expect(more.lines).toHaveLength(1)
  })

  test('on a terminal secrets are masked as well', () => {
    const { log, lines } = capture({ terminal: true, redact: createRedactor(['hunter2hunter2']) })
    log.error({ err: new Error('no hunter2hunter2'), deep: [{ a: 'hunter2hunter2' }] }, 'at hunter2hunter2')
    expect(lines.join('')).toContain('no ***')
    expect(lines.join('')).not.toContain('hunter2hunter2')
  })

  test('masks secrets in message, fields, children and errors, and the line stays JSON', () => {
    const hidden = 'pa"ss\nword'
    const { log, lines, read } = capture({ redact: createRedactor([hidden]) })
    const child = log.child({ from: hidden })
    child.error({ err: new Error(`no ${hidden}`), deep: [{ hidden }], token: 'x' }, `at ${hidden}`)
    expect(lines.join('')).not.toContain(JSON.stringify(hidden).slice(1, -1))
    expect(read()[0]).toMatchObject({ msg: 'at ***', token: '***', from: '***', err: { message: 'no ***' } })
  })

  test('ROLLCALL_LOG sets the level and wins; an unknown level is info', () => {
    const quiet = capture({ level: 'debug', env: { ROLLCALL_LOG: 'error' } })
    quiet.log.warn('not shown')
    quiet.log.error('shown')
    expect(quiet.read()).toMatchObject([{ msg: 'shown' }])
    const unknown = capture({ env: { ROLLCALL_LOG: 'loud' } })
    unknown.log.debug('not shown')
    unknown.log.info('shown')
    expect(unknown.read()).toMatchObject([{ msg: 'shown' }])
  })
})
