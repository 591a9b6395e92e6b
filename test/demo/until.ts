import { setTimeout as delay } from 'node:timers/promises'

/** Asks until the answer is true; throws after `ms`. */
export async function until(what: string, ask: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  const end = Date.now() + ms
  while (!(await ask())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await delay(20)
  }
}
