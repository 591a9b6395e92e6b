import { MongoServerError, MongoWriteConcernError } from 'mongodb'
import { expect, test } from 'vitest'
import { confirm, type ReadOptions } from '../../../src/adapters/mongo/confirm.ts'
import { isPassing, mongoFault, NotConfirmed } from '../../../src/adapters/mongo/faults.ts'

/** A server that has the write itself, and of which the majority is as said. */
const server =
  (local: boolean, majority: () => boolean) =>
  async ({ readConcern }: ReadOptions) =>
    readConcern === undefined ? local : majority()

test('a write that a majority has is confirmed, one that is not even here is not', async () => {
  expect(await confirm(server(true, () => true))).toBe(true)
  expect(await confirm(server(false, () => false))).toBe(false)
})

test('a write that only the primary has is neither a success nor a loss: it is looked for again, then told', async () => {
  const error = await confirm(server(true, () => false)).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(NotConfirmed)
  expect(isPassing(error)).toBe(true)
  expect(mongoFault(error, 'x')).toMatchObject({
    code: 'store.unavailable',
    retry: true,
    message: expect.stringContaining('No majority'),
  })
})

test('a write-concern error is tried again, and told as what it is', () => {
  const error = new MongoWriteConcernError({ ok: 1, writeConcernError: { code: 64, errmsg: 'timed out' } })
  expect(isPassing(error)).toBe(true)
  expect(mongoFault(error, 'x').message).toContain('No majority')
})

test('a server without this read concern is believed, other errors are not taken for that', async () => {
  const failing = (code: number) =>
    confirm(
      server(true, () => {
        throw new MongoServerError({ message: 'no', code })
      }),
    )
  expect(await failing(148)).toBe(true)
  await expect(failing(13)).rejects.toThrow('no')
})
