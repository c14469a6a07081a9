/** HostFiles on the real machine. */

import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats } from 'node:fs';

import { setupError } from '../errors.js';
import { boundSockets, reachable } from './sockets.js';
import type { HostFile, HostFiles } from './types.js';

/** Errno values that mean "nothing there"; any other keeps a plan from being made. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);

export const hostFiles: HostFiles = {
  inspect: (path) => {
    const stats = attempt(path, () => lstatSync(path));
    return stats === null ? null : describe(stats);
  },
  readLink: (path) => attempt(path, () => readlinkSync(path)) ?? '',
  list: (path) => attempt(path, () => readdirSync(path)) ?? [],
  realPath: (path) => attempt(path, () => realpathSync.native(path)),
  mounts: () =>
    parseMountInfo(attempt('/proc/self/mountinfo', () => readFileSync('/proc/self/mountinfo', 'utf8')) ?? ''),
  isInReach: (path) => reachable(path, () => lstatSync(path)) !== null,
  sockets: boundSockets,
};

function attempt<T>(path: string, look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    const { code, errno, syscall } = error as NodeJS.ErrnoException;
    if (ABSENT.has(code)) {
      return null;
    }
    throw setupError({
      operation: `cannot look at ${path}`,
      stage: 'mounts',
      errno: errno ?? 0,
      syscall,
      path,
      cause: error,
    });
  }
}

function describe(stats: Stats): HostFile {
  return { kind: kindOf(stats), mode: stats.mode & 0o7777, uid: stats.uid, device: stats.dev };
}

function kindOf(stats: Stats): HostFile['kind'] {
  if (stats.isDirectory()) {
    return 'directory';
  }
  if (stats.isSymbolicLink()) {
    return 'symlink';
  }
  if (stats.isSocket()) {
    return 'socket';
  }
  if (stats.isFIFO()) {
    return 'fifo';
  }
  return stats.isFile() ? 'file' : 'device';
}

/** Mount point and type of each line; the kernel writes space, tab, newline and backslash as octal. */
export function parseMountInfo(text: string): { path: string; type: string }[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const path = before.split(' ')[4];
    const type = after.split(' ')[0];
    return path === undefined || type === undefined || type === '' ? [] : [{ path: unescape(path), type }];
  });
}

function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
