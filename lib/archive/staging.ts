/**
 * The directory beside the destination that an archive is unpacked to, and how it becomes the destination. Whoever else may write to the directory above can rename
 * what is made there and put his own in its place at any moment; so everything is done relative to what is held open, and what was just made is looked at before it is used.
 */

import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { basename } from 'node:path';

import { CloisterError, errnoName } from '../errors.js';
import { assertFree, type Destination, exchanged, guarded, openParent } from './destination.js';
import type { HeldDirectory } from './held-directory.js';
import { emptyDirectory } from './remove-tree.js';

const TREE = 'tree';
const OLD = 'old';
const PRIVATE = 0o700;
const SHOWN_NAME = 32;

/** Whoever has it must `remove` it, whether or not it was published. */
export class Staging {
  readonly #destination: Destination;
  readonly #parent: HeldDirectory;
  readonly #name: string;
  readonly #outer: HeldDirectory;
  /** Set where what was at the destination could not be put back: it is all that is left of it. */
  #keepOld = false;
  /** Where the archive is unpacked to: nobody but the caller gets past the directory around it before it has been looked at. */
  readonly tree: HeldDirectory;

  /** @throws CloisterError where the destination is taken or nothing can be made beside it. */
  constructor(destination: Destination) {
    this.#destination = destination;
    const { path } = destination;
    this.#parent = openParent(destination);
    // On the same file system as the destination, so that rename(2) moves it in one step.
    this.#name = `.${basename(path).slice(0, SHOWN_NAME)}.cloister-${randomBytes(6).toString('hex')}`;
    try {
      assertFree(this.#parent, destination);
      this.#outer = this.#makeOuter();
    } catch (error) {
      this.#parent.close();
      throw error;
    }
    try {
      this.tree = guarded(path, () => {
        mkdirSync(this.#outer.at(TREE), PRIVATE);
        return this.#outer.open(TREE);
      });
    } catch (error) {
      this.#removeOuter();
      this.#outer.close();
      this.#parent.close();
      throw error;
    }
  }

  #makeOuter(): HeldDirectory {
    const { path } = this.#destination;
    return guarded(path, () => {
      mkdirSync(this.#parent.at(this.#name), PRIVATE);
      const outer = this.#parent.open(this.#name);
      try {
        // A directory of somebody else would be his to change; one of the caller's that has something in it would be emptied in the end.
        if (outer.stat().uid !== process.geteuid?.() || outer.names().length > 0) {
          throw exchanged(path);
        }
        // Also takes off the set-group-ID bit that a parent may hand down (inode(7)), which would show on every directory below.
        outer.chmod(PRIVATE);
        return outer;
      } catch (error) {
        outer.close();
        throw error;
      }
    });
  }

  /** Makes the tree the destination. rename(2) replaces an empty directory and nothing else, whatever has happened there meanwhile. */
  publish(): void {
    const { path, overwrite } = this.#destination;
    const target = this.#parent.at(basename(path));
    const replaced = overwrite && this.#parent.inspect(basename(path)) !== null;
    guarded(path, () => {
      if (replaced) {
        renameSync(target, this.#outer.at(OLD));
        this.#keepOld = true;
      }
      try {
        renameSync(this.#outer.at(TREE), target);
      } catch (error) {
        if (replaced) {
          this.#putBack(target, error);
        }
        throw error;
      }
      this.#keepOld = false;
    });
  }

  #putBack(target: Buffer | string, cause: unknown): void {
    try {
      renameSync(this.#outer.at(OLD), target);
    } catch {
      const { path } = this.#destination;
      const kept = `${this.#outer.realPath()}/${OLD}`;
      throw new CloisterError(`cannot unpack to ${path}: something else took its place; what was there is ${kept}`, {
        path,
        cause,
      });
    }
    this.#keepOld = false;
  }

  /** Everything that is left of it: all, if it was not published. @throws CloisterError */
  async remove(): Promise<void> {
    try {
      if (!this.#keepOld) {
        await emptyDirectory(this.#outer);
        this.#removeOuter();
      }
    } catch (error) {
      const { errno = 0, syscall } = error as NodeJS.ErrnoException;
      const path = this.#outer.realPath();
      throw new CloisterError(`cannot remove ${path}: ${errnoName(errno)}`, { errno, syscall, path, cause: error });
    } finally {
      this.tree.close();
      this.#outer.close();
      this.#parent.close();
    }
  }

  /** What is not ours any more at that name stays: somebody has moved ours away, and it is empty. */
  #removeOuter(): void {
    const there = this.#parent.inspect(this.#name);
    const { dev, ino } = this.#outer.stat();
    if (there?.ino === ino && there.dev === dev) {
      rmdirSync(this.#parent.at(this.#name));
    }
  }
}
