/** pledge and unveil as in OpenBSD's manual: paths are collected first, and take effect together. */

import { parseRestriction } from '../policy/parse-restriction.js';
import type { Enforcement, PledgePromise, UnveilPermissions } from '../policy/types.js';
import { restrictSelf } from './self.js';

/** What unveil() collected, by absolute path. Null: nothing yet. */
let collected: Map<string, string> | null = null;

/**
 * Collects a path and what may be done below it; of several calls for one path the last one counts. Takes effect at pledge(), or at unveil() without
 * arguments. Relative paths are resolved now.
 *
 * @throws ERR_CLOISTER_POLICY for letters other than `rwxc`.
 * @see restrictSelf, which does all of this in one call
 */
export function unveil(path: string, permissions: UnveilPermissions): void;
/**
 * Applies what was collected: nothing else can be opened from now on, in any thread. Without anything collected nothing can be opened at all.
 *
 * @throws as restrictSelf.
 */
export function unveil(): Enforcement;
export function unveil(...args: readonly unknown[]): Enforcement | undefined {
  if (args.length === 0) {
    return applied({ unveil: Object.fromEntries(collected ?? []) });
  }
  const [path, permissions] = args;
  const key = typeof path === 'string' ? path : '';
  const { unveil: entries } = parseRestriction({ unveil: { [key]: permissions } });
  collected ??= new Map();
  for (const entry of entries ?? []) {
    collected.set(entry.path, entry.letters);
  }
  return undefined;
}

/**
 * Gives up all system calls but those that the promises stand for, and applies what unveil() collected.
 *
 * @param promises as text with spaces between, or as an array.
 * @throws as restrictSelf.
 */
export function pledge(promises: string | readonly PledgePromise[]): Enforcement {
  return applied({ pledge: promises, ...(collected === null ? {} : { unveil: Object.fromEntries(collected) }) });
}

function applied(policy: Parameters<typeof restrictSelf>[0]): Enforcement {
  const enforcement = restrictSelf(policy);
  // Not before: an error leaves everything as it was.
  collected = null;
  return enforcement;
}
