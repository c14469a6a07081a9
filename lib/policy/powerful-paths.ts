/** Places on the host that hand out more than files: whoever reaches them can act on processes outside, or have a daemon act for him. */

import { components, isWithin } from '../util/paths.js';
import type { Permissions } from './valid.js';

export interface Access {
  readonly writable: boolean;
  /** Asked for by a mount, which names exactly this source. `unveil` alone does not hand out power. */
  readonly explicit: boolean;
}

/** Sockets whose daemon runs programs, opens files or changes accounts for anybody who may connect. `*` stands for one name. */
const POWERFUL_SOCKETS: readonly string[] = [
  '/run/docker.sock',
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/run/podman/podman.sock',
  '/run/buildkit/buildkitd.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/dbus/system_bus_socket',
  '/run/systemd/private',
  '/run/systemd/notify',
  '/run/systemd/io.systemd.Machine',
  '/run/systemd/userdb/io.systemd.Home',
  '/run/snapd.socket',
  '/run/udev/control',
  '/run/libvirt/libvirt-sock',
  '/run/incus/unix.socket',
  '/run/lxd.socket',
  '/run/tailscale/tailscaled.sock',
  '/run/user/*/bus',
  '/run/user/*/docker.sock',
  '/run/user/*/podman/podman.sock',
  '/run/user/*/systemd/private',
  '/run/user/*/gnupg/S.gpg-agent',
  '/var/lib/incus/unix.socket',
  '/var/lib/lxd/unix.socket',
];

/** `'never'`: not even read. `'read-only'`: only by a mount, and read-only. Names as in mountinfo (proc_pid_mountinfo(5)). */
export const POWERFUL_FILE_SYSTEMS: ReadonlyMap<string, 'never' | 'read-only'> = new Map([
  // /proc/PID/root and /proc/PID/fd lead into every process of the same user, past all mounts of the cell, whatever flags the mount itself has.
  ['proc', 'never'],
  ['sysfs', 'read-only'],
  ['cgroup', 'read-only'],
  ['cgroup2', 'read-only'],
  ['debugfs', 'never'],
  ['tracefs', 'never'],
  ['securityfs', 'read-only'],
  ['configfs', 'read-only'],
  ['efivarfs', 'read-only'],
  ['pstore', 'read-only'],
  ['bpf', 'never'],
  ['binfmt_misc', 'never'],
  ['devpts', 'never'],
]);

/** Nodes of the cell's own /dev. */
export const OWN_DEVICES: readonly string[] = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

/**
 * Whether every cell has the path already, in a harmless form and with these permissions: its own /proc and devices. A policy that names them
 * for a process that restricts itself is then right for a cell as well.
 */
export function isProvided(path: string, { write, create, execute }: Permissions): boolean {
  if (isWithin(path, '/proc')) {
    return !write && !create;
  }
  return !create && !execute && OWN_DEVICES.some((name) => path === `/dev/${name}`);
}

/** Why a path of the host is not shown to a cell this way, or null. Absolute and normalised; asked of the path as written and of what it leads to. */
export function refusePath(path: string, { writable, explicit }: Access): string | null {
  if (path === '/') {
    return "would hand over the host's whole tree with its /proc; root: 'host' shows it without";
  }
  if (isWithin(path, '/proc')) {
    return "the host's /proc leads into its processes; the cell has a /proc of its own";
  }
  if (path === '/dev' || isWithin(path, '/dev/pts')) {
    return 'the cell has devices and terminals of its own';
  }
  if (isWithin(path, '/sys') && (writable || !explicit)) {
    return writable
      ? 'what is written to /sys acts on the host'
      : 'describes and steers the host; a read-only bind in mounts shows it';
  }
  return explicit ? null : refuseSocket(path);
}

/** Why a file system is not shown this way, or null. `type` as in mountinfo. */
export function refuseFileSystem(type: string, { writable, explicit }: Access): string | null {
  const rule = POWERFUL_FILE_SYSTEMS.get(type);
  if (rule === undefined || (rule === 'read-only' && explicit && !writable)) {
    return null;
  }
  return rule === 'never'
    ? `lies on ${type}, which leads out of the cell`
    : `lies on ${type}, which acts on the host; only a read-only bind in mounts shows it`;
}

function refuseSocket(path: string): string | null {
  // Most paths are nowhere near.
  if (!path.startsWith('/run') && !path.startsWith('/var/lib/')) {
    return null;
  }
  const names = components(path);
  const socket = SOCKET_NAMES.find((candidate) => isOrContains(names, candidate));
  if (socket === undefined) {
    return null;
  }
  return `hands out power over the host by /${socket.join('/')}; a bind in mounts shows it nevertheless`;
}

const SOCKET_NAMES: readonly (readonly string[])[] = POWERFUL_SOCKETS.map(components);

/** Whether a path is the socket or a directory above it. */
function isOrContains(path: readonly string[], socket: readonly string[]): boolean {
  return path.length <= socket.length && path.every((name, index) => socket[index] === '*' || socket[index] === name);
}
