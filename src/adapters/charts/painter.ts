import { Worker } from 'node:worker_threads'
import { Fault } from '../../lib/fault.ts'
import type { ChartSpec, Picture } from '../../ports/pictures.ts'

export interface Order {
  id: number
  /** Bounded and cleaned. */
  chart: ChartSpec
  language: 'en' | 'zh'
}
export type Answer = { id: number; picture: Picture } | { id: number; why: string }

/** A chart takes a fraction of a second; a painter that is silent for that long is replaced. */
const PATIENCE_MS = 30_000
/** An idle painter gives its memory back (some 60 MB). */
const IDLE_MS = 60_000

export interface Painter {
  paint(chart: ChartSpec, language: 'en' | 'zh'): Promise<Picture>
}

/** Paints in a thread of its own, which lives while there is something to paint and keeps no process alive. */
export function createPainter(start = () => new Worker(new URL('./worker.ts', import.meta.url))): Painter {
  const waiting = new Map<number, { resolve: (picture: Picture) => void; reject: (fault: Fault) => void }>()
  let worker: Worker | undefined
  let orders = 0
  let timer: NodeJS.Timeout | undefined

  const end = (why: string, cause?: unknown) => {
    clearTimeout(timer)
    void worker?.terminate()
    worker = undefined
    const lost = [...waiting.values()]
    waiting.clear()
    for (const { reject } of lost) reject(notDrawn(why, cause))
  }
  const watch = () => {
    clearTimeout(timer)
    const busy = waiting.size > 0
    timer = setTimeout(() => end('It took too long.'), busy ? PATIENCE_MS : IDLE_MS)
    timer.unref()
    if (busy) worker?.ref()
    else worker?.unref()
  }
  const ready = (): Worker => {
    if (worker !== undefined) return worker
    const made = start()
    worker = made
    made.on('message', (answer: Answer) => {
      const order = waiting.get(answer.id)
      waiting.delete(answer.id)
      watch()
      if ('picture' in answer) order?.resolve(answer.picture)
      else order?.reject(notDrawn(answer.why))
    })
    made.on('error', (error) => {
      if (worker === made) end('Its thread failed.', error)
    })
    made.on('exit', () => {
      if (worker === made) end('Its thread ended.')
    })
    return made
  }
  return {
    paint: (chart, language) =>
      new Promise((resolve, reject) => {
        const id = ++orders
        const order: Order = { id, chart, language }
        try {
          ready().postMessage(order)
        } catch (error) {
          return reject(notDrawn('Its thread could not be started.', error))
        }
        waiting.set(id, { resolve, reject })
        watch()
      }),
  }
}

export function notDrawn(why: string, cause?: unknown): Fault {
  return new Fault('picture.not-drawn', {
    say: `The chart could not be drawn: ${why}`,
    next: 'open the graph in Prometheus by the link',
    cause,
  })
}
