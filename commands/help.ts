import { type Command, usageOf } from '../src/entry/command.ts'
import { suggestion } from '../src/lib/did-you-mean.ts'

export const help: Command = {
  name: 'help',
  summary: 'what can be typed here',
  usage: ['', '<command>'],
  most: 1,
  action: 'help.read',
  async run({ commands }, { args: [name] }) {
    if (name === undefined) {
      return {
        ok: true,
        text: [...commands.map(usageOf), 'Buttons on the cards do the same with one press.'].join('\n'),
      }
    }
    const wanted = name.replace(/^\//, '').toLowerCase()
    const command = commands.find((each) => each.name === wanted)
    if (command !== undefined) return { ok: true, text: usageOf(command) }
    const names = commands.map((each) => each.name)
    return {
      ok: false,
      text: `There is no command /${wanted.slice(0, 40)}.${suggestion(wanted, names)} Next: type /help.`,
    }
  },
}
