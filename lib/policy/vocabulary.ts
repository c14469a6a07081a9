/** The words a policy may use, as data. */

import type { OnUnsupported, OnViolation, PledgePromise, SeccompArch } from './types.js';

/** Every promise, in the order of pledge(2), with ours at the end. */
export const PROMISES: readonly PledgePromise[] = [
  'stdio',
  'rpath',
  'wpath',
  'cpath',
  'dpath',
  'tmppath',
  'fattr',
  'chown',
  'flock',
  'unix',
  'inet',
  'mcast',
  'dns',
  'recvfd',
  'sendfd',
  'tty',
  'proc',
  'exec',
  'id',
  'settime',
  'ps',
  'vminfo',
  'getpw',
  'unveil',
  'error',
  'prot_exec',
  'anet',
];

/** linux/capability.h, by number (the newest is of Linux 5.9). */
export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

export const ARCHITECTURES: readonly SeccompArch[] = ['x86_64', 'x86', 'x32', 'aarch64', 'arm', 'riscv64'];

export const ON_VIOLATION: readonly OnViolation[] = ['kill', 'error', 'log'];

export const ON_UNSUPPORTED: readonly OnUnsupported[] = ['error', 'degrade'];

/** `'CAP_NET_ADMIN'` for `'net_admin'`; undefined when it is no capability. */
export function capabilityName(written: string): string | undefined {
  const upper = written.toUpperCase();
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  return CAPABILITIES.includes(name) ? name : undefined;
}
