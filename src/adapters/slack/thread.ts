import { z } from 'zod'
import { type Bot, call } from './bot.ts'
import { seenKey } from './find-sent.ts'

/** A card stands under a key such as `R-3/card`. */
const CARD = /^([RA]-\d{1,9})\/card$/
const MOST_REMEMBERED = 1000
const parentSchema = z.object({ ts: z.string(), user: z.string().optional() })

interface Usages {
  name: string
  usage: readonly string[]
}

const tokensOf = (usage: string): string[] => usage.match(/<[^>]*>|\[[^\]]*\]|\S+/g) ?? []
const verbsOf = (token = ''): string[] => token.replace(/[<>]/g, '').split('|')

/**
 * Where the number of a card lacks in a line such as `/approve` or `/alerts ack`: the line for a number of that kind, or undefined
 * when it lacks none. Verbs, and the place of the number behind them, are read off the usage of the commands, such as
 * `<approve|reject> <service or R-number>`. Keyboards of phones begin with a capital.
 */
export function lacking(line: string, commands: readonly Usages[]): ((code: string) => string | undefined) | undefined {
  const [first = '', ...rest] = line.replace(/^\//, '').split(' ').filter(Boolean)
  const word = first.toLowerCase()
  const own = commands.find(({ name }) => name === word)
  const fits = (command: Usages, args: readonly string[], kind?: string) =>
    command.usage.some((usage) => {
      const [verb = '', slot = ''] = tokensOf(usage)
      const code = /\b([RA])-number\b/.exec(slot)?.[1]
      if (code === undefined || (kind !== undefined && kind !== code)) return false
      if (!verbsOf(verb).includes((args[0] ?? '').toLowerCase()) || /-number\b/.test(verb)) return false
      const there = args[1]
      // A service may stand where an R-number may; an A-number is told from a time.
      return there === undefined || there.startsWith('--') || (code === 'A' && !/^(a-?)?\d{1,9}$/i.test(there))
    })
  const others = commands.filter(({ name }) => name !== word)
  const typed = own === undefined ? [first, ...rest] : rest
  const candidates = own === undefined ? commands : [own]
  // `/rollback` is a command as well as a verb.
  const both = own !== undefined && rest.length === 0 && others.some((each) => fits(each, [word]))
  if (!both && !candidates.some((each) => fits(each, typed))) return undefined
  return (code) => {
    const kind = code.slice(0, 1)
    const takes = own?.usage.some((usage) => new RegExp(`\\b${kind}-number\\b`).test(tokensOf(usage)[0] ?? ''))
    if (both && takes) return `/${word} ${code}`
    const command = candidates.find((each) => fits(each, typed, kind))
    if (command === undefined) return undefined
    return [`/${command.name}`, typed[0]?.toLowerCase(), code, ...typed.slice(1)].join(' ')
  }
}

/** The number of the card that heads a thread; undefined when it is none of ours, or nobody can say in time. */
export type CardOf = (
  where: { channel: string; thread: string },
  botUser: string | undefined,
) => Promise<string | undefined>

/** One look for each thread: Slack limits how often it may be asked. */
export function createCardOf(bot: Bot): CardOf {
  const known = new Map<string, string | undefined>()
  return async ({ channel, thread }, botUser) => {
    const id = `${channel}/${thread}`
    if (known.has(id)) return known.get(id)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), bot.timings.refusal)
    })
    const look = call(bot, () =>
      bot.client.conversations.replies({ channel, ts: thread, limit: 1, inclusive: true, include_all_metadata: true }),
    ).then((answer) => {
      if (!answer.ok) {
        bot.log.info({ failure: answer.failure }, 'slack thread not looked at')
        return undefined
      }
      const head = answer.value.messages?.find(({ ts }) => ts === thread)
      const parent = parentSchema.safeParse(head)
      const ours = parent.success && (botUser === undefined || parent.data.user === botUser)
      const code = ours ? CARD.exec(seenKey(head) ?? '')?.[1] : undefined
      known.set(id, code)
      for (const old of known.keys()) {
        if (known.size <= MOST_REMEMBERED) break
        known.delete(old)
      }
      return code
    })
    const code = await Promise.race([look, late])
    clearTimeout(timer)
    return code
  }
}
