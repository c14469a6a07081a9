/** Promises about files, where flags and modes decide. */

import type { SeccompRule } from '../seccomp-types.js';
import type { PledgePromise } from '../types.js';
import { allow, allowValues, bits, without } from './rules.js';

type Held = (promise: PledgePromise) => boolean;

/** asm-generic/fcntl.h; the same on all architectures of ours. */
const O_ACCMODE = 0x3;
const O_WRONLY = 0x1;
const O_RDWR = 0x2;
const O_CREAT = 0x40;
const O_EXCL = 0x80;
const O_TRUNC = 0x200;
/** Not O_TMPFILE: that one has O_DIRECTORY's bit too, which reading a directory needs. */
const TMPFILE_BIT = 0x40_0000;

/** S_ISUID, S_ISGID, S_ISVTX: a file made here must not run with another user's rights elsewhere. */
const SPECIAL_MODE = 0o7000;
const S_IFMT = 0xf000;
/** Plain files (0 means one too), pipes and sockets; no devices. */
const NODE_TYPES = [0, 0x8000, 0x1000, 0xc000];

const AT_EMPTY_PATH = 0x1000;

/** open(path, flags, mode) and openat(directory, path, flags, mode). */
export const OPENS: readonly { readonly call: string; readonly flags: 1 | 2; readonly mode: 2 | 3 }[] = [
  { call: 'open', flags: 1, mode: 2 },
  { call: 'openat', flags: 2, mode: 3 },
];

/** Flags of an open that asks for more than reading what is there. */
export const READ_ONLY: number = O_ACCMODE | O_TRUNC | O_CREAT | TMPFILE_BIT;

/** Opening asks for what the flags say: reading, writing, creating, cutting off; each needs its promise. */
function openRules(held: Held): SeccompRule[] {
  const write = held('wpath');
  const create = held('cpath');
  const read = held('rpath');
  // Those promises read a few files whose names only Landlock can tell.
  const readOnly = read || held('dns') || held('getpw') || held('ps') || held('vminfo');
  const making = O_CREAT | TMPFILE_BIT;
  return OPENS.flatMap(({ call, flags, mode }) => {
    const rules: SeccompRule[] = [];
    const open = (mask: number, value: number) => rules.push(allow(call, bits(flags, mask, value)));
    const make = (mask: number, value: number) => {
      if (create) {
        rules.push(allow(call, bits(flags, mask, value), without(mode, SPECIAL_MODE)));
      }
    };
    if (readOnly) {
      open(READ_ONLY, 0);
    }
    if (read) {
      make(O_ACCMODE | O_TRUNC, 0);
    }
    if (write) {
      open(O_ACCMODE | making, O_WRONLY);
      make(O_ACCMODE, O_WRONLY);
    }
    if (read && write) {
      open(O_ACCMODE | making, O_RDWR);
      open(O_ACCMODE | O_TRUNC | making, O_TRUNC);
      make(O_ACCMODE, O_RDWR);
      make(O_ACCMODE | O_TRUNC, O_TRUNC);
    }
    if (held('tmppath')) {
      // The shape of mkstemp(3): a new file, never one that is there. Which directory is for Landlock.
      const shape = O_ACCMODE | O_CREAT | O_EXCL | TMPFILE_BIT;
      rules.push(allow(call, bits(flags, shape, O_RDWR | O_CREAT | O_EXCL), without(mode, SPECIAL_MODE)));
    }
    return rules;
  });
}

function modeRules(held: Held): SeccompRule[] {
  const rules: SeccompRule[] = [];
  if (held('fattr')) {
    rules.push(allow('chmod fchmod', without(1, SPECIAL_MODE)), allow('fchmodat fchmodat2', without(2, SPECIAL_MODE)));
  }
  if (held('cpath') && held('wpath')) {
    rules.push(allow('creat', without(1, SPECIAL_MODE)));
  }
  if (held('dpath')) {
    for (const type of NODE_TYPES) {
      rules.push(
        allow('mknod', bits(1, S_IFMT | SPECIAL_MODE, type)),
        allow('mknodat', bits(2, S_IFMT | SPECIAL_MODE, type)),
      );
    }
  }
  if (held('tmppath')) {
    // Files; AT_REMOVEDIR is cpath's.
    rules.push(allow('unlinkat', bits(2, 0xffff_ffff, 0)));
  }
  return rules;
}

/** fcntl.h: F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL, F_DUPFD_CLOEXEC, F_SETPIPE_SZ F_GETPIPE_SZ, F_ADD_SEALS F_GET_SEALS. */
const DESCRIPTOR_COMMANDS = [0, 1, 2, 3, 4, 1030, 1031, 1032, 1033, 1034];
/** F_GETLK F_SETLK F_SETLKW, the same for large files (12 to 14, where registers are short), and for open file descriptions. */
const LOCK_COMMANDS = [5, 6, 7, 12, 13, 14, 36, 37, 38];
/** F_SETOWN F_GETOWN F_SETSIG F_GETSIG F_SETOWN_EX F_GETOWN_EX: they send signals to others. */
const OWNER_COMMANDS = [8, 9, 10, 11, 15, 16];

/** FIONREAD FIONBIO FIONCLEX FIOCLEX, TCGETS and TIOCGWINSZ: Node.js asks its standard descriptors for the latter two. asm-generic/ioctls.h. */
const HARMLESS_REQUESTS = [0x541b, 0x5421, 0x5450, 0x5451, 0x5401, 0x5413];
/**
 * TCSETS TCSETSW TCSETSF TCSBRK TCXONC TCFLSH TIOCEXCL TIOCNXCL TIOCGPGRP TIOCSPGRP TIOCOUTQ TIOCSWINSZ TIOCSBRK TIOCCBRK TIOCGSID,
 * TCGETS2 TCSETS2 TCSETSW2 TCSETSF2, TIOCGPTN TIOCSPTLCK TIOCGPTPEER. Never TIOCSTI and TIOCLINUX, which type into other programs.
 */
const TERMINAL_REQUESTS = [
  0x5402, 0x5403, 0x5404, 0x5409, 0x540a, 0x540b, 0x540c, 0x540d, 0x540f, 0x5410, 0x5411, 0x5414, 0x5427, 0x5428,
  0x5429, 0x802c_542a, 0x402c_542b, 0x402c_542c, 0x402c_542d, 0x8004_5430, 0x4004_5431, 0x5441,
];
/** SIOCATMARK, asm-generic/sockios.h. */
const MARK_REQUEST = 0x8905;

/** fcntl and ioctl. Only the lower half of a command counts for the kernel, and so it does here. */
function descriptorRules(held: Held): SeccompRule[] {
  const commands = [
    ...(held('stdio') ? DESCRIPTOR_COMMANDS : []),
    ...(held('flock') ? LOCK_COMMANDS : []),
    ...(held('proc') ? OWNER_COMMANDS : []),
  ];
  const requests = [
    ...(held('stdio') || held('tty') ? HARMLESS_REQUESTS : []),
    ...(held('tty') ? TERMINAL_REQUESTS : []),
    ...(held('inet') || held('anet') ? [MARK_REQUEST] : []),
  ];
  return [...allowValues('fcntl fcntl64', 1, commands), ...allowValues('ioctl', 1, requests)];
}

export function fileRules(held: Held): SeccompRule[] {
  return [
    ...openRules(held),
    ...modeRules(held),
    ...descriptorRules(held),
    // glibc's fstat. A caller may still give a path: that is no more than stat, and keeps accidents out, not attackers.
    ...(held('stdio') ? [allow('newfstatat fstatat64', bits(3, AT_EMPTY_PATH, AT_EMPTY_PATH))] : []),
  ];
}
