import semver from 'semver'
import { Fault } from './fault.ts'

// The safe set is that of a folder name, a URL path segment and an argument at once: versions become all three.
const safe = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/

/** True for what may be a release version: 1 to 64 characters [A-Za-z0-9._+-], the first a letter or digit, no `..`, not `current`. */
export function isVersion(text: string): boolean {
  // On a host, `current` is the link to the version that runs.
  return safe.test(text) && !text.includes('..') && text !== 'current'
}

/** The version as it was given, or Fault `version.malformed`. */
export function parseVersion(text: string): string {
  if (isVersion(text)) return text
  throw new Fault('version.malformed', {
    say: `${JSON.stringify(text.slice(0, 80))} is not a version: letters, digits and . _ + - only, at most 64, beginning with a letter or digit, without "..", and not "current".`,
    next: 'give the version as it was published, for example v1.2.3',
  })
}

/**
 * -1, 0 or 1 by the precedence of Semantic Versioning 2.0.0 (a leading `v` is ignored, build metadata does not count).
 * Undefined when one of the two is not a semantic version: then only equality of the text says anything.
 */
export function compareVersions(a: string, b: string): -1 | 0 | 1 | undefined {
  const [left, right] = [semver.parse(a), semver.parse(b)]
  return left === null || right === null ? undefined : semver.compare(left, right)
}
