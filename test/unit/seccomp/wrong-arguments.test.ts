import { expect, test } from 'vitest';

import { compile, compileMerged } from '../../../lib/filter/compile.js';
import { explain } from '../../../lib/filter/explain.js';
import { programFromBytes } from '../../../lib/filter/program.js';
import { fromOci } from '../../../lib/policy/oci.js';
import { pledgePolicy } from '../../../lib/policy/promises.js';
import { thrownBy } from '../../support/errors.js';
import type { SeccompPolicy } from '../../../lib/policy/seccomp-types.js';

const open: SeccompPolicy = { defaultAction: 'allow', architectures: ['x86_64'], rules: [] };
const profile = { defaultAction: 'SCMP_ACT_ALLOW' };
const call = { arch: 'x86_64', syscall: 0 } as const;
const allowing = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];

/** A policy that holds itself so often that it stands for 2^28 values. */
function bomb(): unknown {
  let rules: unknown = [1];
  for (let level = 0; level < 28; level++) {
    rules = [rules, rules];
  }
  return { ...open, rules };
}

/** Whatever is done with it throws. */
function revoked<Value extends object>(value: Value): Value {
  const { proxy, revoke } = Proxy.revocable(value, {});
  revoke();
  return proxy;
}

const throwing = {
  get arch(): never {
    throw new Error('no');
  },
};

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

function on(syscalls: unknown, args: unknown[] = []): SeccompPolicy {
  return { ...open, rules: [{ syscalls, action: 'trap', args }] } as never;
}

function compared(value: unknown, width: 32 | 64): SeccompPolicy {
  return on('ptrace', [{ index: 0, op: '==', value, width }]);
}

test.each<[string, () => unknown]>([
  ['a policy that cannot be read', () => compile(revoked(open))],
  ['a list of policies that cannot be read', () => compileMerged(revoked([open]))],
  ['options that cannot be read', () => compile(open, revoked({}))],
  ['options of an import that cannot be read', () => fromOci(profile, throwing)],
  ['an unknown option of an import', () => fromOci(profile, { kernal: '5.10' } as never)],
  ['a profile that cannot be read', () => fromOci(revoked(profile))],
  ['options of promises that cannot be read', () => pledgePolicy('stdio', throwing)],
  ['options of null for promises', () => pledgePolicy('stdio', null as never)],
  ['promises that cannot be read', () => pledgePolicy(revoked(['stdio'] as const))],
  ['signals to no process', () => pledgePolicy('stdio', { signals: { pid: -1 } })],
  ['signals to a word', () => pledgePolicy('stdio', { signals: 'all' as never })],
  ['a call that cannot be read', () => compile(open).evaluate(throwing as never)],
  ['a call whose arguments are null', () => compile(open).evaluate({ ...call, args: null as never })],
  ['a call whose arguments cannot be read', () => compile(open).evaluate({ ...call, args: revoked([1]) })],
  ['a call with seven arguments', () => explain(open, { ...call, args: [1, 2, 3, 4, 5, 6, 7] })],
  ['a call with a number of 65 bits', () => explain(open, { ...call, args: [2n ** 64n] })],
  ['a program whose bytes were given away', () => programFromBytes(detached(), ['x86_64'])],
  ['2^32 for 32 bits', () => compile(compared(2 ** 32, 32))],
  ['-2^31 - 1 for 32 bits', () => compile(compared(-(2 ** 31) - 1, 32))],
  ['2^64 for 64 bits', () => compile(compared(2n ** 64n, 64))],
  ['-2^63 - 1 for 64 bits', () => compile(compared(-(2n ** 63n) - 1n, 64))],
  ['2^53, which may have been another number', () => compile(compared(2 ** 53, 64))],
  ['a fraction', () => compile(compared(0.5, 64))],
  ['a number as text', () => compile(compared('1', 64))],
  ['the number 2^32 of a call', () => compile(on(2 ** 32))],
  ['the number -1 in a rule', () => compile(on(-1))],
  ['a number of x32 where x32 is foreign', () => compile(on(0x4000_0000))],
  ['the name of a member of all objects', () => compile(on('constructor'))],
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

test.each([
  [2 ** 32 - 1, 32, [2n ** 32n - 1n, 2n ** 64n - 1n], [0n, 2n ** 32n]],
  [-(2 ** 31), 32, [2n ** 31n], [0n, 2n ** 32n]],
  [2n ** 63n, 64, [2n ** 63n], [0n, 2n ** 31n]],
  [-(2n ** 63n), 64, [2n ** 63n], [0n, 2n ** 31n]],
  [2n ** 64n - 1n, 64, [2n ** 64n - 1n], [2n ** 32n - 1n, 0n]],
  [-1, 64, [2n ** 64n - 1n], [2n ** 32n - 1n, 0n]],
] as const)('%s with %i bits is that number', (value, width, same, others) => {
  const program = compile(compared(value, width));
  const answer = (argument: bigint) => program.evaluate({ arch: 'x86_64', syscall: 'ptrace', args: [argument] }).action;
  expect(same.map(answer)).toEqual(same.map(() => 'trap'));
  expect(others.map(answer)).toEqual(others.map(() => 'allow'));
});

test('a list that grows while it is read has the length that it had first', () => {
  let asked = 0;
  const growing = new Proxy([open], {
    get: (target, key, receiver) =>
      key === 'length' && asked++ > 0 ? 2 ** 32 - 1 : (Reflect.get(target, key, receiver) as unknown),
  });
  expect(compileMerged(growing).evaluate(call).action).toBe('allow');
  expect(asked).toBe(1);
});

test('a call is read once', () => {
  let reads = 0;
  const changing = {
    syscall: 0,
    get arch() {
      return reads++ === 0 ? 'x86_64' : 'x86';
    },
  } as const;
  expect(explain(open, changing).action).toBe('allow');
  expect(reads).toBe(1);
});

test('of very many issues a thousand are told, and how many there are', () => {
  const names = Array.from({ length: 1234 }, (_, index) => `no${index}`);
  const { issues } = thrownBy(() => compile(on(names)));
  expect(issues).toHaveLength(1001);
  expect(issues?.at(-1)?.message).toBe('and 234 more issues');
});

test('too many issues to list are an issue', () => {
  const rules = Array.from({ length: 150_000 }, () => 5);
  const { issues } = thrownBy(() => compile({ ...open, rules } as never));
  expect(issues).toEqual([{ code: 'too-long', path: '', message: 'has too many mistakes to list them' }]);
});

test('sub-calls of 32-bit x86 may be named any number of times', () => {
  const rule = { syscalls: Array.from({ length: 200_000 }, () => 'socket'), action: 'trap' } as const;
  const limited = { ...rule, args: [{ index: 0, op: '==', value: 2 }] } as const;
  const program = compile({ ...open, architectures: ['x86'], rules: [limited, rule] });
  expect(program.evaluate({ arch: 'x86', syscall: 'socketcall', args: [1] }).action).toBe('trap');
  expect(program.evaluate({ arch: 'x86', syscall: 'socketcall', args: [2] }).action).toBe('allow');
});

test('thousands of answers in front of thousands of rules are too long, and told so', () => {
  const rules = Array.from({ length: 1500 }, (_, index) => ({
    syscalls: 'ioctl',
    action: { errno: 1 + index },
    args: [
      { index: 1, op: '==', value: index * 7919 },
      { index: 2, op: '>=', value: index * 31 },
    ],
  }));
  const { issues } = thrownBy(() =>
    compileMerged([
      { ...open, rules },
      { ...open, rules },
    ] as never),
  );
  expect(issues).toMatchObject([{ code: 'too-long', path: '' }]);
});
