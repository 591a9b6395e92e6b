import type { Tone } from '../../ports/console.ts'

/** How each state of a release, host, service, gate or audited action is shown. */
const TONES: Record<string, Tone> = {
  preparing: 'info',
  refused: 'warn',
  'awaiting approval': 'info',
  approved: 'info',
  rejected: 'plain',
  expired: 'plain',
  superseded: 'plain',
  'rolling out': 'info',
  held: 'warn',
  done: 'good',
  'rolling back': 'bad',
  'rolled back': 'bad',
  aborted: 'warn',
  pending: 'plain',
  untouched: 'plain',
  deploying: 'info',
  deployed: 'info',
  observing: 'info',
  healthy: 'good',
  failed: 'bad',
  unreachable: 'bad',
  skipped: 'warn',
  running: 'good',
  stopped: 'warn',
  absent: 'plain',
  pass: 'good',
  fail: 'bad',
  firing: 'bad',
  acknowledged: 'warn',
  resolved: 'good',
  inconclusive: 'warn',
  error: 'bad',
}

/** The tone of a state; plain for a word that is no state. */
export function toneOf(state: string): Tone {
  return TONES[state] ?? 'plain'
}

export function isState(word: string): boolean {
  return Object.hasOwn(TONES, word)
}

/** The state in front of a cell such as `failed: health check timed out`, when it begins with one. */
export function stateIn(cell: string): string | undefined {
  const word = cell.split(':', 1)[0] ?? ''
  return isState(word) ? word : undefined
}
