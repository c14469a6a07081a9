/** Policies and calls from a seed. The constants are chosen so that rules overlap, contradict and touch each other. */

import type {
  ArgCondition,
  SeccompAction,
  SeccompArch,
  SeccompPolicy,
  SeccompRule,
} from '../../../lib/policy/seccomp-types.js';
import type { RawCall } from './reference.js';

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 2654435761 + 1) >>> 0;
  }

  /** From 0 to below `bound`. */
  below(bound: number): number {
    // Mulberry32.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

const ACTIONS: readonly SeccompAction[] = [
  'allow',
  'allow',
  'allow',
  { errno: 1 },
  { errno: 'EACCES' },
  { errno: 38 },
  'kill-process',
  'kill-thread',
  'log',
  'trap',
  { trace: 7 },
  { trace: 0 },
  'notify',
];
const ARCH_SETS: readonly (readonly SeccompArch[])[] = [
  ['x86_64'],
  ['x86_64'],
  ['x86_64'],
  ['aarch64'],
  ['x86_64', 'x86', 'x32'],
  ['x86_64', 'x32'],
  ['x32'],
  ['x86'],
  ['arm', 'aarch64'],
  ['riscv64'],
  ['x86_64', 'x86', 'x32', 'aarch64', 'arm', 'riscv64'],
];
const NAMES = [
  'read',
  'write',
  'openat',
  'socket',
  'socketpair',
  'ioctl',
  'fcntl',
  'mmap',
  'clone',
  'prctl',
  'kill',
  'personality',
  'semop',
  'shmat',
  'socketcall',
  'ipc',
  'futex',
  'setsockopt',
  'getpid',
  'exit_group',
];
const NUMBERS = [0, 1, 2, 41, 56, 102, 117, 334, 338, 400, 470, 471, 472, 600, 100000];
const OPS = ['==', '!=', '<', '<=', '>', '>=', '&=='] as const;

function constant(random: Random, wide: boolean): bigint {
  const small = [
    0n,
    1n,
    2n,
    3n,
    4n,
    5n,
    7n,
    8n,
    16n,
    38n,
    40n,
    0x7fn,
    0x80n,
    0xffn,
    0x100n,
    0x20000n,
    0x7e020000n,
    0x7fffffffn,
    0x80000000n,
    0xfffffffen,
    0xffffffffn,
  ];
  const large = [
    0x100000000n,
    0x100000005n,
    0x1ffffffffn,
    0x200000000n,
    0x7fffffffffffffffn,
    0x8000000000000000n,
    0xffffffff00000000n,
    0xffffffff80000000n,
    0xfffffffffffffffen,
    0xffffffffffffffffn,
  ];
  return wide && random.chance(40) ? random.pick(large) : random.pick(small);
}

function condition(random: Random): ArgCondition {
  const width = random.pick([32, 64] as const);
  const op = random.pick(OPS);
  const index = random.pick([0, 0, 0, 1, 1, 2, 3, 4, 5] as const);
  const value = constant(random, width === 64);
  if (op === '&==') {
    const mask = random.pick([
      0xffn,
      3n,
      7n,
      0x800n,
      0x7e020000n,
      constant(random, width === 64),
      constant(random, width === 64) | 5n,
    ]);
    return { index, op, width, mask, value: random.chance(85) ? value & mask : value };
  }
  const signed = random.chance(10) ? BigInt.asIntN(width, value) : value;
  const written = signed >= -(2n ** 53n) && signed < 2n ** 53n && random.chance(50) ? Number(signed) : signed;
  return { index, op, width, value: written };
}

function rule(random: Random, single: boolean): SeccompRule {
  const count = single ? 1 : random.pick([1, 1, 2, 5]);
  const syscalls = Array.from({ length: count }, () =>
    random.chance(70) ? random.pick(single ? NAMES.slice(0, 3) : NAMES) : random.pick(NUMBERS),
  );
  const conditions = random.pick([0, 1, 1, 1, 2, 2, 3, 6]);
  const args = Array.from({ length: conditions }, () => condition(random));
  return {
    syscalls: syscalls.length === 1 && random.chance(50) ? syscalls[0]! : syscalls,
    action: random.pick(ACTIONS),
    ...(args.length > 0 ? { args } : {}),
  };
}

export function randomPolicy(random: Random): SeccompPolicy {
  const single = random.chance(50);
  const rules = Array.from({ length: random.pick([1, 2, 3, 4, 6, 10, 16]) }, () => rule(random, single));
  return {
    defaultAction: random.pick(ACTIONS),
    architectures: random.pick(ARCH_SETS),
    ...(random.chance(30) ? { foreignArchAction: random.pick(ACTIONS) } : {}),
    ...(random.chance(30) ? { unknownSyscallAction: random.pick(ACTIONS) } : {}),
    rules,
  };
}

/** Values on and beside the constants of the policy, with bits changed that a narrow comparison must not see. */
function argument(random: Random, constants: readonly bigint[]): bigint {
  const base = constants.length > 0 && random.chance(90) ? random.pick(constants) : constant(random, true);
  const changed = random.pick([
    base,
    base,
    base,
    base + 1n,
    base - 1n,
    base ^ (1n << 31n),
    base ^ (1n << 32n),
    base ^ (1n << 63n),
    base | 0xffffffff00000000n,
    ~base,
    base | 0x800n,
  ]);
  return BigInt.asUintN(64, changed);
}

const MACHINES = ['x86_64', 'x86', 'aarch64', 'arm', 'riscv64'] as const;

export function randomCall(random: Random, policy: SeccompPolicy, numbers: readonly number[]): RawCall {
  const constants = policy.rules.flatMap(({ args = [] }) =>
    args.flatMap(({ value, mask = 0 }) => [BigInt(value), BigInt(value) | (~BigInt(mask) & 0xffffffffffffffffn)]),
  );
  const own = policy.architectures ?? ['x86_64'];
  const wanted = random.chance(95) ? random.pick(own) : random.pick(MACHINES);
  const machine = wanted === 'x32' ? 'x86_64' : wanted;
  const base = random.chance(85)
    ? random.pick(numbers)
    : random.pick([0, 334, 471, 472, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000029, 0xfffffffe, 0xffffffff]);
  const number = wanted === 'x32' && base < 0x40000000 ? base + 0x40000000 : base;
  return { machine, number, args: Array.from({ length: 6 }, () => argument(random, constants)) };
}

/** Numbers that the policy's rules may be about. */
export function numbersOf(
  policy: SeccompPolicy,
  numberOf: (name: string, arch: SeccompArch) => number | undefined,
): number[] {
  const archs = policy.architectures ?? (['x86_64'] as const);
  const named = policy.rules.flatMap(({ syscalls }) => (typeof syscalls === 'object' ? [...syscalls] : [syscalls]));
  const multiplexers = archs.includes('x86') ? [102, 117] : [];
  return [
    0,
    ...multiplexers,
    ...named.flatMap((syscall) =>
      typeof syscall === 'number' ? [syscall] : archs.flatMap((arch) => numberOf(syscall, arch) ?? []),
    ),
  ];
}
