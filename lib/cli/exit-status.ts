/** Exit statuses of `cloister run`: as shells and timeout(1) have them. */

import { signalNumber } from '../cell/signals.js';
import { CloisterError } from '../errors.js';
import type { Outcome } from '../policy/types.js';

/** Mistakes in the command line of other subcommands. */
export const USAGE = 2;
const WALL_TIME = 124;
/** cloister could not start the command, the command line being wrong included. */
export const NOT_STARTED = 125;
const NOT_EXECUTABLE = 126;
const NO_COMMAND = 127;
const SIGNAL_BASE = 128;
const SIGKILL = 9;
const SIGSYS = 31;
/** SIGRTMIN, by which lib/cell/signals names real-time signals. */
const FIRST_REAL_TIME = 34;

export function statusOfOutcome({ reason, exitCode, signal }: Outcome): number {
  switch (reason) {
    case 'wall-time':
      return WALL_TIME;
    case 'violation':
      return SIGNAL_BASE + SIGSYS;
    case 'cpu-time':
    case 'memory':
    case 'output':
      // Killed for it, or ended before that was noticed: the same either way.
      return SIGNAL_BASE + SIGKILL;
    default:
      // Neither: a command that ended together with its launcher.
      return exitCode ?? SIGNAL_BASE + (signal === null ? SIGKILL : numberOf(signal));
  }
}

export function statusOfError(error: unknown): number {
  // Stage 'exec' has a second cause, a working directory that is not there: that one is no fault of the command.
  if (!(error instanceof CloisterError) || error.stage !== 'exec' || error.syscall?.startsWith('spawn ') !== true) {
    return NOT_STARTED;
  }
  return error.code === 'ERR_CLOISTER_NOT_FOUND' ? NO_COMMAND : NOT_EXECUTABLE;
}

function numberOf(signal: NodeJS.Signals): number {
  const realTime = /^SIGRTMIN\+(\d+)$/u.exec(signal)?.[1];
  return realTime === undefined ? signalNumber(signal) : FIRST_REAL_TIME + Number(realTime);
}

/** The archive is damaged, unsafe, or beyond a limit. */
const REFUSED = 1;

/** `ended`: the signal that this process got, if it did. */
export function statusOfExtractError(error: unknown, ended: NodeJS.Signals | null): number {
  if (ended !== null) {
    return SIGNAL_BASE + numberOf(ended);
  }
  const code = error instanceof CloisterError ? error.code : undefined;
  return code === 'ERR_CLOISTER_ARCHIVE' ? REFUSED : code === 'ERR_CLOISTER_POLICY' ? USAGE : NOT_STARTED;
}
