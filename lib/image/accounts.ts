/** Which ids the user of an image has: by its own /etc/passwd and /etc/group, which are as little to be trusted as the rest of it. */

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

import { HeldDirectory } from '../archive/held-directory.js';
import { errnoName } from '../errors.js';
import type { Read } from './config.js';

const MOST_BYTES = 2 ** 20;
/** 4294967295 means "leave it" to setresuid(2). */
const HIGHEST_ID = 4294967294;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** `user` or `user:group`, each a name or a number. Null: the image names none. */
export function resolveUser(root: string, user: string): Read<Ids | null> {
  if (user === '') {
    return { value: null };
  }
  const [name = '', group] = user.split(':', 2);
  // NAME:password:UID:GID:...
  const account = lines(root, 'passwd').find(([login, , uid]) => (isNumber(name) ? uid === name : login === name));
  const uid = isNumber(name) ? Number(name) : Number(account?.[2] ?? NaN);
  const gid = group === undefined ? Number(account?.[3] ?? 0) : groupId(root, group);
  return [uid, gid].every((id) => Number.isInteger(id) && id >= 0 && id <= HIGHEST_ID)
    ? { value: { uid, gid } }
    : { problem: `it runs as the user ${user}, which its /etc/passwd and /etc/group do not have` };
}

function groupId(root: string, group: string): number {
  // NAME:password:GID:...
  return isNumber(group) ? Number(group) : Number(lines(root, 'group').find(([name]) => name === group)?.[2] ?? NaN);
}

function isNumber(text: string): boolean {
  return /^\d{1,10}$/u.test(text);
}

/** Fields of the lines of a file in /etc. A link is not followed: it would lead through the host's tree. */
function lines(root: string, name: string): string[][] {
  let descriptor: number | null = null;
  const open: HeldDirectory[] = [];
  try {
    const top = new HeldDirectory(root);
    open.push(top);
    const etc = top.open('etc');
    open.push(etc);
    descriptor = openSync(etc.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    const status = fstatSync(descriptor);
    const text = status.isFile() && status.size <= MOST_BYTES ? readFileSync(descriptor, 'utf8') : '';
    return text.split('\n').map((line) => line.split(':'));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoName((error as NodeJS.ErrnoException).errno ?? 0))) {
      return [];
    }
    throw error;
  } finally {
    if (descriptor !== null) {
      closeSync(descriptor);
    }
    for (const directory of open) {
      directory.close();
    }
  }
}
