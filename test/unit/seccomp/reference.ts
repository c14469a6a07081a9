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

function holds(condition: ArgCondition, syscall: string | undefined, args: readonly bigint[]): boolean {
  const width = condition.width ?? argumentWidth(syscall, condition.index);
  const modulus = 1n << BigInt(width);
  const wrap = (value: number | bigint): bigint => ((BigInt(value) % modulus) + modulus) % modulus;
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
  let limit: SeccompAction = 'allow';
  for (const rule of policy.rules) {
    const written = typeof rule.syscalls === 'object' ? rule.syscalls : [rule.syscalls];
    const conditions = rule.args ?? [];
    if (
      written.some((syscall) => sameNumber(syscall, arch, call.number)) &&
      conditions.every((condition) => holds(condition, name, args))
    ) {
      return strictestOf(limit, rule.action);
    }
    const named = written.map((syscall) => (typeof syscall === 'string' ? syscall : syscallName(syscall, arch)));
    if (inside !== undefined && named.includes(inside)) {
      if (conditions.length === 0) {
        return strictestOf(limit, rule.action);
      }
      limit = strictestOf(limit, rule.action);
    }
  }
  if (name !== undefined) {
    return strictestOf(limit, policy.defaultAction);
  }
  const refuses = ['kill-process', 'kill-thread', 'trap', 'errno'].includes(ORDER[rank(policy.defaultAction)] ?? '');
  return strictestOf(limit, policy.unknownSyscallAction ?? (refuses ? { errno: 'ENOSYS' } : policy.defaultAction));
}
