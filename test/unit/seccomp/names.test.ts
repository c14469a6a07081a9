import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';

import { syscallName, syscallNumber } from '../../../lib/filter/names.js';
import { errnoNameOf, errnoNumber } from '../../../lib/policy/errno.js';
import { SYSCALL_COLUMNS } from '../../../lib/policy/syscalls/table.js';
import { syscallNames } from '../../../lib/policy/syscalls/lookup.js';
import { argumentWidth } from '../../../lib/policy/syscalls/widths.js';

describe('names and numbers', () => {
  test('differ from architecture to architecture', () => {
    expect(SYSCALL_COLUMNS.map((arch) => syscallNumber('read', arch))).toEqual([0, 3, 0x4000_0000, 63, 3, 63]);
    expect(syscallNumber('open', 'aarch64')).toBeUndefined();
    expect(syscallNumber('set_tls', 'arm')).toBe(0xf0005);
    expect(syscallNumber('rt_sigaction', 'x32')).toBe(0x4000_0200);
  });
  test('lead to each other and back', () => {
    for (const arch of SYSCALL_COLUMNS) {
      for (const name of syscallNames()) {
        const number = syscallNumber(name, arch);
        if (number !== undefined) {
          expect(syscallNumber(syscallName(number, arch) ?? '', arch), `${name} on ${arch}`).toBe(number);
        }
      }
    }
  });
  test('are undefined for what has none', () => {
    expect(syscallNumber('no_such_call', 'x86_64')).toBeUndefined();
    expect(syscallName(337, 'x86_64')).toBeUndefined();
    expect(syscallName(-1, 'x86_64')).toBeUndefined();
  });
  test('of wrong types and unknown architectures are refused', () => {
    expect(() => syscallNumber(5 as never)).toThrow(expect.objectContaining({ code: 'ERR_CLOISTER_POLICY' }));
    expect(() => syscallName(0.5)).toThrow(expect.objectContaining({ code: 'ERR_CLOISTER_POLICY' }));
    expect(() => syscallName(0, 'vax' as never)).toThrow(/vax/);
  });
  const header = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h';
  test.skipIf(!existsSync(header))("agree with this machine's own headers", () => {
    for (const [, name, number] of readFileSync(header, 'utf8').matchAll(/^#define __NR_(\w+) (\d+)$/gm)) {
      expect(syscallNumber(name ?? '', 'x86_64'), name).toBe(Number(number));
    }
  });
});

test('error names agree with Node.js', () => {
  for (const [name, number] of Object.entries(constants.errno)) {
    expect(errnoNumber(name), name).toBe(number);
  }
  expect(errnoNameOf(38)).toBe('ENOSYS');
  expect(errnoNameOf(41)).toBeUndefined();
});

test('arguments have the width that the kernel reads', () => {
  expect(['socket', 'read', 'clone', 'mmap', 'ioctl'].map((name) => argumentWidth(name, 0))).toEqual([
    32, 32, 32, 64, 32,
  ]);
  expect(argumentWidth('read', 1)).toBe(64);
  expect(argumentWidth('ioctl', 1)).toBe(32);
  expect(argumentWidth('ioctl', 2)).toBe(64);
  expect(argumentWidth(undefined, 0)).toBe(64);
});

// One letter for each argument: w for 32 bits, d for 64.
const DECLARED = {
  setxattr: 'ddddwd',
  lsetxattr: 'ddddwd',
  fsetxattr: 'wdddwd',
  move_pages: 'wddddw',
  migrate_pages: 'wddddd',
  sethostname: 'dwdddd',
  setdomainname: 'dwdddd',
  io_setup: 'wddddd',
  timerfd_gettime: 'wddddd',
  ustat: 'wddddd',
  readlink: 'ddwddd',
  mq_notify: 'wddddd',
  mq_getsetattr: 'wddddd',
  get_robust_list: 'wddddd',
  statmount: 'dddwdd',
  listmount: 'dddwdd',
  listns: 'dddwdd',
  setxattrat: 'wdwddd',
  getxattrat: 'wdwddd',
  listxattrat: 'wdwddd',
  removexattrat: 'wdwddd',
  open_tree_attr: 'wdwddd',
  file_getattr: 'wdddwd',
  file_setattr: 'wdddwd',
  lsm_get_self_attr: 'wddwdd',
  lsm_set_self_attr: 'wdwwdd',
  lsm_list_modules: 'ddwddd',
  riscv_hwprobe: 'ddddwd',
  // Declared long, of which the kernel takes the lower half.
  mmap: 'ddddwd',
  mbind: 'ddwddw',
  readv: 'wddddd',
  ptrace: 'dwdddd',
  // Declared long and looked at whole.
  mprotect: 'dddddd',
  mremap: 'dddddd',
  mount: 'dddddd',
  unshare: 'dddddd',
  pkey_alloc: 'dddddd',
  mseal: 'dddddd',
  set_mempolicy_home_node: 'dddddd',
};

test.each(Object.entries(DECLARED))('arguments of %s are compared as %s', (name, letters) => {
  const widths = Array.from(letters, (_, index) => (argumentWidth(name, index) === 32 ? 'w' : 'd'));
  expect(widths.join('')).toBe(letters);
});

test('longs of the entries that x32 has of its own have 32 bits', () => {
  expect([0, 1, 2, 3].map((index) => argumentWidth('ptrace', index, 'x32'))).toEqual([32, 32, 32, 32]);
  expect(argumentWidth('ioctl', 2, 'x32')).toBe(32);
  expect(argumentWidth('ptrace', 0, 'x86_64')).toBe(64);
  expect(argumentWidth('read', 2, 'x32')).toBe(64);
});
