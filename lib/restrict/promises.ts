/** The promises of a process for itself, as a filter. */

import { unsupported } from '../errors.js';
import type { OnViolation, PledgePromise, SeccompPolicy } from '../policy/types.js';

export function promisePolicy(_promises: readonly PledgePromise[], onViolation: OnViolation): SeccompPolicy {
  throw unsupported(`pledge (onViolation '${onViolation}')`, 'not built into this version of cloister');
}
