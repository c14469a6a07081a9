/** How a cell ended, told by the first cause. */

import { EndCause } from '../native/functions.js';
import type { OutcomeReason } from '../policy/types.js';

/** What this process did to end the cell. */
export interface EndRequests {
  /** By the AbortSignal, by disposal, or by a kill of the whole cell, whichever came first. */
  first: 'aborted' | 'disposed' | 'killed' | null;
  /** When that was, on the clock of performance.now(). */
  at: number;
  /** Signals sent to the command by kill(). */
  readonly signals: Set<number>;
}

export interface End {
  /** Of EndCause: why the launcher ended the cell. */
  readonly cause: number;
  /** The signal that ended the command. */
  readonly signal: number | null;
  /** When the limit on wall time ran out, on the clock of performance.now(). Infinity: there is none. */
  readonly deadline: number;
}

export function outcomeReason(end: End, requests: EndRequests): OutcomeReason {
  // The launcher's clock runs while this event loop is blocked: a request made after the deadline was too late, whatever was heard of it then.
  const asked = requests.first !== null && requests.at < end.deadline ? requests.first : null;
  if (asked === 'aborted') {
    return 'aborted';
  }
  if (asked === 'disposed') {
    return 'killed';
  }
  if (end.cause === EndCause.wallTime) {
    return 'wall-time';
  }
  // A kill that came after the command's own end did nothing, and the launcher does not name it as the cause.
  if (end.cause !== EndCause.none) {
    return 'killed';
  }
  if (end.signal === null) {
    return 'exited';
  }
  return requests.signals.has(end.signal) ? 'killed' : 'signaled';
}
