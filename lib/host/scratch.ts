/** Where cells that have no tree of their own get a directory of the host for themselves. */

import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';

import { join } from '../util/paths.js';

/** native/launcher/scratch.cc knows them by this. */
const PREFIX = 'cloister-scratch-';

/** A name that nobody can guess, in the directory for temporary files. Nothing is made yet. */
export function scratchPath(): string {
  return join(realpathSync.native(tmpdir()), `${PREFIX}${randomBytes(16).toString('hex')}`);
}
