/** What a policy says of a call, read from the policy as it is written, rule by rule. Shares no code with the compiler but the tables. */

import type { ArgCondition, SeccompAction, SeccompArch, SeccompPolicy } from '../../../lib/policy/seccomp-types.js';
import { syscallName, syscallNumber } from '../../../lib/policy/syscalls/lookup.js';
import { argumentWidth } from '../../../lib/policy/syscalls/widths.js';

export interface RawCall {
  /** The architecture that the kernel would name: x86_64 for x32. */
  readonly machine: Exclude<SeccompArch, 'x32'>;
  readonly number: number;
  readonly args: readonly bigint[];
}

const ORDER = ['kill-process', 'kill-thread', 'trap', 'errno', 'notify', 'trace', 'log', 'allow'];

function rank(action: SeccompAction): number {
  const word = typeof action === 'string' ? action : 'errno' in action ? 'errno' : 'trace';
  return ORDER.indexOf(word);
}

export function strictestOf(first: SeccompAction, second: SeccompAction): SeccompAction {
  return rank(second) < rank(first) ? second : first;
}

function archOfNumber({ machine, number }: RawCall, archs: readonly SeccompArch[]): SeccompArch | undefined {
  if (machine === 'x86_64') {
    if (number === 0xffffffff) {
      return archs.find((arch) => arch === 'x86_64') ?? archs.find((arch) => arch === 'x32');
    }
    const found = number >= 0x40000000 ? 'x32' : 'x86_64';
    return archs.includes(found) ? found : undefined;
  }
  return archs.includes(machine) ? machine : undefined;
}

function holds(
  condition: ArgCondition,
  syscall: string | undefined,
  args: readonly bigint[],
  arch: SeccompArch,
): boolean {
  const width = condition.width ?? argumentWidth(syscall, condition.index, arch);
  const modulus = 1n << BigInt(width);
  // A negative number is one of the register, which has 32 bits there.
  const isShort = arch === 'x86' || arch === 'arm';
  const wrap = (written: number | bigint): bigint => {
    const value = BigInt(written);
    return isShort && value < 0n && value >= -0x80000000n
      ? value + 0x100000000n
      : ((value % modulus) + modulus) % modulus;
  };
  const seen = wrap(args[condition.index] ?? 0n);
  const value = wrap(condition.value);
  switch (condition.op) {
    case '==':
      return seen === value;
    case '!=':
      return seen !== value;
    case '<':
      return seen < value;
    case '<=':
      return seen <= value;
    case '>':
      return seen > value;
    case '>=':
      return seen >= value;
    case '&==':
      return (seen & wrap(condition.mask ?? 0)) === value;
  }
}

function sameNumber(written: string | number, arch: SeccompArch, number: number): boolean {
  if (typeof written === 'string') {
    return syscallNumber(written, arch) === number;
  }
  if (arch === 'x32') {
    return (written < 0x40000000 ? written + 0x40000000 : written) === number;
  }
  return written === number;
}

const SOCKETCALLS =
  'socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg'.split(
    ' ',
  );
const IPCS: Record<string, number> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
};

/** Which call a multiplexer of 32-bit x86 is asked for. */
function insideOf(multiplexer: string | undefined, args: readonly bigint[]): string | undefined {
  const selector = Number((args[0] ?? 0n) & 0xffffffffn);
  if (multiplexer === 'socketcall') {
    return SOCKETCALLS[selector - 1];
  }
  if (multiplexer === 'ipc') {
    return Object.keys(IPCS).find((name) => IPCS[name] === (selector & 0xffff));
  }
  return undefined;
}

export function reference(policy: SeccompPolicy, call: RawCall): SeccompAction {
  const arch = archOfNumber(call, policy.architectures ?? ['x86_64']);
  if (arch === undefined) {
    return policy.foreignArchAction ?? 'kill-process';
  }
  const name = syscallName(call.number, arch);
  const inside = arch === 'x86' ? insideOf(name, call.args) : undefined;
  const args = arch === 'x86' || arch === 'arm' ? call.args.map((arg) => arg & 0xffffffffn) : call.args;
  // What hides its arguments behind a pointer cannot be checked: a rule with conditions only bounds it, wherever it stands.
  const hides = (named: readonly (string | undefined)[]): boolean =>
    arch === 'x86' &&
    ((inside !== undefined && named.includes(inside)) ||
      ((name === 'mmap' || name === 'select') && named.includes(name)));
  const rules = policy.rules.map(({ syscalls, args: conditions = [], action }) => {
    const written = typeof syscalls === 'object' ? syscalls : [syscalls];
    const named = written.map((syscall) => (typeof syscall === 'string' ? syscall : syscallName(syscall, arch)));
    return { written, named, conditions, action };
  });
  // Without conditions it decides about the sub-call, unless an earlier rule has: also where the multiplexer as a whole was allowed before.
  const decides = (index: number): boolean =>
    inside !== undefined &&
    rules.findIndex(({ named, conditions }) => conditions.length === 0 && named.includes(inside)) === index;
  const limit = rules
    .filter(({ named, conditions }, index) => (conditions.length > 0 && hides(named)) || decides(index))
    .reduce<SeccompAction>((strictest, { action }) => strictestOf(strictest, action), 'allow');
  for (const { written, named, conditions, action } of rules) {
    const direct = written.some((syscall) => sameNumber(syscall, arch, call.number));
    const checked = conditions.length === 0 || !(name === 'mmap' || name === 'select') || arch !== 'x86';
    if (direct && checked && conditions.every((condition) => holds(condition, name, args, arch))) {
      return strictestOf(limit, action);
    }
    if (conditions.length === 0 && inside !== undefined && named.includes(inside)) {
      return strictestOf(limit, action);
    }
  }
  if (name !== undefined) {
    return strictestOf(limit, policy.defaultAction);
  }
  const refuses = ['kill-process', 'kill-thread', 'trap', 'errno'].includes(ORDER[rank(policy.defaultAction)] ?? '');
  return strictestOf(limit, policy.unknownSyscallAction ?? (refuses ? { errno: 'ENOSYS' } : policy.defaultAction));
}
