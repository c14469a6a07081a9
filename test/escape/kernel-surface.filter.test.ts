/**
 * System calls that ordinary programs never make and that the kernel has been attacked by: keyrings (CVE-2016-0728), bpf (CVE-2020-8835), userfaultfd,
 * io_uring (CVE-2022-29582), perf events, packet sockets (CVE-2016-8655), vsock, 32-bit and x32 entry points, personality(2).
 */

import { describe, expect, it, onTestFinished } from 'vitest';

import { deedsInCell, inCells } from '../support/cells.js';
import { deedsOutside } from '../support/deeds.js';
import { USERS } from '../support/in-subprocess.js';

const REFUSED = [
  ...[
    'bpf',
    'perf_event_open',
    'kexec_load',
    'init_module',
    'finit_module',
    'delete_module',
    'reboot',
    'swapon',
    'swapoff',
    'acct',
    'quotactl',
    'syslog',
  ],
  ...[
    'vhangup',
    'settimeofday',
    'adjtimex',
    'clock_settime',
    'keyctl',
    'add_key',
    'request_key',
    'mount',
    'umount2',
    'pivot_root',
    'chroot',
    'setns',
  ],
  ...[
    'ptrace',
    'kcmp',
    'open_by_handle_at',
    'name_to_handle_at',
    'process_vm_readv',
    'process_vm_writev',
    'userfaultfd',
    'open_tree',
    'move_mount',
  ],
  ...['fsopen', 'fsconfig', 'fsmount', 'fspick', 'pidfd_getfd', 'mount_setattr', 'sethostname', 'setdomainname'],
  ...(process.arch === 'x64' ? ['iopl', 'ioperm'] : []),
];
const UNKNOWN = [
  'io_uring_setup',
  'io_uring_enter',
  'io_uring_register',
  'clone3',
  'no-such-call',
  ...(process.arch === 'x64' ? ['modify_ldt'] : []),
];

describe.each(USERS)('system calls, as %s', (user) => {
  it('that act on the machine or on others are refused', async () => {
    const [result] = await inCells(user, [
      { args: REFUSED.map((name) => `call,${name}`), options: { user: { uid: 0, gid: 0 } } },
    ]);
    expect(result?.enforcement.seccomp?.filters).toBeGreaterThanOrEqual(1);
    expect(result?.deeds).toEqual(Object.fromEntries(REFUSED.map((name) => [`call,${name}`, 'EPERM'])));
    // Without the filter the kernel gets as far as looking at the arguments of those that need no privilege.
    const open = deedsOutside(user, ['call,keyctl', 'call,process_vm_readv', 'call,name_to_handle_at', 'call,kcmp']);
    expect(Object.values(open)).not.toContain('EPERM');
  });

  it('that hide what they do are answered as by a kernel without them', async () => {
    const results = await deedsInCell(
      user,
      UNKNOWN.map((name) => `call,${name}`),
    );
    expect(results).toEqual(Object.fromEntries(UNKNOWN.map((name) => [`call,${name}`, 'ENOSYS'])));
    expect(Object.values(deedsOutside(user, ['call,io_uring_setup', 'call,clone3']))).not.toContain('ENOSYS');
  });

  it.runIf(process.arch === 'x64')('cannot be made by the entries of other architectures', async () => {
    const results = await deedsInCell(user, ['x32,39', 'x32,101', 'int80']);
    expect(Object.values(results)).toEqual(['ENOSYS', 'ENOSYS', 'ENOSYS']);
    // Unlike int80, x32 is not built into every kernel.
    expect(Object.values(deedsOutside(user, ['int80']))[0]).toMatch(/^OK$/);
  });

  it('open the sockets of ordinary programs only', async () => {
    const sockets = {
      'socket,1,1,0': 'OK', // unix
      'socket,2,1,0': 'OK', // TCP
      'socket,10,2,0': 'OK', // UDP over IPv6
      'socket,16,3,0': 'OK', // netlink, route
      'socket,17,3,768': 'EPERM', // packet
      'socket,2,3,255': 'EPERM', // raw
      'socket,40,1,0': 'EPERM', // vsock
      'socket,38,5,0': 'EPERM', // crypto
      'socket,16,3,12': 'EPERM', // netlink, netfilter
      'socket,29,3,1': 'EPERM', // CAN
      'socket,31,3,1': 'EPERM', // bluetooth
      'socket,21,5,0': 'EPERM', // RDS
      'socket,0x100000028,1,0': 'EPERM', // vsock with a bit that the kernel does not look at
    };
    expect(await deedsInCell(user, Object.keys(sockets), { net: 'host' })).toEqual(sockets);
    expect(Object.values(deedsOutside(user, ['socket,16,3,12']))).toEqual(['OK']);
  });

  it('do not undo the protections of memory', async () => {
    const results = await deedsInCell(user, [
      'personality,0',
      'personality,0x40000',
      'personality,0x400000',
      'personality,0x100000',
    ]);
    expect(Object.values(results)).toEqual(['OK', 'EPERM', 'EPERM', 'EPERM']);
    expect(Object.values(deedsOutside(user, ['personality,0x40000']))).toEqual(['OK']);
  });

  it('leave tracing to nobody, not even of own children', async () => {
    expect(Object.values(await deedsInCell(user, ['trace-child']))).toEqual(['EPERM']);
    expect(Object.values(deedsOutside(user, ['trace-child']))).toEqual(['OK']);
  });

  it('find no key of the caller', async () => {
    const name = `cloister-test-${String(process.pid)}-${user}`;
    const added = deedsOutside(user, [`add-key,${name}`]);
    const key = /^OK:(\d+)$/.exec(Object.values(added)[0] ?? '')?.[1] ?? '';
    expect(key).not.toBe('');
    onTestFinished(() => {
      deedsOutside(user, [`remove-key,${key}`]);
    });
    expect(Object.values(deedsOutside(user, [`read-key,${key}`]))).toEqual(['OK']);
    expect(Object.values(await deedsInCell(user, [`read-key,${key}`, `find-key,${name}`, 'add-key,x']))).toEqual([
      'EPERM',
      'EPERM',
      'EPERM',
    ]);
  });
});
