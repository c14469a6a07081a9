/** Who answers for the calls that a restriction refuses, and what is said where nobody can. */

import { CloisterError } from '../errors.js';
import type { NativeFailure } from '../native/functions.js';
import type { LandlockState, RestrictFunctions } from '../native/restrict-functions.js';
import type { SelfPolicy } from '../policy/parse-restriction.js';
import type { Enforcement } from '../policy/types.js';
import { startWatch, type Watch } from './watch.js';

/** Who answers for refused calls; null where the filter does so by itself, with the reason where somebody was to be told. */
export function watchFor(
  { pledge, seccomp, onViolation }: SelfPolicy,
  native: RestrictFunctions,
  { filters }: LandlockState,
  launcherPath: string,
): { readonly watch: Watch | null; readonly untold: string | null } {
  if ((pledge === null && seccomp === null) || onViolation === 'kill') {
    return { watch: null, untold: null };
  }
  // Under an earlier filter no process can be started, and only one filter has a listener.
  if (filters !== 0) {
    const reason = 'an earlier restriction is in force, and the first decides who is told';
    if (onViolation === 'log') {
      throw cannotLog(reason);
    }
    return { watch: null, untold: reason };
  }
  try {
    return { watch: startWatch(native, launcherPath, onViolation === 'log', pledge), untold: null };
  } catch (error) {
    const reason = 'the process that answers for refused calls cannot be started';
    if (onViolation === 'log') {
      throw cannotLog(reason, error);
    }
    const { syscall, errno } = error as Partial<NativeFailure>;
    if (syscall === undefined) {
      throw error;
    }
    return { watch: null, untold: `${reason} (${syscall}: errno ${String(errno)})` };
  }
}

/** The calls fail all the same: nothing is weaker, and so it is no error. `missing` has it only where the policy accepts less; a warning is for all others. */
export function reportUntold(
  enforcement: Enforcement,
  { onUnsupported }: SelfPolicy,
  reason: string | null,
): Enforcement {
  if (reason === null) {
    return enforcement;
  }
  if (onUnsupported === 'degrade') {
    return { ...enforcement, missing: [...enforcement.missing, { feature: 'onSelfViolation', reason }] };
  }
  process.emitWarning(`onSelfViolation will not be called: ${reason}`, 'CloisterWarning');
  return enforcement;
}

export function cannotLog(reason: string, cause?: unknown): CloisterError {
  return new CloisterError(`cannot enforce onViolation: 'log': ${reason}`, {
    code: 'ERR_CLOISTER_UNSUPPORTED',
    hint: "use 'error', or run the program with spawnIsolated and onViolation: 'log'",
    cause,
  });
}

const EBUSY = -16;

/** The kernel refused the listener. */
export function isTaken(error: unknown): boolean {
  return error instanceof CloisterError && error.stage === 'filter' && error.errno === EBUSY;
}
