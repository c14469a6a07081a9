/**
 * Looks at what is being unpacked now and then. An unpacker that has been taken over does not keep count of what it writes; none of its files gets larger than
 * limits.fileSize (RLIMIT_FSIZE, setrlimit(2)), but it may write many, and the disk is everybody's.
 */

import { errnoName } from '../errors.js';
import type { HeldDirectory } from './held-directory.js';
import { DEEPEST } from './names.js';
import { type Expected, spaceOf } from './verify.js';

const FIRST_MS = 500;
/** How many times as long as a look takes is waited until the next one. */
const PAUSE_FACTOR = 20;
const BATCH = 256;

export interface Watch {
  /** Fires once something is wrong. */
  readonly stop: AbortSignal;
  /** What was wrong, or null. */
  end(): Promise<string | null>;
}

export function watchTree(top: HeldDirectory, expected: Expected): Watch {
  const controller = new AbortController();
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  let problem: string | null = null;
  const fail = (text: string): void => {
    problem = text;
    controller.abort();
  };
  // Never rejects: nobody waits for it until the end.
  const look = async (): Promise<void> => {
    const began = performance.now();
    const census = new Census(expected, () => ended);
    try {
      await census.count(top, 0);
    } catch (error) {
      fail(`what is being unpacked cannot be looked at: ${(error as Error).message}`);
      return;
    }
    if (census.tooMuch) {
      fail('what was unpacked goes beyond limits.totalSize or limits.entries');
    } else if (!ended) {
      plan(Math.max(FIRST_MS, (performance.now() - began) * PAUSE_FACTOR));
    }
  };
  const plan = (pause: number): void => {
    timer = setTimeout(() => {
      looking = look();
    }, pause);
  };
  plan(FIRST_MS);
  return {
    stop: controller.signal,
    end: async () => {
      ended = true;
      clearTimeout(timer);
      await looking;
      return problem;
    },
  };
}

/** Counts without judging: what is there changes meanwhile, and may be anything. */
class Census {
  readonly #limits: Expected['limits'];
  readonly #isOver: () => boolean;
  #bytes = 0;
  #names = 0;

  constructor({ limits }: Expected, isOver: () => boolean) {
    this.#limits = limits;
    this.#isOver = isOver;
  }

  get tooMuch(): boolean {
    return this.#bytes > this.#limits.totalSize || this.#names > this.#limits.entries;
  }

  async count(directory: HeldDirectory, depth: number): Promise<void> {
    for (const name of directory.names()) {
      if (this.tooMuch || this.#isOver() || depth > DEEPEST) {
        return;
      }
      const status = directory.inspect(name);
      this.#bytes += status?.isFile() === true ? Math.max(status.size, spaceOf(status.blocks)) : 0;
      if (++this.#names % BATCH === 0) {
        await new Promise(setImmediate);
      }
      if (status?.isDirectory() === true) {
        await this.#enter(directory, name, depth);
      }
    }
  }

  async #enter(directory: HeldDirectory, name: Buffer, depth: number): Promise<void> {
    let inner: HeldDirectory;
    try {
      // Not through a link that has taken its place.
      inner = directory.open(name);
    } catch (error) {
      if (CHANGED.includes(errnoName((error as NodeJS.ErrnoException).errno ?? 0))) {
        return;
      }
      throw error;
    }
    try {
      await this.count(inner, depth + 1);
    } finally {
      inner.close();
    }
  }
}

/** It was a directory a moment ago, or one that may be read. */
const CHANGED: readonly string[] = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'];
