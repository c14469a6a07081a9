import { expect, test } from 'vitest';

import { compile, compileMerged } from '../../../lib/filter/compile.js';
import { programFromBytes } from '../../../lib/filter/program.js';
import { fromOci } from '../../../lib/policy/oci.js';
import type { SeccompPolicy } from '../../../lib/policy/seccomp-types.js';

const open: SeccompPolicy = { defaultAction: 'allow', architectures: ['x86_64'], rules: [] };
const profile = { defaultAction: 'SCMP_ACT_ALLOW' };
const allowing = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];

/** A policy that holds itself so often that it stands for 2^28 values. */
function bomb(): unknown {
  let rules: unknown = [1];
  for (let level = 0; level < 28; level++) {
    rules = [rules, rules];
  }
  return { ...open, rules };
}

test.each<[string, () => unknown]>([
  ['capabilities in one text', () => fromOci(profile, { capabilities: 'CAP_SYS_ADMIN' as never })],
  ['a capability that is a number', () => fromOci(profile, { capabilities: [5 as never] })],
  ['a kernel that is a number', () => fromOci(profile, { kernel: 5.15 as never })],
  ['options of null for a profile', () => fromOci(profile, null as never)],
  ['options of null', () => compile(open, null as never)],
  ['an unknown option', () => compile(open, { weight: {} } as never)],
  ['weights of null', () => compile(open, { weights: null as never })],
  ['a weight for no system call', () => compile(open, { weights: { raed: 5 } })],
  ['no cache by a word', () => compile(open, { withoutCache: 'yes' as never })],
  ['no list of policies', () => compileMerged(null as never)],
  ['no policy', () => compileMerged([])],
  ['more policies than one program can have', () => compileMerged(Array.from({ length: 17 }, () => open))],
  [
    'errno 0, whatever the options',
    () => compileMerged([{ ...open, defaultAction: { errno: 0 } }], { own: [0] } as never),
  ],
  ['a policy that holds itself many times over', () => compile(bomb() as never)],
  ['no call', () => compile(open).isCached(undefined as never)],
  ['a program that is a text', () => programFromBytes('abcdefgh' as never, ['x86_64'])],
  ['half an instruction', () => programFromBytes(new Uint8Array(4), ['x86_64'])],
  [
    'a jump out of the program',
    () => programFromBytes(new Uint8Array([5, 0, 0, 0, 1, 0, 0, 0, ...allowing]), ['x86_64']),
  ],
  ['an odd load', () => programFromBytes(new Uint8Array([0x20, 0, 0, 0, 2, 0, 0, 0, ...allowing]), ['x86_64'])],
  ['no return at the end', () => programFromBytes(new Uint8Array([0x54, 0, 0, 0, 0, 0, 0, 0]), ['x86_64'])],
  ['no architectures of a program', () => programFromBytes(new Uint8Array(allowing), undefined as never)],
  ['an unknown architecture of a program', () => programFromBytes(new Uint8Array(allowing), ['zzz' as never])],
])('%s is refused as ERR_CLOISTER_POLICY', (_, call) => {
  expect(call).toThrow(expect.objectContaining({ code: 'ERR_CLOISTER_POLICY' }));
});

test('an error number that the kernel would cut is shown as such', () => {
  const text = programFromBytes(new Uint8Array([0x06, 0, 0, 0, 0x88, 0x13, 5, 0]), ['x86_64']).disassemble();
  expect(text).toContain('errno 5000, which the kernel cuts to 4095');
});
