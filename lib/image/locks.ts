/** Locks between processes that share a cache. The kernel drops them with their descriptors, however a process ends (flock(2)). */

import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { throwIfAborted } from '../cell/abort.js';
import { loadNative } from '../native/binding.js';

const { O_RDWR, O_RDONLY, O_CREAT, O_NOFOLLOW } = constants;
const PRIVATE_FILE = 0o600;
const POLL_MS = 25;

/** Held until it is closed, or until this process ends. */
export class FileLock {
  readonly #descriptor: number;
  #open = true;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Null: somebody else has it, or it is gone. `create`: the file is made where there is none. */
  static take(path: string, { exclusive, create = false }: { exclusive: boolean; create?: boolean }): FileLock | null {
    let descriptor: number;
    try {
      descriptor = openSync(path, (create ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW, PRIVATE_FILE);
    } catch (error) {
      if (!create && isGone(error)) {
        return null;
      }
      throw error;
    }
    try {
      // Between open(2) and flock(2) somebody may have removed the file: a lock on what nobody finds any more locks nothing.
      if (loadNative().addon.lockFile(descriptor, exclusive) && isAt(descriptor, path)) {
        return new FileLock(descriptor);
      }
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    closeSync(descriptor);
    return null;
  }

  /** Waits for it. @throws AbortError */
  static async wait(path: string, signal: AbortSignal | undefined): Promise<FileLock> {
    for (;;) {
      const lock = FileLock.take(path, { exclusive: true, create: true });
      if (lock !== null) {
        return lock;
      }
      throwIfAborted(signal);
      await pause(POLL_MS);
    }
  }

  /** Waits for a shared one; null where there is no such file. @throws AbortError */
  static async waitIfThere(path: string, signal: AbortSignal | undefined): Promise<FileLock | null> {
    while (statSync(path, { throwIfNoEntry: false }) !== undefined) {
      const lock = FileLock.take(path, { exclusive: false });
      if (lock !== null) {
        return lock;
      }
      throwIfAborted(signal);
      await pause(POLL_MS);
    }
    return null;
  }

  release(): void {
    if (this.#open) {
      this.#open = false;
      closeSync(this.#descriptor);
    }
  }
}

function isAt(descriptor: number, path: string): boolean {
  const held = fstatSync(descriptor, { bigint: true });
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found?.ino === held.ino && found.dev === held.dev;
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}
