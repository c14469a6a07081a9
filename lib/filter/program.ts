/** A compiled filter. */

import { types } from 'node:util';

import { type PolicyIssue, policyError } from '../errors.js';
import { loadNative } from '../native/binding.js';
import type { SeccompFunctions } from '../native/seccomp-functions.js';
import { describe } from '../policy/issues.js';
import type { SeccompAction, SeccompArch, SeccompCall, SeccompProgram } from '../policy/seccomp-types.js';
import { archIssue } from '../policy/syscalls/arch.js';
import { largestTableNumber } from '../policy/syscalls/lookup.js';
import { actionOf } from './answer.js';
import { type CallData, resolveCall } from './call.js';
import { disassemble } from './disassemble.js';
import { programProblem } from './structure.js';

const INSTRUCTION_SIZE = 8;

export function seccompFunctions(): SeccompFunctions {
  return loadNative().addon as unknown as SeccompFunctions;
}

export class CompiledProgram implements SeccompProgram {
  readonly bytes: Uint8Array;
  readonly length: number;
  // What users hold may be written to; what is interpreted stays what was compiled.
  readonly #bytes: Uint8Array;
  readonly #architectures: readonly SeccompArch[];
  readonly #spelling: ReadonlyMap<number, SeccompAction>;

  constructor(bytes: Uint8Array, architectures: readonly SeccompArch[], spelling: ReadonlyMap<number, SeccompAction>) {
    this.#bytes = bytes;
    this.#architectures = architectures;
    this.#spelling = spelling;
    this.bytes = new Uint8Array(bytes);
    this.length = bytes.length / INSTRUCTION_SIZE;
  }

  disassemble(): string {
    return disassemble(this.#bytes, this.#architectures);
  }

  evaluate(call: SeccompCall): { action: SeccompAction; executed: number } {
    const { answer, executed } = seccompFunctions().seccompEvaluate(this.#bytes, encodeCall(resolveCall(call)));
    return { action: this.#spelling.get(answer) ?? actionOf(answer), executed };
  }

  isCached(call: Pick<SeccompCall, 'arch' | 'syscall'>): boolean {
    const { arch, number, audit } = resolveCall(call);
    // The cache has an entry for each number of the kernel's own table and of that of its 32-bit companion; x32's numbers lie beyond.
    if (arch === 'x32' || number > largestTableNumber(arch)) {
      return false;
    }
    return seccompFunctions().seccompIsConstantAllow(this.#bytes, number, audit);
  }
}

/**
 * A program that somebody else compiled, to read, ask and compare it.
 *
 * @throws ERR_CLOISTER_POLICY for bytes that are no such program: 1 to 4096 whole instructions, none but those that ours are made of, as the kernel
 * would take them (seccomp_check_filter, bpf_check_classic).
 */
export function programFromBytes(bytes: Uint8Array, architectures: readonly SeccompArch[]): SeccompProgram {
  // One whose buffer was transferred away has no length, and no copy.
  const copy = types.isUint8Array(bytes) ? new Uint8Array(bytes.length === 0 ? [] : bytes) : undefined;
  const problem = copy === undefined ? `must be a Uint8Array, not ${describe(bytes)}` : programProblem(copy);
  const issues: PolicyIssue[] = problem === undefined ? [] : [{ code: 'wrong-type', path: 'bytes', message: problem }];
  if (!Array.isArray(architectures)) {
    const message = `must be an array of architectures, not ${describe(architectures)}`;
    issues.push({ code: 'wrong-type', path: 'architectures', message });
  } else {
    issues.push(...architectures.flatMap((arch, index) => archIssue(arch, `architectures[${index}]`) ?? []));
  }
  if (copy === undefined || issues.length > 0) {
    throw policyError(issues, 'argument');
  }
  return new CompiledProgram(copy, [...architectures], new Map());
}

/** struct seccomp_data of linux/seccomp.h. */
function encodeCall({ number, audit, args, instructionPointer }: CallData): Uint8Array {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(audit, 4);
  data.writeBigUInt64LE(instructionPointer, 8);
  for (const [index, arg] of args.entries()) {
    data.writeBigUInt64LE(arg, 16 + 8 * index);
  }
  return data;
}
