/** Rules that ask for several values under one mask are decided by ranges, between which lie values that no rule names. */

import { compile, type SeccompPolicy } from 'cloister/seccomp';
import { expect, it } from 'vitest';

function policyOf(mask: number, values: readonly number[]): SeccompPolicy {
  return {
    defaultAction: { errno: 'EPERM' },
    architectures: ['x86_64'],
    rules: values.map((value) => ({
      syscalls: 'ptrace',
      action: 'allow',
      args: [{ index: 0, op: '&==', width: 64, mask, value }],
    })),
  };
}

function subsetsOf(mask: number): number[] {
  return Array.from({ length: mask + 1 }, (_, value) => value).filter((value) => (value & ~mask) === 0);
}

it.each([0x3, 0x5, 0x9, 0xa, 0x11, 0x15, 0x19, 0x2c])('of mask %i only the values that are named pass', (mask) => {
  const possible = subsetsOf(mask);
  // Every choice of values, but for a few thousand of the widest masks.
  const choices = Math.min(2 ** possible.length, 256);
  for (let choice = 1; choice < choices; choice++) {
    const named = possible.filter((_, index) => (choice & (1 << index)) !== 0);
    const program = compile(policyOf(mask, named));
    const passing = Array.from({ length: 128 }, (_, value) => value).filter(
      (value) => program.evaluate({ arch: 'x86_64', syscall: 'ptrace', args: [BigInt(value)] }).action === 'allow',
    );
    expect(passing, `values ${named.join()}`).toEqual(
      Array.from({ length: 128 }, (_, value) => value).filter((value) => named.includes(value & mask)),
    );
  }
});

it('of a mask with gaps the value above all named ones is refused', () => {
  const program = compile(policyOf(0x9, [0, 1]));
  const action = (value: bigint) => program.evaluate({ arch: 'x86_64', syscall: 'ptrace', args: [value] }).action;
  expect([0n, 1n, 6n, 8n, 9n, 0xffff_ffff_ffff_fff6n, 0xffff_ffff_ffff_ffffn].map(action)).toEqual([
    'allow',
    'allow',
    'allow',
    ...Array.from({ length: 2 }, () => ({ errno: 'EPERM' })),
    'allow',
    { errno: 'EPERM' },
  ]);
});
