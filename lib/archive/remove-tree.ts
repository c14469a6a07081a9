/** Removes whatever somebody has made of a directory. */

import { renameSync, rmdirSync, unlinkSync } from 'node:fs';

import { errnoName } from '../errors.js';
import type { HeldDirectory } from './held-directory.js';

const BATCH = 512;
/** How often a name may turn into something else, or be in the way, while somebody still works in the tree. */
const MOST_CHANGES = 100;
const CHANGED: readonly string[] = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENOTEMPTY', 'EEXIST'];

interface State {
  moved: number;
  done: number;
  changes: number;
}

/**
 * Removes what is in a directory, however deep: what lies two levels down is first moved up, so that neither the length of a path nor the number of descriptors
 * grows with the depth that somebody has chosen. Nothing is followed or changed by a name that could lead elsewhere by then.
 */
export async function emptyDirectory(top: HeldDirectory): Promise<void> {
  const state: State = { moved: 0, done: 0, changes: 0 };
  for (let names = top.names(); names.length > 0; names = top.names()) {
    for (const name of names) {
      try {
        await removeName(top, name, state);
      } catch (error) {
        const code = errnoName((error as NodeJS.ErrnoException).errno ?? 0);
        if (!CHANGED.includes(code) || ++state.changes > MOST_CHANGES) {
          throw error;
        }
      }
    }
  }
}

async function removeName(top: HeldDirectory, name: Buffer, state: State): Promise<void> {
  if (top.inspect(name)?.isDirectory() !== true) {
    unlinkSync(top.at(name));
    return;
  }
  const directory = top.openOwned(name);
  try {
    for (const inner of directory.names()) {
      if (directory.inspect(inner)?.isDirectory() === true) {
        // A directory that moves gets another '..', for which it must be writable itself.
        directory.openOwned(inner).close();
        renameSync(directory.at(inner), top.at(`.moved-${state.moved++}`));
      } else {
        unlinkSync(directory.at(inner));
      }
      if (++state.done % BATCH === 0) {
        await new Promise(setImmediate);
      }
    }
  } finally {
    directory.close();
  }
  rmdirSync(top.at(name));
}
