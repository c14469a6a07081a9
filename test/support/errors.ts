/** What a call throws. */

import { CloisterError } from '../../lib/errors.js';

/** The CloisterError that a call throws; fails the test when it throws anything else or nothing. */
export function thrownBy(call: () => unknown): CloisterError {
  try {
    call();
  } catch (error) {
    if (error instanceof CloisterError) {
      return error;
    }
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** `path: code` of each issue. */
export function issuesOf(call: () => unknown): string[] {
  return (thrownBy(call).issues ?? []).map(({ path, code }) => `${path}: ${code}`);
}
