/** The unpacker's filter, for what Node.js has no call for. */

import { describe, expect, test } from 'vitest';

import { unpackerFilter } from '../../../lib/archive/filter.js';
import type { SeccompCall } from '../../../lib/policy/seccomp-types.js';
import { compile } from '../../../lib/seccomp.js';

const THREAD = 0x10000;
const OTHERS = 0x0f00;

describe('the filter of the unpacker', () => {
  const program = compile({ ...unpackerFilter(false), architectures: ['x86_64'] });
  const answer = (syscall: string, args: SeccompCall['args'] = []): unknown =>
    program.evaluate({ arch: 'x86_64', syscall, args }).action;

  test.each<[string, number[], unknown]>([
    ['setxattr', [], { errno: 'EPERM' }],
    ['fsetxattr', [3], { errno: 'EPERM' }],
    ['fallocate', [3, 1, 0, 4096], { errno: 'EOPNOTSUPP' }],
    ['openat', [0, 0, 0o20200002], { errno: 'EOPNOTSUPP' }],
    ['openat2', [], { errno: 'ENOSYS' }],
    ['ioctl', [3, 0x40086602], { errno: 'EPERM' }],
    ['ioctl', [3, 0x40806685], { errno: 'EPERM' }],
    ['clone', [OTHERS], { errno: 'EPERM' }],
    ['clone3', [], { errno: 'ENOSYS' }],
    ['vfork', [], { errno: 'EPERM' }],
    ['mknodat', [], { errno: 'EPERM' }],
    ['renameat2', [], { errno: 'EPERM' }],
  ])('refuses %s %j', (syscall, args, expected) => {
    expect(named(answer(syscall, args))).toEqual(expected);
  });

  test.each<[string, number[]]>([
    ['clone', [OTHERS | THREAD]],
    ['openat', [0, 0, 0o200000]],
    ['openat', [0, 0, 0o1 | 0o100 | 0o200]],
    ['ioctl', [0, 0x5401]],
    ['linkat', []],
    ['symlinkat', []],
    ['mkdirat', []],
    ['fchmodat', []],
    ['utimensat', []],
    ['write', [1]],
  ])('allows %s %j', (syscall, args) => {
    expect(answer(syscall, args)).toBe('allow');
  });
});

test('an unpacker that takes names away again may do so, and nothing else more', () => {
  const program = compile({ ...unpackerFilter(true), architectures: ['x86_64'] });
  const answer = (syscall: string): unknown => named(program.evaluate({ arch: 'x86_64', syscall }).action);
  const refused = { errno: 'EPERM' };
  expect(['unlink', 'rmdir', 'rename', 'mknod'].map(answer)).toEqual(['allow', 'allow', refused, refused]);
});

test('the filter is one for machines that lack the older calls, too', () => {
  const program = compile({ ...unpackerFilter(false), architectures: ['aarch64'] });
  expect(named(program.evaluate({ arch: 'aarch64', syscall: 'unlinkat' }).action)).toEqual({ errno: 'EPERM' });
});

/** Evaluation tells numbers. */
function named(action: unknown): unknown {
  const names: Record<string, string> = { 1: 'EPERM', 95: 'EOPNOTSUPP', 38: 'ENOSYS' };
  const { errno } = { ...(action as object) } as { errno?: number | string };
  return errno === undefined ? action : { errno: names[errno] ?? errno };
}
