/** A private copy of a file that somebody else could change. */

import { closeSync, constants, openSync, read, unlinkSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';

import { throwIfAborted } from '../cell/abort.js';

const CHUNK = 2 ** 20;
const PRIVATE_FILE = 0o600;
const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const readAt = promisify(read);

/**
 * Copies what a descriptor is open for, from its beginning. The copy has no name: when it is closed, it is gone.
 *
 * @param size ends the copy early where the original is said to be this long and is longer: what is not the content is not worth the space.
 */
export async function copyFile(
  from: number,
  path: string,
  size: number | null,
  signal: AbortSignal | undefined,
): Promise<number> {
  const to = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE_FILE);
  try {
    unlinkSync(path);
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let position = 0; size === null || position <= size; ) {
      throwIfAborted(signal);
      const { bytesRead } = await readAt(from, buffer, 0, CHUNK, position);
      if (bytesRead === 0) {
        break;
      }
      for (let done = 0; done < bytesRead; ) {
        done += writeSync(to, buffer, done, bytesRead - done, position + done);
      }
      position += bytesRead;
    }
    return to;
  } catch (error) {
    closeSync(to);
    throw error;
  }
}
