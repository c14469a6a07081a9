/** The directory beside the destination that an archive is unpacked to, and how it becomes the destination. */

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { basename } from 'node:path';

import { CloisterError, errnoName, notFound, policyError } from '../errors.js';
import { dirname, isWithin, join } from '../util/paths.js';
import { HeldDirectory } from './held-directory.js';

const TREE = 'tree';
const OLD = 'old';
const PRIVATE = 0o700;
const SHOWN_NAME = 32;
const BATCH = 512;
const { ENOENT, EEXIST, ENOTEMPTY, ENOTDIR } = constants.errno;

export interface Destination {
  readonly path: string;
  readonly overwrite: boolean;
}

/** Whoever has it must `remove` it, whether or not it was published. */
export class Staging {
  readonly #destination: Destination;
  readonly #parent: HeldDirectory;
  readonly #name: string;
  readonly #outer: HeldDirectory;
  /** Where the archive is unpacked to: nobody but the caller gets past the directory around it before it has been looked at. */
  readonly tree: HeldDirectory;

  /** @throws CloisterError where the destination is taken or nothing can be made beside it. */
  constructor(destination: Destination) {
    this.#destination = destination;
    const { path } = destination;
    refuseUnsafePlace(destination);
    this.#parent = openParent(path);
    try {
      this.assertFree();
      // On the same file system as the destination, so that rename(2) moves it in one step.
      this.#name = `.${basename(path).slice(0, SHOWN_NAME)}.cloister-${randomBytes(6).toString('hex')}`;
      guarded(path, () => {
        mkdirSync(this.#parent.at(this.#name), PRIVATE);
      });
      this.#outer = this.#parent.open(this.#name);
      // Also takes off the set-group-ID bit that a parent may hand down (inode(7)), which would show on every directory below.
      this.#outer.chmod(PRIVATE);
      mkdirSync(this.#outer.at(TREE), PRIVATE);
      this.tree = this.#outer.open(TREE);
    } catch (error) {
      this.#parent.close();
      throw error;
    }
  }

  /** Of the directory to unpack to, for a mount. */
  get treePath(): string {
    return this.tree.realPath();
  }

  /** @throws CloisterError where something is at the destination that must not be replaced. */
  assertFree(): void {
    const { path, overwrite } = this.#destination;
    const existing = this.#parent.inspect(basename(path));
    if (existing === null || overwrite) {
      return;
    }
    if (existing.isDirectory()) {
      const directory = guarded(path, () => this.#parent.open(basename(path)));
      const empty = directory.names().length === 0;
      directory.close();
      if (empty) {
        return;
      }
    }
    throw taken(path);
  }

  /** Makes the tree the destination. rename(2) replaces an empty directory and nothing else, whatever has happened there meanwhile. */
  publish(): void {
    const { path, overwrite } = this.#destination;
    const target = this.#parent.at(basename(path));
    const replaced = overwrite && this.#parent.inspect(basename(path)) !== null;
    guarded(path, () => {
      if (replaced) {
        renameSync(target, this.#outer.at(OLD));
      }
      try {
        renameSync(this.#outer.at(TREE), target);
      } catch (error) {
        if (replaced) {
          renameSync(this.#outer.at(OLD), target);
        }
        throw error;
      }
    });
  }

  /** Everything that is left of it: all, if it was not published. */
  async remove(): Promise<void> {
    await empty(this.#outer);
    rmdirSync(this.#parent.at(this.#name));
    this.tree.close();
    this.#outer.close();
    this.#parent.close();
  }
}

/**
 * Removes what is in a directory, however deep: what lies two levels down is first moved up, so that neither the length of a path nor the number of descriptors
 * grows with the depth that somebody has chosen.
 */
async function empty(top: HeldDirectory): Promise<void> {
  let moved = 0;
  let done = 0;
  for (let names = top.names(); names.length > 0; names = top.names()) {
    for (const name of names) {
      if (top.inspect(name)?.isDirectory() !== true) {
        unlinkSync(top.at(name));
        continue;
      }
      const directory = openToEmpty(top, name);
      for (const inner of directory.names()) {
        if (directory.inspect(inner)?.isDirectory() === true) {
          // A directory that moves gets another '..', for which it must be writable itself.
          openToEmpty(directory, inner).close();
          renameSync(directory.at(inner), top.at(`.moved-${moved++}`));
        } else {
          unlinkSync(directory.at(inner));
        }
        if (++done % BATCH === 0) {
          await new Promise(setImmediate);
        }
      }
      directory.close();
      rmdirSync(top.at(name));
    }
  }
}

function openToEmpty(directory: HeldDirectory, name: Buffer | string): HeldDirectory {
  chmodSync(directory.at(name), PRIVATE);
  return directory.open(name);
}

function openParent(path: string): HeldDirectory {
  const parent = dirname(path);
  try {
    // The last name of this one may be a link: it is the caller's own path. With a dot behind it, it is followed.
    return new HeldDirectory(join(parent, '.'));
  } catch (error) {
    const { errno, syscall } = error as NodeJS.ErrnoException;
    if (errno === -ENOENT) {
      throw notFound('cannot unpack into', parent, { hint: 'create it first', cause: error });
    }
    throw failure(path, { errno, syscall, cause: error });
  }
}

/** Replacing a directory that somebody works in leaves him in one that is gone. */
function refuseUnsafePlace({ path }: Destination): void {
  const inUse = isWithin(process.cwd(), path) || isWithin(homedir(), path);
  if (path === '/' || inUse) {
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

/** Errors of the system in words that say what for. */
function guarded<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    const { errno, syscall } = error as NodeJS.ErrnoException;
    if (errno === -EEXIST || errno === -ENOTEMPTY || errno === -ENOTDIR) {
      throw taken(path);
    }
    throw errno === undefined ? error : failure(path, { errno, syscall, cause: error });
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

function taken(path: string): CloisterError {
  return new CloisterError(`cannot unpack to ${path}: something is there already`, {
    errno: -EEXIST,
    syscall: 'rename',
    path,
    hint: 'name a destination that does not exist, or replace it with overwrite: true (--overwrite)',
  });
}
