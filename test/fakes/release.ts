import type { Release } from '../../src/release/release.ts'

/** A release of two hosts in two batches, as its document looks in the middle of a rollout. */
export function aRelease(more: Partial<Release> = {}): Release {
  const host = { version: 'v1.0.0', before: 'v1.0.0', attempt: 0 }
  return {
    id: 'R-7',
    token: 't',
    flow: 'R-7',
    service: 'user-service',
    candidate: 'v1.1.0',
    current: 'v1.0.0',
    requester: 'alice',
    channel: '#releases',
    createdAt: '2026-01-01T00:00:00.000Z',
    startedAt: '2026-01-01T00:10:00.000Z',
    only: [],
    overrideFreeze: false,
    state: { at: 'rolling out', batch: 1, doing: 'deploying', since: '2026-01-01T00:10:00.000Z' },
    turn: 3,
    approvalsNeeded: 1,
    approvals: [{ by: 'bob', at: '2026-01-01T00:09:00.000Z' }],
    steps: [],
    risks: [{ type: 'memory_leak', mitigation: 'restart', source: 'knowledge/memory-leak.md', why: 'holds' }],
    metrics: [],
    plan: {
      service: 'user-service',
      candidate: 'v1.1.0',
      artifact: { url: 'http://a/x.tar.gz', algorithm: 'sha256', digest: 'a'.repeat(64), delivery: 'host' },
      scriptDigest: 'b'.repeat(64),
      recipe: {
        service: 'user-service',
        root: '/opt/releases/user-service',
        run: { by: 'commands', start: ['bin/start'], stop: ['bin/stop'] },
        health: { command: ['bin/health'], timeoutSeconds: 5, passes: 1 },
        commandSeconds: 5,
        keep: 3,
      },
      rules: {
        gate: 'automatic',
        failureBudget: { failed: 0, unreachable: 0 },
        failureLimit: 2,
        interval: 15_000,
        minRequests: 100,
        warmup: 30_000,
        freshSeconds: 60,
      },
      batches: [
        { id: 1, hosts: [{ id: 'bj-1', ip: '10.0.0.1' }], windowSeconds: 600, atOnce: 1 },
        { id: 2, hosts: [{ id: 'sh-1', ip: '10.0.0.2' }], windowSeconds: 900, atOnce: 1 },
      ],
      thresholds: [],
      rollback: { atOnce: 1, versions: { 'bj-1': 'v1.0.0', 'sh-1': 'v1.0.0' } },
    },
    planHash: 'c'.repeat(64),
    epoch: 4,
    hosts: { 'bj-1': { at: 'pending', ...host }, 'sh-1': { at: 'pending', ...host } },
    verdicts: [],
    notes: [],
    ...more,
  }
}
