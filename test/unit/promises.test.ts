/**
 * The promises, call by call, where other implementations are known to be wrong, or to be right in a way that a later edit might lose. Each row is one call, the
 * promises that allow it, and those that do not.
 */

import { describe, expect, it } from 'vitest';

import { compile } from '../../lib/filter/compile.js';
import { pledgePolicy } from '../../lib/policy/promises.js';
import type { SeccompArch } from '../../lib/policy/seccomp-types.js';

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const AF_PACKET = 17;
const AF_VSOCK = 40;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_MARK = 36;
const SO_ATTACH_FILTER = 26;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;
const O_DIRECTORY = 0o200000;
const O_TMPFILE = 0o20200000;
const AT_FDCWD = -100;
const TCGETS = 0x5401;
const TIOCSTI = 0x5412;
const TIOCGWINSZ = 0x5413;
const TIOCLINUX = 0x541c;
const FIONREAD = 0x541b;
const FIONBIO = 0x5421;
const SIOCGIFFLAGS = 0x8913;
const PROT_EXEC = 4;
const CLONE_THREAD_FLAGS = 0x3d0f00;
const CLONE_NEWUSER = 0x10000000;
const SIGKILL = 9;
const F_DUPFD_CLOEXEC = 1030;
const F_SETOWN = 8;
const OWN = 1000;
const HIGH = 1n << 32n;

interface Row {
  call: string;
  args: (number | bigint)[];
  /** Each of these sets allows it. */
  allowedBy?: string[];
  /** None of these does. */
  refusedBy?: string[];
}

const ROWS: Record<string, Row> = {
  'isatty under stdio': { call: 'ioctl', args: [0, TCGETS], allowedBy: ['stdio'] },
  'the size of a terminal under stdio and tty': {
    call: 'ioctl',
    args: [0, TIOCGWINSZ],
    allowedBy: ['stdio', 'stdio tty'],
  },
  'bytes that can be read': { call: 'ioctl', args: [0, FIONREAD], allowedBy: ['stdio', 'stdio tty', 'stdio inet'] },
  'non-blocking mode': { call: 'ioctl', args: [0, FIONBIO], allowedBy: ['stdio'] },
  'a request with something above the lower half': {
    call: 'ioctl',
    args: [0, HIGH | BigInt(FIONBIO)],
    allowedBy: ['stdio'],
  },
  'typing into a terminal': {
    call: 'ioctl',
    args: [0, TIOCSTI],
    refusedBy: ['stdio', 'stdio tty', 'stdio rpath wpath cpath tty proc exec'],
  },
  'the same with something above the lower half': {
    call: 'ioctl',
    args: [0, HIGH | BigInt(TIOCSTI)],
    refusedBy: ['stdio tty'],
  },
  'pasting into a console': { call: 'ioctl', args: [0, TIOCLINUX], refusedBy: ['stdio tty'] },
  'flags of an interface': { call: 'ioctl', args: [0, SIOCGIFFLAGS], refusedBy: ['stdio', 'stdio tty'] },
  'truncating by an open for reading': {
    call: 'openat',
    args: [AT_FDCWD, 0, O_TRUNC],
    allowedBy: ['stdio rpath wpath'],
    refusedBy: ['stdio', 'stdio rpath'],
  },
  'truncating by name': {
    call: 'truncate',
    args: [0, 0],
    allowedBy: ['stdio wpath'],
    refusedBy: ['stdio', 'stdio rpath', 'stdio cpath'],
  },
  'opening a directory': {
    call: 'openat',
    args: [AT_FDCWD, 0, O_DIRECTORY],
    allowedBy: ['stdio rpath'],
    refusedBy: ['stdio', 'stdio cpath'],
  },
  'a file without a name': {
    call: 'openat',
    args: [AT_FDCWD, 0, O_TMPFILE | O_RDWR, 0o600],
    refusedBy: ['stdio', 'stdio rpath', 'stdio rpath wpath'],
  },
  'writing without reading': {
    call: 'openat',
    args: [AT_FDCWD, 0, O_WRONLY],
    allowedBy: ['stdio wpath'],
    refusedBy: ['stdio', 'stdio rpath'],
  },
  'access mode 3': { call: 'openat', args: [AT_FDCWD, 0, 3], refusedBy: ['stdio', 'stdio rpath', 'stdio wpath'] },
  'making a file': {
    call: 'openat',
    args: [AT_FDCWD, 0, O_WRONLY | O_CREAT, 0o644],
    allowedBy: ['stdio wpath cpath'],
    refusedBy: ['stdio wpath', 'stdio rpath'],
  },
  'making a set-user-ID file': {
    call: 'openat',
    args: [AT_FDCWD, 0, O_WRONLY | O_CREAT, 0o4755],
    refusedBy: ['stdio wpath cpath', 'stdio wpath cpath fattr'],
  },
  'set-user-ID by chmod': {
    call: 'fchmodat',
    args: [AT_FDCWD, 0, 0o4755],
    refusedBy: ['stdio fattr', 'stdio wpath cpath fattr'],
  },
  'an ordinary mode by chmod': {
    call: 'fchmodat',
    args: [AT_FDCWD, 0, 0o755],
    allowedBy: ['stdio fattr'],
    refusedBy: ['stdio wpath cpath'],
  },
  'openat2, whose flags are behind a pointer': {
    call: 'openat2',
    args: [AT_FDCWD, 0, 0, 24],
    refusedBy: ['stdio', 'stdio rpath', 'stdio wpath cpath'],
  },
  'TCP without delay under inet': {
    call: 'setsockopt',
    args: [3, IPPROTO_TCP, TCP_NODELAY],
    allowedBy: ['stdio inet'],
    refusedBy: ['stdio', 'stdio unix'],
  },
  'a receive buffer': { call: 'setsockopt', args: [3, SOL_SOCKET, SO_RCVBUF], allowedBy: ['stdio inet', 'stdio unix'] },
  'a receive buffer beyond the limit': {
    call: 'setsockopt',
    args: [3, SOL_SOCKET, SO_RCVBUFFORCE],
    refusedBy: ['stdio inet', 'stdio unix'],
  },
  'a send buffer beyond the limit': {
    call: 'setsockopt',
    args: [3, SOL_SOCKET, SO_SNDBUFFORCE],
    refusedBy: ['stdio inet', 'stdio unix'],
  },
  'a firewall mark': { call: 'setsockopt', args: [3, SOL_SOCKET, SO_MARK], refusedBy: ['stdio inet'] },
  'a packet filter': { call: 'setsockopt', args: [3, SOL_SOCKET, SO_ATTACH_FILTER], refusedBy: ['stdio inet'] },
  'a number of SOL_SOCKET at another level': {
    call: 'setsockopt',
    args: [3, 255, SO_RCVBUF],
    refusedBy: ['stdio inet'],
  },
  'a TCP socket': {
    call: 'socket',
    args: [AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0],
    allowedBy: ['stdio inet'],
    refusedBy: ['stdio', 'stdio unix', 'stdio anet'],
  },
  'a UDP socket of version 6': {
    call: 'socket',
    args: [AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0],
    allowedBy: ['stdio inet'],
    refusedBy: ['stdio', 'stdio unix'],
  },
  'a raw socket': {
    call: 'socket',
    args: [AF_INET, SOCK_RAW, 1],
    refusedBy: ['stdio inet', 'stdio inet mcast', 'stdio dns'],
  },
  'a raw socket with flags': {
    call: 'socket',
    args: [AF_INET6, SOCK_RAW | SOCK_NONBLOCK, 58],
    refusedBy: ['stdio inet'],
  },
  'a packet socket': { call: 'socket', args: [AF_PACKET, SOCK_RAW, 0], refusedBy: ['stdio inet', 'stdio unix'] },
  // 17 & 1, 3 & 1: what a comparison of bits instead of values lets pass.
  'a family that shares bits with AF_UNIX': {
    call: 'socket',
    args: [AF_UNIX | AF_INET, SOCK_STREAM, 0],
    refusedBy: ['stdio unix', 'stdio inet', 'stdio unix inet'],
  },
  'a family above the lower half': {
    call: 'socket',
    args: [HIGH | BigInt(AF_VSOCK), SOCK_STREAM, 0],
    refusedBy: ['stdio inet', 'stdio unix', 'stdio inet unix'],
  },
  'a netlink socket': { call: 'socket', args: [AF_NETLINK, SOCK_RAW, 9], refusedBy: ['stdio inet', 'stdio unix'] },
  'descriptors by a pair of another family': {
    call: 'socketpair',
    args: [AF_INET, SOCK_STREAM, 0],
    refusedBy: ['stdio', 'stdio inet', 'stdio unix'],
  },
  'a signal to itself': { call: 'kill', args: [OWN, SIGKILL], allowedBy: ['stdio'] },
  'a signal to somebody else': {
    call: 'kill',
    args: [1, SIGKILL],
    allowedBy: ['stdio proc'],
    refusedBy: ['stdio', 'stdio inet'],
  },
  'a signal to its group': { call: 'kill', args: [0, SIGKILL], allowedBy: ['stdio proc'], refusedBy: ['stdio'] },
  'a signal to everybody': { call: 'kill', args: [-1, SIGKILL], allowedBy: ['stdio proc'], refusedBy: ['stdio'] },
  'a signal to somebody else by thread': {
    call: 'tkill',
    args: [1, SIGKILL],
    allowedBy: ['stdio proc'],
    refusedBy: ['stdio', 'stdio inet'],
  },
  'a signal to somebody else by group and thread': {
    call: 'tgkill',
    args: [1, 1, SIGKILL],
    allowedBy: ['stdio proc'],
    refusedBy: ['stdio'],
  },
  'a signal with a value to somebody else': {
    call: 'rt_sigqueueinfo',
    args: [1, SIGKILL, 0],
    allowedBy: ['stdio proc'],
    refusedBy: ['stdio'],
  },
  'a thread': { call: 'clone', args: [CLONE_THREAD_FLAGS], allowedBy: ['stdio'] },
  'a process': { call: 'clone', args: [17], allowedBy: ['stdio proc'], refusedBy: ['stdio', 'stdio rpath'] },
  'a process in a user namespace': {
    call: 'clone',
    args: [17 | CLONE_NEWUSER],
    refusedBy: ['stdio', 'stdio proc', 'stdio proc exec id'],
  },
  'executable memory': {
    call: 'mmap',
    args: [0, 4096, 1 | PROT_EXEC, 2, 3, 0],
    allowedBy: ['stdio prot_exec'],
    refusedBy: ['stdio'],
  },
  'memory made executable by key': {
    call: 'pkey_mprotect',
    args: [0, 4096, PROT_EXEC, 1],
    allowedBy: ['stdio prot_exec'],
    refusedBy: ['stdio'],
  },
  'a program': {
    call: 'execve',
    args: [0, 0, 0],
    allowedBy: ['stdio exec prot_exec'],
    refusedBy: ['stdio', 'stdio proc'],
  },
  'a copy of a descriptor': { call: 'fcntl', args: [3, F_DUPFD_CLOEXEC, 0], allowedBy: ['stdio'] },
  'signals of a descriptor to somebody': { call: 'fcntl', args: [3, F_SETOWN, 1], refusedBy: ['stdio', 'stdio inet'] },
  io_uring: { call: 'io_uring_setup', args: [8, 0], refusedBy: ['stdio', 'stdio rpath wpath cpath inet unix'] },
  'a debugger': { call: 'ptrace', args: [16, 1], refusedBy: ['stdio proc exec id', 'stdio ps'] },
};

function actionOf(promises: string, arch: SeccompArch, { call, args }: Row): unknown {
  const policy = pledgePolicy(promises, { arch, signals: { pid: OWN } });
  return compile(policy).evaluate({ arch, syscall: call, args }).action;
}

describe.each(['x86_64', 'aarch64'] as const)('promises on %s', (arch) => {
  it.each(Object.entries(ROWS))('%s', (_, row) => {
    for (const promises of row.allowedBy ?? []) {
      expect([promises, actionOf(promises, arch, row)]).toEqual([promises, 'allow']);
    }
    for (const promises of row.refusedBy ?? []) {
      expect([promises, actionOf(promises, arch, row)]).not.toEqual([promises, 'allow']);
    }
  });
});
