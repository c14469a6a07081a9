/** What is wrong with an image, or with what was asked of it. */

import { showName } from '../archive/names.js';
import { CloisterError, errnoName, notFound, policyError } from '../errors.js';

/** The image itself is to blame. `problem` may quote it. */
export function imageError(image: string, problem: string, cause?: unknown): CloisterError {
  return new CloisterError(`cannot use image ${image}: ${showName(problem)}`, {
    code: 'ERR_CLOISTER_ARCHIVE',
    path: image,
    cause,
  });
}

/** The image is whole, but has not what the policy asks for. */
export function choiceError(path: string, message: string): CloisterError {
  return policyError([{ code: 'unknown-value', path, message: showName(message) }]);
}

/** Errors of the system in words that say what for. */
export function guarded<Result>(what: string, path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw systemError(what, path, error);
  }
}

export function systemError(what: string, path: string, error: unknown): unknown {
  const { errno, syscall } = error as NodeJS.ErrnoException;
  if (errno === undefined || error instanceof CloisterError) {
    return error;
  }
  const name = errnoName(errno);
  return name === 'ENOENT' || name === 'ENOTDIR'
    ? notFound(what, path, { errno, cause: error })
    : new CloisterError(`${what} ${path}: ${name}`, { errno, syscall, path, cause: error });
}
