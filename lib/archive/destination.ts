/** Where an archive is unpacked to, before anything is made there; and the errors of a place that cannot be used. */

import { constants, homedir } from 'node:os';
import { basename } from 'node:path';

import { CloisterError, errnoName, notFound, policyError } from '../errors.js';
import { dirname, isWithin, join } from '../util/paths.js';
import { HeldDirectory } from './held-directory.js';

const { EEXIST } = constants.errno;

export interface Destination {
  readonly path: string;
  readonly overwrite: boolean;
}

/** The directory above it, held. @throws CloisterError where it is missing, or the destination is a place that must not be replaced. */
export function openParent({ path }: Destination): HeldDirectory {
  refuseInUse(path, path);
  const parent = dirname(path);
  let held: HeldDirectory;
  try {
    // The last name of this one may be a link: it is the caller's own path. With a dot behind it, it is followed.
    held = new HeldDirectory(join(parent, '.'));
  } catch (error) {
    const { errno, syscall } = error as NodeJS.ErrnoException;
    if (errnoName(errno ?? 0) === 'ENOENT') {
      throw notFound('cannot unpack into', parent, { hint: 'create it first', cause: error });
    }
    throw failure(path, { errno, syscall, cause: error });
  }
  try {
    // Links on the way are another name for the same place.
    refuseInUse(join(held.realPath(), basename(path)), path);
  } catch (error) {
    held.close();
    throw error;
  }
  return held;
}

/** Replacing a directory that somebody works in leaves him in one that is gone. */
function refuseInUse(place: string, path: string): void {
  const inUse = isWithin(process.cwd(), place) || isWithin(homedir(), place);
  if (place === '/' || inUse) {
    throw policyError(
      [
        {
          code: 'bad-path',
          path: 'destination',
          message: `${path} holds the working directory or the home directory; name a new one`,
        },
      ],
      'arguments',
    );
  }
}

/** @throws CloisterError where something is at the destination that must not be replaced. */
export function assertFree(parent: HeldDirectory, { path, overwrite }: Destination): void {
  const existing = parent.inspect(basename(path));
  if (existing === null || overwrite) {
    return;
  }
  if (existing.isDirectory()) {
    const directory = guarded(path, () => parent.open(basename(path)));
    const empty = directory.names().length === 0;
    directory.close();
    if (empty) {
      return;
    }
  }
  throw taken(path);
}

/** Errors of the system in words that say what for. */
export function guarded<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    const { errno, syscall } = error as NodeJS.ErrnoException;
    if (errno === undefined || error instanceof CloisterError) {
      throw error;
    }
    const inTheWay = ['EEXIST', 'ENOTEMPTY', 'ENOTDIR'].includes(errnoName(errno));
    throw inTheWay ? taken(path) : failure(path, { errno, syscall, cause: error });
  }
}

interface SystemFailure {
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly cause?: unknown;
}

/** The error of a destination that cannot be made. */
export function failure(path: string, { errno = 0, ...details }: SystemFailure): CloisterError {
  return new CloisterError(`cannot unpack to ${path}: ${errnoName(errno)}`, { errno, path, ...details });
}

/** Somebody who may write to the directory above has put something of his own in the place of what was made there. */
export function exchanged(path: string): CloisterError {
  return new CloisterError(`cannot unpack to ${path}: somebody is exchanging what is made beside it`, {
    path,
    hint: 'choose a destination in a directory that nobody else may write to',
  });
}

function taken(path: string): CloisterError {
  return new CloisterError(`cannot unpack to ${path}: something is there already`, {
    errno: -EEXIST,
    syscall: 'rename',
    path,
    hint: 'name a destination that does not exist, or replace it with overwrite: true (--overwrite)',
  });
}
