/** passwd(5) and group(5) of a cell: the ids that can occur in it, and nothing of the host's users. */

import { HOME } from '../policy/defaults.js';

/** What ids without a mapping look like (user_namespaces(7)). */
const OVERFLOW_ID = 65534;

export function passwdFile(uid: number, gid: number): string {
  const lines = [
    'root:x:0:0:root:/root:/bin/sh',
    `nobody:x:${String(OVERFLOW_ID)}:${String(OVERFLOW_ID)}:nobody:/nonexistent:/bin/false`,
  ];
  const own = (name: string): string => `${name}:x:${String(uid)}:${String(gid)}:${name}:${HOME}:/bin/sh`;
  if (uid === 0) {
    lines[0] = own('root');
  } else if (uid === OVERFLOW_ID) {
    lines[1] = own('nobody');
  } else {
    lines.push(own('user'));
  }
  return `${lines.join('\n')}\n`;
}

export function groupFile(gid: number): string {
  const lines = ['root:x:0:', `nogroup:x:${String(OVERFLOW_ID)}:`];
  if (gid !== 0 && gid !== OVERFLOW_ID) {
    lines.push(`user:x:${String(gid)}:`);
  }
  return `${lines.join('\n')}\n`;
}
