import { parentPort } from 'node:worker_threads'
import { paint } from './paint.ts'
import type { Answer, Order } from './painter.ts'

/** Paints one chart after the other, away from the thread that answers people. */
parentPort?.on('message', ({ id, chart, language }: Order) => {
  let answer: Answer
  try {
    answer = { id, picture: paint(chart, language) }
  } catch (error) {
    answer = { id, why: error instanceof Error ? error.message : String(error) }
  }
  parentPort?.postMessage(answer)
})
