import { find } from './parts.ts'

/** What a sandbox host must have to run deployments; a target host is Linux. */
const required = ['sh', 'flock', 'setsid', 'tar', 'sha256sum'] as const

/** One line that says why sandbox hosts cannot run deployments on this machine, or undefined when they can. */
export function unsupported(
  env: NodeJS.ProcessEnv = process.env,
  platform: string = process.platform,
): string | undefined {
  const lacking = required.filter((program) => find(program, env) === undefined)
  if (platform !== 'linux') {
    const system = platform === 'darwin' ? 'macOS' : platform
    const what = lacking.length > 0 ? `: it lacks ${lacking.join(', ')}` : ''
    return `The sandbox hosts need Linux (flock, setsid, mv -T, /proc); ${system} cannot run deployments on them${what}. Run the demo on Linux or in a Linux container.`
  }
  if (lacking.length === 0) return undefined
  return `The sandbox hosts need ${lacking.join(', ')} on PATH. Get them with: apt-get install util-linux tar coreutils, or your system's packages.`
}
