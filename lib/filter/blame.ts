/** Which promise a refused call would have needed. */

import { explain } from './explain.js';
import { promisedCalls, type SignalTargets } from '../policy/promises.js';
import type { SeccompCall } from '../policy/seccomp-types.js';
import type { PledgePromise } from '../policy/types.js';
import { PROMISES } from '../policy/vocabulary.js';

/** The first promise that, added to those held, would have allowed the call; undefined where none would. */
export function promiseFor(
  call: SeccompCall,
  held: readonly PledgePromise[],
  signals: SignalTargets = 'any',
): PledgePromise | undefined {
  const options = {
    violation: 'kill-process',
    unknown: 'kill-process',
    foreign: 'kill-process',
    arch: call.arch,
    signals,
  } as const;
  return PROMISES.filter((promise) => promise !== 'error' && !held.includes(promise)).find(
    (promise) => explain(promisedCalls([...held, promise], options), call).action === 'allow',
  );
}
