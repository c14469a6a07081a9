/** Where Unix sockets are bound, as far as the kernel tells. */

import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';

import { setupError } from '../errors.js';

/**
 * What a caller cannot reach, the cell cannot reach either: what is not there any more, lies in a directory that is not his to search (a cell has no more
 * rights than he), or is a name that leads nowhere. ESRCH: a process that has ended meanwhile.
 */
const OUT_OF_REACH: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'ELOOP',
  'ENAMETOOLONG',
  'ESRCH',
]);

/**
 * The sockets that somebody has bound, by their real paths. The kernel tells them for each network namespace, by the names that were given to bind(2): a
 * relative one means something in the directory that the process stood in, and an absolute one in its root (proc_net_unix(5)).
 */
export function boundSockets(): string[] {
  const found = new Set<string>();
  const tables = new Map<number, readonly string[]>();
  const done = new Set<string>();
  for (const pid of reachable('/proc', () => readdirSync('/proc')) ?? []) {
    const number = /^\d+$/u.test(pid) ? reachable(pid, () => statSync(tableOf(pid)).ino) : null;
    if (number === null) {
      continue;
    }
    const names =
      tables.get(number) ?? parseUnixSockets(reachable(pid, () => readFileSync(tableOf(pid), 'utf8')) ?? '');
    tables.set(number, names);
    for (const relative of [false, true]) {
      const meant = names.filter((name) => name.startsWith('/') !== relative);
      // Unless privileged, one learns it of one's own processes only.
      const from = meant.length === 0 ? null : linkOf(`/proc/${pid}/${relative ? 'cwd' : 'root'}`);
      const place = from === null ? (relative ? null : '') : from === '/' ? '' : from;
      const key = `${String(number)} ${String(relative)} ${place ?? ''}`;
      if (place !== null && !done.has(key)) {
        done.add(key);
        meant.forEach((name) => {
          addSocket(found, `${place}${relative ? '/' : ''}${name}`);
        });
      }
    }
  }
  return [...found];
}

/** The number of this file is another one in each network namespace. */
function tableOf(pid: string): string {
  return `/proc/${pid}/net/unix`;
}

function linkOf(link: string): string | null {
  return reachable(link, () => readlinkSync(link));
}

function addSocket(found: Set<string>, bound: string): void {
  const real = reachable(bound, () => realpathSync.native(bound));
  if (real !== null && reachable(real, () => lstatSync(real))?.isSocket() === true) {
    found.add(real);
  }
}

/** What the look finds, or null where nothing can be found. */
export function reachable<T>(file: string, look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    const { code, errno, syscall } = error as NodeJS.ErrnoException;
    if (OUT_OF_REACH.has(code)) {
      return null;
    }
    throw setupError({
      operation: `cannot look at ${file}`,
      stage: 'mounts',
      errno: errno ?? 0,
      syscall,
      path: file,
      cause: error,
    });
  }
}

/** The last column, as it was given to bind(2): abstract names start with `@`, unbound sockets have none. */
export function parseUnixSockets(text: string): string[] {
  const names = text.split('\n').flatMap((line) => /^[0-9a-f]+: (?:\S+ +){6}([^@].*)$/i.exec(line)?.[1] ?? []);
  return [...new Set(names)];
}
