import Table from 'cli-table3'
import pLimit from 'p-limit'
import pico from 'picocolors'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import type { KnowledgeEntry, KnowledgeProblem } from '../knowledge/knowledge.ts'
import { formatDuration } from '../lib/duration.ts'
import { asFault, Fault } from '../lib/fault.ts'
import type { Store } from '../ports/store.ts'
import type { HostFacts, Recipe, Target } from '../ports/target.ts'
import { type Service, selects, toRecipe } from '../release/config.ts'
import { type Check, check, failed } from './doctor-check.ts'
import { checkAlertSources, checkModel, checkTools, type IncidentPatient } from './doctor-incidents.ts'
import { checkSurfaces, type SurfacePatient } from './doctor-surfaces.ts'

export type { Check } from './doctor-check.ts'

/** What is configured, as functions that look at it. Each may throw a Fault, whose words become the line of the table. */
export interface Patient {
  services: Service[]
  hosts: { id: string; ip: string; user?: string; region?: string; labels?: Record<string, string> }[]
  people: Person[]
  target: Pick<Target, 'probe' | 'leave'>
  /** Undefined when none is configured. `find` names the kinds of metrics that a service has, such as CPU and latency. */
  prometheus?: { url: string; answers: () => Promise<void>; find: (service: Service) => Promise<string[]> }
  store: {
    name: string
    open: () => Promise<Pick<Store, 'get' | 'insert' | 'put' | 'close'>>
    freeMb: () => Promise<number>
  }
  knowledge: { folder: string; load: () => Promise<{ entries: KnowledgeEntry[]; problems: KnowledgeProblem[] }> }
  fetch: typeof fetch
  /** What alerts and diagnoses need; left out, none of it is looked at. */
  incidents?: IncidentPatient
  /** The chat services that are configured. */
  surfaces?: SurfacePatient[]
}

export interface DoctorDeps {
  /** Where the configuration came from. */
  source: string
  problems: { path: string; say: string; remedy: string }[]
  warnings: { path: string; say: string; remedy: string }[]
  /** Undefined when the configuration has problems: nothing else can be looked at then. */
  patient?: Patient
  clock: () => Date
  /** How many hosts are probed at once; 16 unless told. */
  atOnce?: number
  /** Milliseconds that one check may take; 60,000 unless told. */
  limitMs?: number
  /** A channel of ours to which every chat service sends one test card. */
  testCard?: string
}

const diskFailMb = 100
const diskWarnMb = 1000
// Metrics and log lines are matched by time: within half a minute a window still means the same to both sides.
const skewWarnSeconds = 30

/** Looks at everything that is configured. Never throws: what goes wrong is a failed check, and one never hides another. */
export async function runDoctor(deps: DoctorDeps): Promise<Check[]> {
  const { patient } = deps
  const line = (status: Check['status']) => (problem: { path: string; say: string; remedy: string }) =>
    check('config', problem.path, status, problem.say, problem.remedy)
  const config = [...deps.problems.map(line('fail')), ...deps.warnings.map(line('warn'))]
  if (deps.problems.length === 0) config.unshift(check('config', deps.source, 'ok', summary(patient)))
  if (patient === undefined) {
    if (deps.testCard === undefined) return config
    const say = 'no test card was sent: the configuration has problems'
    return [...config, check('config', `--test-card ${deps.testCard}`, 'fail', say, 'correct them first')]
  }
  const limit = pLimit(deps.atOnce ?? 16)
  const limitMs = deps.limitMs ?? 60_000
  const guard = (area: Check['area'], subject: string, look: () => Promise<Check[]>): Promise<Check[]> =>
    within(limitMs, subject, look).catch((error) => [failed(area, subject, error)])
  const groups = await Promise.all([
    ...patient.hosts.map((host) => limit(() => guard('host', host.id, () => checkHost(patient, host)))),
    guard('prometheus', patient.prometheus?.url ?? 'prometheus', () => checkPrometheus(patient)),
    guard('store', patient.store.name, () => checkStore(patient, deps.clock)),
    ...patient.services.map((service) => guard('artifacts', service.name, () => checkArtifacts(patient, service))),
    guard('knowledge', patient.knowledge.folder, () => checkKnowledge(patient)),
    ...incidentLooks(patient).map(([area, look]) => guard(area, area, look)),
    ...surfaceLooks(patient, deps.testCard).map(([area, look]) => guard(area, area, look)),
  ])
  await patient.target.leave(patient.hosts.map((host) => host.id)).catch(() => undefined)
  return [...config, ...groups.flat(), ...checkPeople(patient)]
}

function incidentLooks({ incidents, fetch: get }: Patient): [Check['area'], () => Promise<Check[]>][] {
  if (incidents === undefined) return []
  return [
    ['alerts', () => checkAlertSources(incidents, get)],
    ['model', () => checkModel(incidents)],
    ['tools', () => checkTools(incidents)],
  ]
}

/** One look per service, so that one that hangs does not hide the others. */
function surfaceLooks(patient: Patient, testCard: string | undefined): [Check['area'], () => Promise<Check[]>][] {
  const { surfaces = [], people } = patient
  if (surfaces.length === 0) return [['config', () => checkSurfaces([], people, testCard)]]
  return surfaces.map((each) => [each.surface, () => checkSurfaces([each], people, testCard)])
}

/** 0 when nothing failed; warnings are no failure. */
export function doctorExitCode(checks: readonly Check[]): 0 | 1 {
  return checks.some((each) => each.status === 'fail') ? 1 : 0
}

/** The checks as a table, a row each, and one closing sentence. */
export function renderDoctor(checks: readonly Check[], color: boolean): string {
  const colors = pico.createColors(color)
  const paint = { ok: colors.green, warn: colors.yellow, fail: colors.red }
  const table = new Table({
    head: ['', 'what', 'found', 'what to do'],
    colWidths: WIDTHS,
    wordWrap: true,
    style: { head: [], border: [] },
  })
  for (const { area, subject, status, say, remedy } of checks)
    table.push([paint[status](status), `${area}\n${whole(subject, 1)}`, whole(say, 2), whole(remedy, 3)])
  const count = (status: Check['status']): number => checks.filter((each) => each.status === status).length
  return `${table.toString()}\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed.\n`
}

// A fingerprint with a full stop fits into the third.
const WIDTHS = [6, 28, 54, 44]

/** The table would cut a word that is longer than its column; paths and fingerprints are of use only as a whole. */
function whole(text: string, column: number): string {
  return text.replace(new RegExp(`\\S{${(WIDTHS[column] ?? 0) - 2}}(?=\\S)`, 'g'), '$&\n')
}

async function checkHost(patient: Patient, host: Patient['hosts'][number]): Promise<Check[]> {
  const services = patient.services.filter((service) => selects(service.hosts, host))
  const recipes = services.length > 0 ? services.map(toRecipe) : [nothing]
  const versions: string[] = []
  let facts: HostFacts | undefined
  const closed: { path: string; root: string }[] = []
  for (const recipe of recipes) {
    facts = await patient.target.probe(host.id, recipe)
    if (services.length === 0) continue
    if (facts.unwritable !== undefined) closed.push({ path: facts.unwritable, root: recipe.root })
    versions.push(`${recipe.service} ${facts.version ?? 'not deployed'} (${facts.state}, epoch ${facts.epoch})`)
  }
  if (facts === undefined) return []
  const { missing, freeDiskMb, clockSkewSeconds } = facts
  const found: Check[] = []
  const add = (status: Check['status'], say: string, remedy: string): void =>
    void found.push(check('host', host.id, status, say, remedy))
  if (missing.length > 0) add('fail', `lacks ${missing.join(', ')}`, `install ${missing.join(', ')} on ${host.id}`)
  for (const { path, root } of closed) {
    const user = host.user ?? 'the user that Rollcall signs in as'
    add('fail', `${user} may not write to ${path}`, `on ${host.id}, let ${user} own ${root}, and what is in it`)
  }
  if (freeDiskMb < diskWarnMb) {
    add(
      freeDiskMb < diskFailMb ? 'fail' : 'warn',
      `has ${Math.round(freeDiskMb)} MB of disk free`,
      `free some disk on ${host.id}, or lower recipe.keep`,
    )
  }
  if (Math.abs(clockSkewSeconds) > skewWarnSeconds) {
    add(
      'warn',
      `its clock is ${Math.round(clockSkewSeconds)} s off`,
      `set the clock of ${host.id}, for example with chrony or systemd-timesyncd`,
    )
  }
  if (services.length === 0)
    add(
      'warn',
      'reachable, but no service is released to it',
      'name it in the hosts selector of a service, or remove it',
    )
  if (found.length > 0) return found
  return [check('host', host.id, 'ok', `${versions.join(', ')}; ${(freeDiskMb / 1000).toFixed(1)} GB free`)]
}

async function checkPrometheus({ prometheus, services }: Patient): Promise<Check[]> {
  if (prometheus === undefined) {
    return [
      check(
        'prometheus',
        'prometheus',
        'warn',
        'none is configured: every gate will hold and ask',
        'set prometheus.url in rollcall.yaml',
      ),
    ]
  }
  await prometheus.answers()
  const found = services.map(async (service): Promise<Check> => {
    const kinds = await prometheus.find(service)
    if (kinds.length > 0) return check('prometheus', service.name, 'ok', `has ${kinds.join(', ')}`)
    return check(
      'prometheus',
      service.name,
      'warn',
      'no series found: its gate will hold and ask',
      `name its metrics under red of ${service.name}, or have it scraped`,
    )
  })
  const settled = await Promise.allSettled(found)
  return [
    check('prometheus', prometheus.url, 'ok', 'answers'),
    ...settled.map((each, i) =>
      each.status === 'fulfilled' ? each.value : failed('prometheus', services[i]?.name ?? '', each.reason),
    ),
  ]
}

async function checkStore({ store }: Patient, clock: () => Date): Promise<Check[]> {
  const freeMb = await store.freeMb()
  const disk: Check[] =
    freeMb >= diskWarnMb
      ? []
      : [
          check(
            'store',
            store.name,
            freeMb < diskFailMb ? 'fail' : 'warn',
            `${Math.round(freeMb)} MB of disk free`,
            'free some disk; output and releases are kept there',
          ),
        ]
  let open: Awaited<ReturnType<Patient['store']['open']>>
  try {
    open = await store.open()
  } catch (error) {
    const fault = asFault(error)
    if (fault.code !== 'store.in-use') throw fault
    // A running bot is the usual owner, and then the store works.
    return [
      ...disk,
      check('store', store.name, 'warn', fault.message, 'if that is the running bot, all is well; otherwise stop it'),
    ]
  }
  try {
    const document = { at: clock().toISOString() }
    const row = await open.get('doctor', 'last')
    const wrote =
      row === undefined
        ? await open.insert('doctor', 'last', document)
        : (await open.put('doctor', 'last', document, row.version)) !== undefined
    if (!wrote)
      throw new Fault('doctor.store', {
        say: 'another process writes to the store',
        next: 'stop it, and run doctor again',
      })
  } finally {
    await open.close()
  }
  return [...disk, check('store', store.name, 'ok', `opens and writes, ${(freeMb / 1000).toFixed(1)} GB free`)]
}

async function checkArtifacts(patient: Patient, service: Service): Promise<Check[]> {
  // Any answer of the server will do: which versions it has is not known here.
  const { origin } = new URL(service.artifact.url)
  const started = performance.now()
  try {
    await patient.fetch(origin, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(10_000) })
  } catch {
    return [
      check(
        'artifacts',
        service.name,
        'fail',
        `${origin} does not answer from here`,
        'check the address and the network; the bot reads checksums there',
      ),
    ]
  }
  return [check('artifacts', service.name, 'ok', `${origin} answers in ${formatDuration(performance.now() - started)}`)]
}

async function checkKnowledge({ knowledge }: Patient): Promise<Check[]> {
  const { entries, problems } = await knowledge.load()
  const folder = problems.find(({ path }) => path === knowledge.folder)
  if (folder !== undefined && entries.length === 0) {
    const remedy =
      'create it, or correct knowledge in rollcall.yaml; left out, the knowledge of Rollcall itself is used'
    return [check('knowledge', folder.path, 'warn', `${folder.say}: no risks will be predicted`, remedy)]
  }
  const found = problems.map(({ path, say }) =>
    path === knowledge.folder
      ? check('knowledge', path, 'warn', say, 'remove what is not needed')
      : check('knowledge', path, 'warn', say, 'correct the file; the others are used'),
  )
  if (entries.length === 0) {
    found.push(
      check(
        'knowledge',
        knowledge.folder,
        'warn',
        'holds no usable file: no risks will be predicted',
        'copy the knowledge folder of Rollcall, and add to it',
      ),
    )
  }
  return found.length > 0 ? found : [check('knowledge', knowledge.folder, 'ok', `${entries.length} files`)]
}

function checkPeople({ people, services }: Patient): Check[] {
  const may = (action: string): string[] =>
    people.filter((person) => mayDo(person, action).ok && Object.keys(person.surfaces).length > 0).map(({ id }) => id)
  const [requesters, approvers] = [may('release.request'), may('release.approve')]
  const needed = Math.max(0, ...services.map((service) => service.policy.approvals))
  if (requesters.length === 0)
    return [
      check(
        'people',
        'people',
        'fail',
        'nobody may request a release',
        'give somebody the role operator, with an id on a surface',
      ),
    ]
  const stuck = requesters.filter((id) => approvers.filter((other) => other !== id).length < needed)
  if (stuck.length === 0)
    return [check('people', 'people', 'ok', `${requesters.length} may request, ${approvers.length} may approve`)]
  const say = `what ${stuck.join(', ')} ${stuck.length === 1 ? 'requests' : 'request'} can never be approved: ${needed} other approver${needed === 1 ? ' is' : 's are'} needed`
  return [
    check(
      'people',
      'people',
      stuck.length === requesters.length ? 'fail' : 'warn',
      say,
      'give more people the role approver, with an id on a surface',
    ),
  ]
}

/** Stands for a service on a host that has none; its folder does not exist. */
const nothing: Recipe = {
  service: 'rollcall-doctor',
  root: '/opt/releases/rollcall-doctor',
  run: { by: 'commands', start: ['true'], stop: ['true'] },
  health: { command: ['true'], timeoutSeconds: 5, passes: 1 },
  commandSeconds: 5,
  keep: 2,
}

function summary(patient: Patient | undefined): string {
  return patient === undefined
    ? 'valid'
    : `${patient.services.length} services, ${patient.hosts.length} hosts, ${patient.people.length} people`
}

async function within<T>(ms: number, subject: string, look: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const fault = new Fault('doctor.timeout', {
      say: `${subject} gave no answer within ${formatDuration(ms)}`,
      next: 'check that it is up and reachable from here',
    })
    timer = setTimeout(() => reject(fault), ms)
  })
  try {
    return await Promise.race([look(), late])
  } finally {
    clearTimeout(timer)
  }
}
