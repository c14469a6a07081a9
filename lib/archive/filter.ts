/**
 * System calls that an unpacker has no use for and somebody who has taken it over has. What it leaves is looked at afterwards in any case; this is about what cannot be
 * seen there, and about what is left to attack in the kernel.
 */

import type { SeccompPolicy, SeccompRule } from '../policy/seccomp-types.js';

const CLONE_THREAD = 0x10000;
/** Not with the bits of O_DIRECTORY that O_TMPFILE contains. */
const TMPFILE = 0o20000000;
/** FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR, ioctl_iflags(2): flags such as "append only" and "no copy on write". FS_IOC_ENABLE_VERITY makes a file read-only for ever. */
const ATTRIBUTE_REQUESTS = [0x40086602, 0x401c5820, 0x40806685];

function refuse(syscalls: readonly string[], errno = 'EPERM', args?: SeccompRule['args']): SeccompRule {
  return { syscalls, action: { errno }, ...(args === undefined ? {} : { args }) };
}

/** A file without a name takes space that nobody sees until its last descriptor is closed. */
const REMOVAL = refuse(['unlink', 'unlinkat', 'rmdir']);

const ALWAYS: readonly SeccompRule[] = [
  refuse(['rename', 'renameat', 'renameat2']),
  ...['open', 'openat'].map((name, index) =>
    refuse([name], 'EOPNOTSUPP', [{ index: index === 0 ? 1 : 2, op: '&==', mask: TMPFILE, value: TMPFILE }]),
  ),
  refuse(['openat2'], 'ENOSYS'),
  // Space behind the end of a file, sparse giants.
  refuse(['fallocate', 'truncate', 'ftruncate'], 'EOPNOTSUPP'),
  // Access lists, which permissions do not show: one that a directory hands down counts more than the umask (acl(5)).
  refuse(['setxattr', 'lsetxattr', 'fsetxattr', 'setxattrat', 'file_setattr']),
  ...ATTRIBUTE_REQUESTS.map((value) => refuse(['ioctl'], 'EPERM', [{ index: 1, op: '==', value }])),
  refuse(['mknod', 'mknodat', 'chown', 'lchown', 'fchown', 'fchownat']),
  // Another process, by any way but a thread.
  refuse(['fork', 'vfork']),
  refuse(['clone'], 'EPERM', [{ index: 0, op: '&==', mask: CLONE_THREAD, value: 0 }]),
  // Its flags are in memory, where no filter sees them; the C library goes on with clone(2).
  refuse(['clone3'], 'ENOSYS'),
  refuse(['socket', 'socketpair']),
];

/** `removes`: the unpacker takes names away again, as that of an image's layers does; one of archives only makes them. */
export function unpackerFilter(removes: boolean): SeccompPolicy {
  return { defaultAction: 'allow', rules: [...(removes ? [] : [REMOVAL]), ...ALWAYS] };
}
