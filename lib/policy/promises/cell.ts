/** The promises of a cell: in force from the first instruction of its command on, so that what a dynamic loader does is part of each. */

import { promisedCalls } from '../promises.js';
import type { SeccompAction, SeccompPolicy, SeccompRule } from '../seccomp-types.js';
import type { PledgePromise } from '../types.js';
import { OPENS, READ_ONLY } from './files.js';
import { ALWAYS_READABLE, impliedPaths } from './implied-paths.js';
import { allow, answer, bits, is, isNull, without } from './rules.js';

const ENOSYS: SeccompAction = { errno: 'ENOSYS' };

/** linux/mman.h. */
const PROT_WRITE = 0x2;
const MAP_ANONYMOUS = 0x20;

const AT_EMPTY_PATH = 0x1000;
const F_SETFD = 2;
const R_OK = 4;
/** asm-generic/ioctls.h; the latter: TCSETS TCSETSW TCSETSF. */
const TIOCGPGRP = 0x540f;
const TERMINAL_CHANGES = [0x5402, 0x5403, 0x5404];
/** linux/fs.h, linux/prctl.h. */
const FICLONE = 0x4004_9409;
const PR_SET_THP_DISABLE = 41;
const AF_UNIX = 1;
/** SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, linux/net.h. */
const NSCD_SOCKET = 0x8_0801;
const IPPROTO_MPTCP = 262;
const INTERNET = [2, 10];

export interface CellPromises {
  /** At calls that no promise allows. */
  readonly violation: SeccompAction;
  /** At calls of other architectures. */
  readonly foreign: SeccompAction;
  /** Somebody is asked at each violation, and tells what the loader opens from what the program does. */
  readonly asked: boolean;
}

/** The policy that the promises of a cell stand for. Signals reach nobody else: a cell has a pid namespace of its own. */
export function cellPromises(promises: readonly PledgePromise[], options: CellPromises): SeccompPolicy {
  const { violation, foreign } = options;
  const policy = promisedCalls(promises, { violation, unknown: ENOSYS, foreign, signals: 'any' });
  return { ...policy, rules: [...loaderRules(new Set(promises), options), ...policy.rules] };
}

/** Made by ld.so and by the start of a C library before main, glibc's and musl's. */
function loaderRules(given: ReadonlySet<PledgePromise>, { violation, asked }: CellPromises): SeccompRule[] {
  const rules: SeccompRule[] = [
    allow('read pread64 close fstat fstat64 uname'),
    allow('newfstatat fstatat64', bits(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
    allow('fcntl fcntl64', is(1, F_SETFD)),
    allow('prlimit64', is(0, 0), isNull(2)),
    // Code comes from files. What can be written is not executable at the same time, and nothing becomes executable later.
    allow('mmap mmap2', without(2, PROT_WRITE), without(3, MAP_ANONYMOUS)),
  ];
  if (!given.has('prot_exec')) {
    // A memory file would be a way around: written first, mapped as code then. Every library has another way.
    rules.push(answer(ENOSYS, 'memfd_create'));
  }
  if (!given.has('rpath')) {
    // Which files is for the launcher and for Landlock to say.
    rules.push(...OPENS.map(({ call, flags }) => answer(asked ? violation : 'allow', call, bits(flags, READ_ONLY, 0))));
    if (!asked) {
      // /etc/ld.so.preload and /proc/self/exe: both are looked for at each start, and done without.
      rules.push(
        answer({ errno: 'ENOENT' }, 'access', is(1, R_OK)),
        answer({ errno: 'ENOENT' }, 'readlink readlinkat'),
      );
    }
  }
  if (given.has('rpath') && !given.has('unix')) {
    // Looking up a user or a group asks nscd first, with a socket of just this shape, and reads the files when there is none.
    rules.push(answer({ errno: 'EACCES' }, 'socket', is(0, AF_UNIX), is(1, NSCD_SOCKET)));
  }
  if (!given.has('tty')) {
    // bash asks at its start whose terminal it is; Node.js puts the terminal back as it was at its end.
    rules.push(answer({ errno: 'ENOTTY' }, 'ioctl', is(1, TIOCGPGRP)));
    rules.push(...TERMINAL_CHANGES.map((request) => answer({ errno: 'EPERM' }, 'ioctl', is(1, request))));
  }
  // cp and install ask to share blocks, and copy where the file system cannot (ioctl_ficlone(2)).
  rules.push(answer({ errno: 'EOPNOTSUPP' }, 'ioctl', is(1, FICLONE)));
  // Ruby's child processes ask to do without huge pages; a kernel without any says so.
  rules.push(answer({ errno: 'EINVAL' }, 'prctl', is(0, PR_SET_THP_DISABLE)));
  if (!given.has('exec') && !asked) {
    // Nobody could tell the first from the second.
    rules.push(allow('execve'));
  }
  // Go asks for MPTCP and takes TCP when there is none.
  rules.push(
    ...INTERNET.map((family) => answer({ errno: 'EPROTONOSUPPORT' }, 'socket', is(0, family), is(2, IPPROTO_MPTCP))),
  );
  return rules;
}

const LIBRARIES: readonly string[] = [
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/usr/lib',
  '/usr/lib32',
  '/usr/lib64',
  '/usr/libx32',
  '/usr/local/lib',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  // OpenBSD: with any promise.
  '/dev/null',
];

/** What may be read without `rpath`: the loader's libraries, the command, and what promises read by name. */
export function readableWithoutPromise(promises: readonly PledgePromise[], commands: readonly string[]): string[] {
  return [...new Set([...LIBRARIES, ...ALWAYS_READABLE, ...commands, ...impliedPaths(promises)])];
}
