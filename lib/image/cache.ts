/**
 * Where unpacked images are kept. One folder for each tree, called by a digest of what it was made from; it is made aside and appears by rename(2), complete or not
 * at all. Whoever uses a tree holds a shared lock on it, and it is not removed before nobody does. What a killed process has left aside is removed by the next.
 *
 *   trees/NAME/{lock, image.json, rootfs/}    work/RANDOM/    work/RANDOM.lock    work/NAME.claim    sources/NAME
 */

import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { homedir } from 'node:os';

import { HeldDirectory } from '../archive/held-directory.js';
import { emptyDirectory } from '../archive/remove-tree.js';
import { CloisterError } from '../errors.js';
import { isAbsolute, join } from '../util/paths.js';
import { guarded } from './errors.js';
import { FileLock } from './locks.js';
import { type ImageRecord, readRecord } from './record.js';

const PRIVATE = 0o700;
const OTHERS_WRITE = 0o022;
const TREES = 'trees';
const WORK = 'work';
const SOURCES = 'sources';
const LOCK = 'lock';
/** Names in the folder of a tree. */
export const RECORD_FILE = 'image.json';
export const ROOT_FOLDER = 'rootfs';
const NAME = /^[0-9a-f]{64}$/u;

/** A tree that stays until it is released. */
export interface Lease {
  readonly name: string;
  /** Absolute; the directory that is to be the root. */
  readonly root: string;
  readonly record: ImageRecord;
  readonly release: () => void;
}

/** A tree that is being made, in a work folder, and a shared lock on it. */
export interface Entry {
  readonly path: string;
  readonly lock: FileLock;
}

export class ImageCache {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes its folders, and refuses one that others could put something into. */
  open(): void {
    for (const path of [this.path, ...[TREES, WORK, SOURCES].map((name) => join(this.path, name))]) {
      guarded('cannot make the image cache', path, () => mkdirSync(path, { recursive: true, mode: PRIVATE }));
      const { uid, mode } = statSync(path);
      if (uid !== process.geteuid?.() || (mode & OTHERS_WRITE) !== 0) {
        throw new CloisterError(`cannot use the image cache ${path}: others can write to it`, {
          path,
          hint: 'a cache must belong to the user who runs this, and nobody else may write to it: set XDG_CACHE_HOME',
        });
      }
    }
  }

  /** The tree of that name, if it is there. Waits while somebody looks whether it is in use. @throws AbortError */
  async lease(name: string, signal: AbortSignal | undefined): Promise<Lease | null> {
    const path = this.#tree(name);
    const lock = await FileLock.waitIfThere(join(path, LOCK), signal);
    if (lock === null) {
      return null;
    }
    return this.#lease(name, lock);
  }

  #lease(name: string, lock: FileLock): Lease {
    const path = this.#tree(name);
    try {
      const record = readRecord(join(path, RECORD_FILE));
      if (record === null) {
        throw new CloisterError(`cannot use ${path}: its ${RECORD_FILE} is damaged`, {
          path,
          hint: `remove it: cloister image prune ${name}`,
        });
      }
      return {
        name,
        root: join(path, ROOT_FOLDER),
        record,
        release: () => {
          lock.release();
        },
      };
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Waits for whoever makes this tree, so that it is made once. Call what it returns when it is made. @throws AbortError */
  async claim(name: string, signal: AbortSignal | undefined): Promise<() => void> {
    const path = join(this.path, `${WORK}/${name}.claim`);
    const lock = await FileLock.wait(path, signal);
    return () => {
      unlinkSync(path);
      lock.release();
    };
  }

  /** A new folder for work, which the holder must `remove`. */
  work(): WorkFolder {
    const name = randomBytes(16).toString('hex');
    const lockPath = join(this.path, `${WORK}/${name}.lock`);
    const lock = FileLock.take(lockPath, { exclusive: true, create: true });
    // Somebody who sweeps has taken it for one that was left, before it was locked.
    return lock === null ? this.work() : new WorkFolder(join(this.path, `${WORK}/${name}`), lockPath, lock);
  }

  /** Puts what was made in a work folder (`lock`, which is held, `image.json` and `rootfs`) into its place. */
  publish({ path, lock }: Entry, name: string): Lease {
    try {
      guarded('cannot keep an image in', this.path, () => {
        renameSync(path, this.#tree(name));
      });
    } catch (error) {
      lock.release();
      throw error;
    }
    return this.#lease(name, lock);
  }

  names(): string[] {
    const trees = join(this.path, TREES);
    return lstatSync(trees, { throwIfNoEntry: false }) === undefined
      ? []
      : readdirSync(trees)
          .filter((name) => NAME.test(name))
          .sort();
  }

  record(name: string): ImageRecord | null {
    return readRecord(join(this.#tree(name), RECORD_FILE));
  }

  inUse(name: string): boolean {
    const lock = FileLock.take(join(this.#tree(name), LOCK), { exclusive: true });
    lock?.release();
    return lock === null && lstatSync(this.#tree(name), { throwIfNoEntry: false }) !== undefined;
  }

  /** False: somebody uses it. */
  async remove(name: string): Promise<boolean> {
    const path = this.#tree(name);
    const lock = FileLock.take(join(path, LOCK), { exclusive: true });
    if (lock === null && lstatSync(join(path, LOCK), { throwIfNoEntry: false }) !== undefined) {
      return false;
    }
    const work = this.work();
    try {
      // Out of sight at once: who has opened the lock meanwhile finds that it is not there any more.
      renameSync(path, join(work.path, 'removed'));
    } catch (error) {
      // Somebody else has removed it.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw error;
      }
    } finally {
      lock?.release();
      await work.remove();
    }
    return true;
  }

  /** Removes what processes that are no more have left. */
  async sweep(): Promise<void> {
    const folder = join(this.path, WORK);
    for (const file of readdirSync(folder).filter((name) => /\.(?:lock|claim)$/u.test(name))) {
      const lockPath = join(folder, file);
      const lock = FileLock.take(lockPath, { exclusive: true });
      if (lock !== null && file.endsWith('.lock')) {
        await new WorkFolder(lockPath.slice(0, -'.lock'.length), lockPath, lock).remove();
      } else if (lock !== null) {
        // Who waits for it finds that it is not there any more, and makes another.
        unlinkSync(lockPath);
        lock.release();
      }
    }
  }

  /** A note on which tree a file is. */
  source(name: string): string {
    return join(this.path, `${SOURCES}/${name}`);
  }

  forgetSources(): void {
    for (const name of readdirSync(join(this.path, SOURCES))) {
      rmSync(join(this.path, `${SOURCES}/${name}`), { force: true });
    }
  }

  #tree(name: string): string {
    if (!NAME.test(name)) {
      throw new CloisterError(`BUG: ${name} is no name of a tree, please report`);
    }
    return join(this.path, `${TREES}/${name}`);
  }
}

export class WorkFolder {
  readonly path: string;
  readonly #lockPath: string;
  readonly #lock: FileLock;
  readonly #endings: (() => void)[] = [];

  constructor(path: string, lockPath: string, lock: FileLock) {
    this.path = path;
    this.#lockPath = lockPath;
    this.#lock = lock;
    mkdirSync(path, { mode: PRIVATE, recursive: true });
  }

  make(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { mode: PRIVATE, recursive: true });
    return path;
  }

  /** The entry of a tree, with a shared lock on it, so that nobody removes it between its appearance and its use. */
  makeEntry(): Entry {
    const path = this.make('entry');
    const lock = FileLock.take(join(path, LOCK), { exclusive: false, create: true });
    if (lock === null) {
      throw new CloisterError('BUG: somebody has locked what nobody knows, please report');
    }
    this.make(`entry/${ROOT_FOLDER}`);
    return { path, lock };
  }

  /** For what must be closed with it. */
  whenRemoved(action: () => void): void {
    this.#endings.push(action);
  }

  async remove(): Promise<void> {
    for (const end of this.#endings.splice(0)) {
      end();
    }
    const held = new HeldDirectory(this.path);
    try {
      await emptyDirectory(held);
    } finally {
      held.close();
    }
    rmdirSync(this.path);
    unlinkSync(this.#lockPath);
    this.#lock.release();
  }
}

/** `$XDG_CACHE_HOME/cloister`; a path that is not absolute is ignored, as the XDG base directory specification says. */
export function defaultCache(): ImageCache {
  const named = process.env['XDG_CACHE_HOME'];
  const base = named !== undefined && isAbsolute(named) ? named : join(homedir(), '.cache');
  return new ImageCache(join(base, 'cloister/images'));
}
