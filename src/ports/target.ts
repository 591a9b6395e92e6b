/** How a service is put on a host; comes from the configuration and is part of what is approved. */
export interface Recipe {
  service: string
  /** Folder on the host, absolute or below `~/` of the user: <root>/<version>/ per release and <root>/current, a symbolic link. */
  root: string
  /** Commands run in the release's folder as argv, never through a shell; each must return. Or a systemd unit. */
  run: { by: 'commands'; start: string[]; stop: string[] } | { by: 'systemd'; unit: string; sudo: boolean }
  /** An URL that answers 2xx, or an argv that exits 0, on the host itself. `passes` successes in a row within `timeoutSeconds`. */
  health: { url?: string; command?: string[]; timeoutSeconds: number; passes: number }
  /** Seconds that start, and stop, may each take. */
  commandSeconds: number
  /** Releases kept on the host, the current and the previous always among them. */
  keep: number
}

export interface Artifact {
  url: string
  algorithm: 'sha256' | 'md5'
  /** Lower-case hexadecimal. */
  digest: string
  /** `host`: the host downloads it; `upload`: the bot sends it over the SSH connection. */
  delivery: 'host' | 'upload'
}

/** Persisted by the caller before the host is contacted. Two submissions of one key have one effect. */
export interface JobKey {
  release: string
  host: string
  step: string
  attempt: number
}

export interface Job {
  key: JobKey
  /** deploy: fetch, verify, unpack, switch, restart, check. switch: back to a release that lies on the host. remove: stop and drop `current` (a first release is taken back). */
  kind: 'deploy' | 'switch' | 'remove'
  version: string
  /** deploy only. */
  artifact?: Artifact
  recipe: Recipe
  /** The host refuses a job whose epoch is lower than the highest it has seen for the service. */
  epoch: number
  /** sha256 of the script that was approved; the host refuses a script with another. */
  scriptDigest: string
  /** For the audit line on the host: who asked, who approved. */
  by: string
  /** The host ends the job's process group after this. */
  timeoutSeconds: number
}

/** `lost` is ambiguous (the start token is taken, no runner, no result): probe, then a new attempt; never a blind re-run. */
export type JobState =
  | { at: 'new' }
  | { at: 'starting' }
  | { at: 'running' }
  | { at: 'done'; rc: number /** Last words of the script about a failure: `stage: reason`. */; reason?: string }
  | { at: 'orphaned' }
  | { at: 'lost' }
  | { at: 'cancelled' }
  | { at: 'refused'; why: 'epoch' | 'busy' | 'digest' | 'upload'; detail: string }

export interface Output {
  /** Byte offset of the chunk within the job's log. */
  offset: number
  text: string
  /** Bytes on the host that the text stands for. */
  bytes: number
}

export interface HostFacts {
  host: string
  /** What `current` points at; undefined when the service was never deployed there. */
  version?: string
  /** The release before the current one, as recorded on the host. */
  previous?: string
  /** Releases that lie complete on the host. */
  versions: string[]
  state: 'running' | 'unhealthy' | 'stopped' | 'absent'
  freeDiskMb: number
  load1: number
  cpus: number
  /** Programs that the job protocol needs and the host lacks. */
  missing: string[]
  /** A folder (or what stands in its place) that jobs would have to write to and may not; undefined when they may. */
  unwritable?: string
  /** Highest epoch seen for the service; 0 before the first job. */
  epoch: number
  bootId: string
  /** Host clock minus ours, seconds, to about one round trip. */
  clockSkewSeconds: number
}

/**
 * Machines that run services. Faults: `target.unreachable` (retry), `target.host-key-unknown`, `target.host-key-changed`,
 * `target.authentication`, `target.timeout` (retry), `target.protocol`.
 */
export interface Target {
  /** sha256 of the deploy script that this adapter would send. */
  readonly scriptDigest: string
  probe(host: string, recipe: Recipe): Promise<HostFacts>
  /** Submits (idempotent by key) and follows the job to a state other than new, starting or running. Output from byte `from` on. */
  run(host: string, job: Job, from: number, onOutput: (chunk: Output) => Promise<void>): Promise<JobState>
  /**
   * The state of a job and its output from an offset, without starting anything. `root` is the recipe's root; it may be
   * left out only for a job that this process has run itself.
   */
  look(host: string, job: JobKey, from: number, root?: string): Promise<{ state: JobState; output: Output }>
  /** Takes the start token or ends the running group: no later submission of this key passes. `root` as for `look`. */
  cancel(host: string, job: JobKey, root?: string): Promise<JobState>
  /** Raises the host's epoch for a service: lower ones are refused from now on. Idempotent. */
  fence(host: string, recipe: Recipe, epoch: number): Promise<void>
  /** Ends the connections to these hosts; the next call connects anew. */
  leave(hosts: string[]): Promise<void>
  close(): Promise<void>
}
