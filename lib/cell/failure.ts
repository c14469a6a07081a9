/** Errors of a command that was not started. */

import { CloisterError, errnoName, setupError } from '../errors.js';
import type { NativeFailure } from '../native/functions.js';
import { launcherHint } from '../native/loader-launcher.js';
import { STAGE_NAMES } from '../native/stages.js';

/** A failed stage, from an event or from what the addon threw. */
export interface StageFailure {
  readonly stage: string;
  /** Negative. */
  readonly errno: number;
  readonly syscall: string;
  /** Path or other object; may be empty. */
  readonly detail: string;
}

const ENOENT = -2;

/** Name of a stage by the number that the native side gives it. */
export function stageName(index: number): string {
  return STAGE_NAMES[index] ?? `stage ${index}`;
}

/** What the stage and the errno suggest to do next; lib/host/advice knows the machine. */
export type Advice = (failure: StageFailure) => string | undefined;

/**
 * ERR_CLOISTER_NOT_FOUND for a command (or its working directory) that is not there, else ERR_CLOISTER_SETUP. `cause` has the code that a system
 * error of Node.js would have.
 */
export function startError(command: string, failure: StageFailure, advice: Advice): CloisterError {
  const name = errnoName(failure.errno);
  const cause = Object.assign(new Error(`${failure.syscall} ${name} ${failure.detail}`.trimEnd()), {
    code: name,
    errno: failure.errno,
    syscall: failure.syscall,
  });
  const hint = advice(failure);
  if (failure.stage === 'exec') {
    return commandError(command, failure, { hint, cause });
  }
  const object = failure.detail === '' ? '' : ` on ${failure.detail}`;
  return setupError({
    operation: `cannot start ${command}: ${failure.syscall}${object}`,
    stage: failure.stage,
    errno: failure.errno,
    syscall: failure.syscall,
    path: failure.detail.startsWith('/') ? failure.detail : undefined,
    hint,
    cause,
  });
}

function commandError(
  command: string,
  failure: StageFailure,
  details: { hint: string | undefined; cause: unknown },
): CloisterError {
  const { errno, syscall, detail } = failure;
  const code = errno === ENOENT ? 'ERR_CLOISTER_NOT_FOUND' : 'ERR_CLOISTER_SETUP';
  const common = { code, stage: 'exec', errno, ...details } as const;
  if (syscall === 'chdir') {
    return new CloisterError(
      `cannot start ${command}: no working directory ${detail} in the cell: ${errnoName(errno)}`,
      { ...common, syscall, path: detail },
    );
  }
  const why = syscall === 'execve (interpreter)' ? ` (its interpreter or dynamic loader is not in the cell)` : '';
  return new CloisterError(`cannot start ${command}: ${errnoName(errno)}${why}`, {
    ...common,
    syscall: `spawn ${command}`,
    path: command,
  });
}

/** A start that failed in this process: a directory or descriptor could not be made, or the launcher not be started. */
export function localStartError(command: string, error: unknown, launcherPath: string): CloisterError {
  const { stage, errno, syscall, detail, path } = error as Partial<NativeFailure> & NodeJS.ErrnoException;
  if (errno === undefined || syscall === undefined) {
    throw error;
  }
  const failure: StageFailure = {
    stage: stageName(stage ?? STAGE_NAMES.indexOf('mounts')),
    errno,
    syscall,
    detail: detail ?? path ?? '',
  };
  return startError(command, failure, () => launcherHint(launcherPath, errno));
}

/** As the AbortError of Node.js, whose class is not public. */
export function abortError(reason: unknown): Error {
  const error = Object.assign(new Error('The operation was aborted', { cause: reason }), { code: 'ABORT_ERR' });
  error.name = 'AbortError';
  return error;
}
