/** What tests of limits need to know of the machine. */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

import { inSubprocess, type User } from './in-subprocess.js';

/** The version of control groups that this user's cells can be given; null: none. */
export async function groupsOf(user: User): Promise<'v2' | 'v1' | null> {
  const cgroup = await inSubprocess(({ probe }) => probe().cgroup, { user });
  return cgroup?.writable === true ? cgroup.version : null;
}

/** Control groups of cells, of whichever process: of a live one only where that process has cells with limits. */
export function groupDirectories(pid?: number): string[] {
  if (!existsSync('/sys/fs/cgroup')) {
    return [];
  }
  const name = `cloister-${pid === undefined ? '*' : String(pid)}-*`;
  // Those of other tests come and go meanwhile.
  const args = ['/sys/fs/cgroup', '-ignore_readdir_race', '-type', 'd', '-name', name];
  const found = execFileSync('find', args, { encoding: 'utf8' });
  return found.split('\n').filter((line) => line !== '');
}

/** Python that touches so much memory, says so, and goes on. */
export function touch(mebibytes: number, then = ''): string {
  return `memory = b'x' * (${String(mebibytes)} << 20)\nprint('touched', flush=True)\n${then}`;
}
