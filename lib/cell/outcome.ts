/** How a cell ended, told by the first cause. */

import { type CellEvent, EndCause } from '../native/functions.js';
import type { OutcomeReason, Usage } from '../policy/types.js';

/** What this process did to end the cell. */
export interface EndRequests {
  /** By the AbortSignal, by disposal, by a kill of the whole cell, or because of too much output, whichever came first. */
  first: 'aborted' | 'disposed' | 'killed' | 'output' | null;
  /** When that was, on the launcher's clock. */
  at: number;
  /** Signals sent to the command by kill(). */
  readonly signals: Set<number>;
}

export interface End {
  /** Of EndCause: why the launcher ended the cell. */
  readonly cause: number;
  /** When that was, on the launcher's clock. */
  readonly causeTime: number;
  /** The signal that ended the command. */
  readonly signal: number | null;
}

/** Limits and rules that the launcher holds. */
const LIMITS: ReadonlyMap<number, OutcomeReason> = new Map([
  [EndCause.wallTime, 'wall-time'],
  [EndCause.cpuTime, 'cpu-time'],
  [EndCause.memory, 'memory'],
  [EndCause.violation, 'violation'],
]);

export function outcomeReason(end: End, requests: EndRequests): OutcomeReason {
  const limit = LIMITS.get(end.cause);
  // The launcher works while this event loop is blocked: a request made after a limit was reached was too late, whatever was heard of it then.
  const asked = requests.first !== null && (limit === undefined || requests.at < end.causeTime) ? requests.first : null;
  if (asked === 'aborted' || asked === 'output') {
    return asked;
  }
  if (asked === 'disposed') {
    return 'killed';
  }
  if (limit !== undefined) {
    return limit;
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

/** `wallTime` instead of the event's: a launcher that was lost has not measured it. */
export function usageOf(ended: Extract<CellEvent, { type: 'ended' }>, wallTime: number): Usage {
  const { userTime, systemTime, peakMemory, processes } = ended;
  const usage: Usage = { wallTime, userTime, systemTime, peakMemory };
  return processes === 0 ? usage : { ...usage, processes };
}
