/** The second arguments of functions on filters: plain objects with known members. */

import { type PolicyIssue, policyError } from '../errors.js';
import { describe, unknownWord } from './issues.js';
import { Snapshot } from './snapshot.js';

/**
 * A copy in which getters have run once.
 *
 * @param known the members that there may be
 * @throws ERR_CLOISTER_POLICY for anything but an object with these members
 */
export function readOptions(options: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  const snapshot = new Snapshot();
  const copy = snapshot.take(options === undefined ? {} : options);
  if (snapshot.issues.length === 0 && (typeof copy !== 'object' || copy === null || Array.isArray(copy))) {
    snapshot.issues.push({ code: 'wrong-type', path: '', message: `must be an object, not ${describe(options)}` });
  }
  const issues: PolicyIssue[] = [
    ...snapshot.issues,
    ...Object.keys(Object(copy) as object)
      .filter((key) => snapshot.issues.length === 0 && !known.includes(key))
      .map((key) => ({ code: 'unknown-key', path: key, message: unknownWord('option', key, known) })),
  ];
  if (issues.length > 0) {
    throw policyError(issues, 'option');
  }
  return copy as Record<string, unknown>;
}
