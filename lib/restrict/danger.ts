/** Grants that would hand back what is given up: whoever holds them can act on this very process, on the kernel, or on the machine's disks. */

import { POWERFUL_FILE_SYSTEMS } from '../policy/powerful-paths.js';
import type { Permissions } from '../policy/valid.js';
import { isWithin } from '../util/paths.js';

/** A path that was opened. */
export interface GrantTarget {
  readonly real: string;
  readonly kind: string;
  /** f_type of statfs(2). */
  readonly fileSystem: number;
}

/** linux/magic.h: file systems by which the kernel, or another process, is steered. */
const STEERING: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x27e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x73636673, 'securityfs'],
  [0x62656570, 'configfs'],
  [0xde5e81e4, 'efivarfs'],
  [0x6165676c, 'pstore'],
  [0xcafe4a11, 'bpf'],
  [0x42494e4d, 'binfmt_misc'],
]);

const HARMLESS_DEVICES: readonly string[] = ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'pts/ptmx'];

/** Why a path is not granted like this, or null. `mounts`: the mounts in sight, asked for only where they matter. */
export function refuseGrant(
  target: GrantTarget,
  { write, create }: Permissions,
  mounts: () => readonly { readonly path: string; readonly type: string }[],
): string | null {
  const { real, kind, fileSystem } = target;
  if (kind === 'device' && !isHarmlessDevice(real)) {
    return `${real} is a device, behind which no restriction of files holds`;
  }
  if (!write && !create) {
    return null;
  }
  const steering = STEERING.get(fileSystem);
  if (steering !== undefined) {
    return steering === 'proc'
      ? `${real} lies on proc: writing there changes this process's own memory (/proc/self/mem) and the kernel's settings`
      : `${real} lies on ${steering}: writing there acts on the kernel`;
  }
  if (kind !== 'directory') {
    return null;
  }
  if (real === '/dev' || isWithin('/dev', real)) {
    return `${real} contains the devices of this machine; name the directories that are to be written to`;
  }
  const covered = mounts().find(
    ({ path, type }) => isWithin(path, real) && POWERFUL_FILE_SYSTEMS.has(type) && type !== 'devpts',
  );
  return covered === undefined
    ? null
    : `${real} contains ${covered.path} (${covered.type}), where writing acts on this process or on the kernel; name the directories that are to be written to`;
}

function isHarmlessDevice(real: string): boolean {
  return HARMLESS_DEVICES.some((name) => real === `/dev/${name}`) || /^\/dev\/pts\/\d+$/.test(real);
}
