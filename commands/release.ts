import { ACTIONS } from '../src/entry/actions.ts'
import { type Command, type CommandAnswer, type CommandContext, usageOf } from '../src/entry/command.ts'
import { suggestion } from '../src/lib/did-you-mean.ts'
import { stale } from '../src/release/answer.ts'
import { actionsNow, type Bound, boundSchema, buttonFor } from '../src/release/button.ts'
import { findRelease } from '../src/release/find.ts'
import type { Release } from '../src/release/release.ts'
import { decideOnce, request } from '../src/release/request.ts'

/** Verbs that may name hosts among those that failed. */
const PER_HOST = ['retry', 'skip']
const VERBS = ['approve', 'reject', 'pause', 'resume', 'promote', 'abort', 'retry', 'skip', 'rollback']

export const release: Command = {
  name: 'release',
  summary: 'prepare a release and ask for its approval, or steer one',
  usage: [
    '<service> <version> [host …]',
    `<${VERBS.join('|')}> <service or R-number>`,
    `<${PER_HOST.join('|')}> <service or R-number> <host …>`,
  ],
  action: 'status.read',
  flags: {
    hosts: '<a,b,…>  only these hosts',
    'override-freeze': ' release in a freeze window; needs a second approver',
  },
  changes({ args: [first, second, ...rest] }) {
    if (first === undefined || second === undefined) return undefined
    const about = rest.join(' ')
    if (VERBS.includes(first)) return { action: `release.${first}`, release: second, about }
    return { action: 'release.request', about: `${first} ${second} ${about}`.trim() }
  },
  form({ args: [service, version, ...rest], flags }, { services, hosts, versions }) {
    if (version !== undefined || (service !== undefined && !services.includes(service))) return undefined
    const newest = service === undefined ? Object.values(versions).flatMap((all) => all.slice(0, 1)) : versions[service]
    const named = [...new Set([...(flags.hosts ?? '').split(','), ...rest])].filter((host) => hosts.includes(host))
    return {
      command: 'release',
      title: 'Request a release',
      fields: [
        {
          kind: 'choice',
          name: 'service',
          label: 'service',
          options: services,
          value: service ?? (services.length === 1 ? services[0] : undefined),
          required: true,
        },
        {
          kind: 'text',
          name: 'version',
          label: 'version',
          required: true,
          most: 100,
          check: 'version',
          ...(newest === undefined || newest.length === 0 ? {} : { hint: newest.slice(0, 3).join(', ') }),
        },
        {
          kind: 'choices',
          name: 'hosts',
          label: 'only these hosts',
          options: hosts,
          ...(named.length === 0 ? {} : { value: named.join(',') }),
          required: false,
        },
        { kind: 'flag', name: 'override-freeze', label: 'release in a freeze window' },
      ],
    }
  },
  async run(context, { args, flags }) {
    const [first, second, ...rest] = args
    if (first !== undefined && VERBS.includes(first) && second === undefined) {
      return { ok: false, text: `/release ${first} which one? Next: /release ${first} <service or R-number>` }
    }
    if (first !== undefined && !VERBS.includes(first) && !isService(context, first)) return neither(context, first)
    if (first === undefined || second === undefined) {
      const services = context.desk.services.map((service) => service.name).join(', ')
      const missing = first === undefined ? '' : `The version is missing: /release ${first} <version>.\n`
      return { ok: false, text: `${missing}${usageOf(release)}\nServices: ${services}` }
    }
    if (VERBS.includes(first)) {
      if (rest.length === 0 || PER_HOST.includes(first)) return steer(context, first, second, rest)
      return {
        ok: false,
        text: `/release ${first} takes a service or an R-number and nothing else; ${rest[0]} was not read. Next: /release ${first} ${second}`,
      }
    }
    const named = (flags.hosts ?? '').split(',').filter((host) => host !== '')
    if (flags.hosts !== undefined && named.length === 0) {
      return {
        ok: false,
        text: '--hosts names no host. Next: name them like --hosts bj-1,sh-1, or leave it out for all.',
      }
    }
    const answer = await request(context.desk, context.person, {
      service: first,
      version: second,
      hosts: [...named, ...rest],
      overrideFreeze: flags['override-freeze'] !== undefined,
      channel: context.channel,
      origin: context.origin,
    })
    return answer
  },
}

function isService({ desk }: CommandContext, name: string): boolean {
  return desk.services.some((service) => service.name === name)
}

/** The first word is a service or a verb; which of them was meant, nobody knows. */
function neither({ desk }: CommandContext, word: string): CommandAnswer {
  const services = desk.services.map((service) => service.name)
  const near = suggestion(word, [...VERBS, ...services])
  const some = `${services.slice(0, 20).join(', ')}${services.length > 20 ? ', …' : ''}`
  return {
    ok: false,
    text: `There is no service ${JSON.stringify(word.slice(0, 80))}, and no verb either.${near} Next: begin with a service (${some}) or with a verb (${VERBS.join(', ')})`,
  }
}

/**
 * The command does what the card's button would do now. What it was about when it was first done stays what it is about: done
 * again after a crash, `promote` must not mean the next batch, nor `abort` of a service its next release.
 */
async function steer(
  { desk, person, origin }: CommandContext,
  verb: string,
  which: string,
  named: string[],
): Promise<CommandAnswer> {
  const action = `release.${verb}`
  const act = ACTIONS[action]
  if (act === undefined) throw new Error(`no code for ${action}`)
  const hosts = named.flatMap((word) => word.split(',')).filter((host) => host !== '')
  let misfit: Release | undefined
  const bound = await decideOnce<Bound>(desk, origin, boundSchema.parse, async () => {
    const found = await findRelease(desk, which)
    if (actionsNow(found).includes(action)) {
      return { ...buttonFor(found, action).bound, ...(hosts.length > 0 ? { hosts } : {}) }
    }
    misfit = found
    return undefined
  })
  if (bound !== undefined) return act(desk, bound, person)
  const release = misfit ?? (await findRelease(desk, which))
  const possible = actionsNow(release).map((each) => each.replace('release.', ''))
  const next = possible.length === 0 ? `/status ${release.id}` : `/release <${possible.join('|')}> ${release.id}`
  return { ok: false, text: `/release ${verb} does not fit now. ${stale(release)} Next: ${next}` }
}
