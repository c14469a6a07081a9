/** One system call as a filter sees it, from what users write. */

import { type PolicyIssue, policyError } from '../errors.js';
import { describe, unknownWord } from '../policy/issues.js';
import type { SeccompArch, SeccompCall } from '../policy/seccomp-types.js';
import { Snapshot } from '../policy/snapshot.js';
import { archIssue, AUDIT_ARCH, hasShortRegisters } from '../policy/syscalls/arch.js';
import { syscallName, syscallNames, syscallNumber, X32_BIT } from '../policy/syscalls/lookup.js';

export interface CallData {
  readonly arch: SeccompArch;
  readonly number: number;
  /** Of the number, where there is one. */
  readonly name: string | undefined;
  readonly audit: number;
  /** Six. */
  readonly args: readonly bigint[];
  readonly instructionPointer: bigint;
}

/** @throws ERR_CLOISTER_POLICY with everything that is wrong with the call. */
export function resolveCall(call: SeccompCall): CallData {
  const issues: PolicyIssue[] = [];
  const { arch, syscall, args = [], instructionPointer = 0 } = checkShape(call);
  const wrongArch = archIssue(arch, 'arch');
  if (wrongArch !== undefined) {
    throw policyError([wrongArch], 'call');
  }
  const number = readNumber(syscall, arch, issues);
  if (!Array.isArray(args) || args.length > 6) {
    issues.push({
      code: 'wrong-type',
      path: 'args',
      message: `must be an array of at most six numbers, not ${Array.isArray(args) ? `${args.length} of them` : describe(args)}`,
    });
  }
  const words = Array.from({ length: 6 }, (_, index) =>
    readWord(Array.isArray(args) ? (args[index] ?? 0) : 0, `args[${index}]`, issues),
  );
  const pointer = readWord(instructionPointer, 'instructionPointer', issues);
  if (issues.length > 0) {
    throw policyError(issues, 'call');
  }
  // A register of 32 bits: the kernel shows zero in the upper half, whatever the caller meant.
  const width = hasShortRegisters(arch) ? 32 : 64;
  return {
    arch,
    number,
    name: syscallName(number, arch),
    audit: AUDIT_ARCH[arch],
    args: words.map((word) => BigInt.asUintN(width, word)),
    instructionPointer: BigInt.asUintN(width, pointer),
  };
}

/** A copy: getters run once. */
function checkShape(call: unknown): SeccompCall {
  const snapshot = new Snapshot();
  const copy = snapshot.take(call);
  if (snapshot.issues.length > 0) {
    throw policyError(snapshot.issues, 'call');
  }
  if (typeof copy !== 'object' || copy === null) {
    throw policyError([{ code: 'wrong-type', path: '', message: `must be an object, not ${describe(call)}` }], 'call');
  }
  return copy as SeccompCall;
}

function readNumber(syscall: unknown, arch: SeccompArch, issues: PolicyIssue[]): number {
  if (typeof syscall === 'string') {
    const number = syscallNumber(syscall, arch);
    if (number === undefined) {
      const message = syscallNames().has(syscall)
        ? `${arch} has no number for ${syscall}`
        : unknownWord('system call', syscall, syscallNames());
      issues.push({ code: 'unknown-value', path: 'syscall', message });
    }
    return number ?? 0;
  }
  if (typeof syscall !== 'number' || !Number.isInteger(syscall) || syscall < -1 || syscall > 0xffffffff) {
    issues.push({
      code: 'out-of-range',
      path: 'syscall',
      message: `must be the name or the number of a system call, not ${describe(syscall)}`,
    });
    return 0;
  }
  const number = syscall >>> 0;
  return arch === 'x32' && number < X32_BIT ? number + X32_BIT : number;
}

function readWord(value: unknown, path: string, issues: PolicyIssue[]): bigint {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) {
    const word = BigInt(value);
    if (word >= -(2n ** 63n) && word < 2n ** 64n) {
      return BigInt.asUintN(64, word);
    }
  }
  issues.push({
    code: 'out-of-range',
    path,
    message: `must be a whole number of at most 64 bits, not ${describe(value)}`,
  });
  return 0n;
}
