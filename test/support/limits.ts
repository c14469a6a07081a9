/** What tests of limits need to know of the machine. */

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { inSubprocess, type User } from './in-subprocess.js';

/** The version of control groups that this user's cells can be given; null: none. */
export async function groupsOf(user: User): Promise<'v2' | 'v1' | null> {
  const cgroup = await inSubprocess(({ probe }) => probe().cgroup, { user });
  return cgroup?.writable === true ? cgroup.version : null;
}

/** Control groups of cells, of whichever process: of a live one only where that process has cells with limits. */
export function groupDirectories(pid?: number): string[] {
  const prefix = pid === undefined ? 'cloister-' : `cloister-${String(pid)}-`;
  return existsSync('/sys/fs/cgroup')
    ? groupsBelow('/sys/fs/cgroup').filter((group) => path.basename(group).startsWith(prefix))
    : [];
}

/** Those of other tests come and go meanwhile: none is looked into. */
function groupsBelow(directory: string): string[] {
  return directoriesIn(directory).flatMap((name) => {
    const inner = path.join(directory, name);
    return name.startsWith('cloister-') ? [inner] : groupsBelow(inner);
  });
}

function directoriesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if (['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return [];
    }
    throw error;
  }
}

/** Python that touches so much memory, says so, and goes on. */
export function touch(mebibytes: number, then = ''): string {
  return `memory = b'x' * (${String(mebibytes)} << 20)\nprint('touched', flush=True)\n${then}`;
}
