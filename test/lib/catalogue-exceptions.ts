/*
 * What the scanner finds and nobody translates, each with the reason, and what is translated although no literal in the code is
 * like it. Reviewed by hand: a sentence for people does not belong here.
 */

const TERMINAL = 'read by whoever sets Rollcall up, at the terminal and before anybody has chosen a language'
const NAME = 'a name in a journal or a key of a row'
const CODE = 'a value that code compares with'

/** Files that say nothing to the people in a channel. */
export const SILENT_FILES: Record<string, string> = {
  'src/entry/doctor.ts': TERMINAL,
  'src/entry/enroll.ts': TERMINAL,
  'src/entry/http/client.ts': TERMINAL,
  'src/release/config.ts': TERMINAL,
  'src/release/policy-config.ts': TERMINAL,
  'src/access/config.ts': TERMINAL,
  'src/access/audit-chain.ts': TERMINAL,
  'src/access/audit-head.ts': TERMINAL,
  'src/access/audit-key.ts': TERMINAL,
  'src/access/tokens.ts': TERMINAL,
  'src/knowledge/knowledge.ts': TERMINAL,
  'src/adapters/sqlite/lock.ts': TERMINAL,
  'src/adapters/sqlite/schema.ts': TERMINAL,
  'src/lib/redact.ts': TERMINAL,
  'src/entry/http/security.ts': 'header values',
}

export const SILENT: Record<string, string> = {
  'decision {}': NAME,
  'approvals {} {}': NAME,
  '{} by {}': NAME,
  '{}/again {}': NAME,
  'again {}': NAME,
  'rolled back': NAME,
  ', round {}': NAME,
  'roll back {}, attempt {}': NAME,
  '{} approved-by {}': 'the audit line on the hosts',
  'Release Preparation - {} {}': 'the title that the specification gives the issue in JSON',
  stale: CODE,
  'few samples': CODE,
  'only NaN': CODE,
  'beyond chance': CODE,
  'too late': CODE,
  'in time': CODE,
  'without the role': CODE,
  ratio: CODE,
  max: 'PromQL',
  quantile: 'PromQL, and a label of Prometheus',
  le: 'a label of Prometheus',
  '|\\+Inf': 'PromQL',
  times: 'part of a sentence about a defect of the code itself',
  upload: CODE,
  'public, max-age=31536000, immutable': 'a header value',
  'Live updates (text/event-stream)': 'the description of the API',
  'Whether the server answers': 'the description of the API',
  "A job's output from a byte offset on": 'the description of the API',
  'The story "{}" was defined after the flows were opened.': 'an error of whoever writes the code',
  'The story "{}" was defined twice.': 'an error of whoever writes the code',
  'The flows were opened before.': 'an error of whoever writes the code',
  'account {}': 'the target in the audit log',
  'token {}': 'the target in the audit log',
  '/release {} {}': 'a command to type',
  '/release <{}> {}': 'a command to type',
  '/status {}': 'a command to type',
  'done {}': 'a state that code compares with',
  '{}, from {}': 'two texts of their own',
  'HTTP {}': 'the same in every language',
  'Next: {}': 'two texts of their own, which translate() takes apart',
  '{} Next: {}.': 'two texts of their own, which translate() takes apart',
  'Held: {} Next: {} {}': 'as `Held: {} Next: {}`: what follows is taken apart',
}

/** Clauses that never stand alone: the catalogue has the sentences that they are put into. */
export const PARTS: Record<string, string> = {
  'no host': 'deploy.ts: Batch {n}: {version} is on no host',
  '1 upgraded host': 'gate.ts: the end of why a gate passed',
  '1 metric is within its limit': 'gate.ts: the beginning of why a gate passed',
  '{} metrics are within their limits': 'gate.ts: the beginning of why a gate passed',
  'error rate: {}': 'gate/errors.ts: {metric}: {why}',
  '{}; no waiting host has data': 'gate: behind the numbers',
  '{}; too few to tell from chance': 'gate/errors.ts: behind the numbers',
  '{}; traffic grew {} times and no host waits to compare with': 'gate/points.ts: behind the numbers',
  '{}, the highest of {} upgraded hosts': 'gate/points.ts: where the value was seen',
  'no current data': 'gate/why.ts: {hosts} has no current data',
  'no series': 'gate/why.ts: {hosts} has no series',
  'no data': 'gate/why.ts: {hosts} has no data',
  'no metric can be judged': 'gate/why.ts: in front of the reasons',
  'goes on': 'issue.ts: behind an offer',
  'observes the batch again': 'issue.ts: behind an offer',
  'goes on without the gate': 'issue.ts: behind an offer',
  'tries the failed hosts again': 'issue.ts: behind an offer',
  'goes on without the failed hosts': 'issue.ts: behind an offer',
  'takes back every changed host': 'issue.ts: behind an offer',
  'stops and leaves hosts as they are': 'issue.ts: behind an offer',
  'They are part of what is approved: once Prometheus has them, {} makes a plan that is watched.':
    'issue.ts: No metrics',
  'no release': 'issue.ts: The way back',
  '{}, {} host at a time': 'issue.ts: The way back',
  '{}, {} hosts at a time': 'issue.ts: The way back',
  'any metric': 'issue.ts: Not enough data yet',
  "{} s behind the metrics database's": 'metrics-clock.ts: the clock of the machine',
  "{} s ahead of the metrics database's": 'metrics-clock.ts: the clock of the machine',
  'artifact URL': 'plan.ts: a line of the difference between two plans',
  'deploy script': 'plan.ts: a line of the difference between two plans',
  'rules of the gate': 'plan.ts: a line of the difference between two plans',
  'no plan': 'rollback.ts: Not rolled back',
  'from its own history': 'thresholds.ts: limits',
  'at the floor, above all of its own history': 'thresholds.ts: limits',
  'as calling other services': 'predict.ts: is tagged',
  'as called by other services': 'predict.ts: is tagged',
  'the keys of the SSH agent': 'connect.ts: user was refused with',
  'none that was asked for': 'connect.ts: The host key is not known',
}

/**
 * Texts of few words, and a form of each in the catalogue: where a kind of value decides what is said, or where the text is a
 * part of another.
 */
export const FORMS: Record<string, string> = {
  '{} on {}': '{m#} metrics are within their limits on {n#} upgraded hosts',
  '{} upgraded hosts': '{m#} metrics are within their limits on {n#} upgraded hosts',
  'limit {}': 'error rate {value%} on upgraded hosts; limit {limit%}, {n#} requests',
  '{} {} on {}{}; {}{} samples': '{metric!} {value%} on {host^}; limit {limit%}, {n#} samples',
  '{} to {}': '{hosts~} {has|have} {n#} to {to#} of {m#} samples needed',
  '{} pressed {}{}': '{by^} pressed {order} too late: {why*}',
  'quantile {}': 'quantile {q^}, from {what*}',
  '{} runs': '{host^} runs: {before} → {after}',
  'limits {}: {}': 'limits from its own history: {summary*}',
  '{} {} in {} s.': '{host^} ({address^}) {what*} in {n#} s.',
  'the key {}': 'user {user^} was refused with the key {key}',
}

/** Put together where the scanner sees only the parts. */
export const COMPOSED: Record<string, string> = {
  '{n#} {state!}': 'issue.ts: summary',
  '{state!}: {why*}': 'issue.ts: hostRow; decision.ts: the steps',
  '{subject^}: {why*}': 'scene.ts: reasons; deploy.ts: tellFailure; the stage of a job',
  'artifact: {before} → {after}': 'plan.ts: planDifference',
  'recipe: {before} → {after}': 'plan.ts: planDifference',
  'batches: {before} → {after}': 'plan.ts: planDifference',
  'thresholds: {before} → {after}': 'plan.ts: planDifference',
  '{host^} runs: {before} → {after}': 'plan.ts: planDifference',
  '{metric!}: {why*}': 'gate/why.ts: summarise',
  '{metric!}, {second!}: {why*}': 'gate/why.ts: summarise',
  '{metric!}, {second!}, {third!}: {why*}': 'gate/why.ts: summarise',
  '{metric!}, {second!}, {third!}, {fourth!}: {why*}': 'gate/why.ts: summarise',
  '/{name^}: {summary*}': 'command.ts: usageOf',
  '/status <host>': 'command.ts: usageOf',
  '/help <command>': 'command.ts: usageOf',
  '{why*} (and {n#} more refusals before)': 'guard.ts: behind any reason',
  '{host^} ({address^}) {what*}.': 'ssh/connect.ts: nameOf and what happened',
  '{host^} ({address^}): {what*}.': 'ssh/connect.ts: nameOf and what happened',
  '{host^} ({address^}) {what*} in {n#} s.': 'ssh/connect.ts: nameOf and what happened',
}
