/** A compiled filter. */

import { policyError } from '../errors.js';
import { loadNative } from '../native/binding.js';
import type { SeccompFunctions } from '../native/seccomp-functions.js';
import type { SeccompAction, SeccompArch, SeccompCall, SeccompProgram } from '../policy/seccomp-types.js';
import { largestTableNumber } from '../policy/syscalls/lookup.js';
import { actionOf } from './answer.js';
import { type CallData, resolveCall } from './call.js';
import { disassemble } from './disassemble.js';

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

  isCached({ arch, syscall }: Pick<SeccompCall, 'arch' | 'syscall'>): boolean {
    const { number, audit } = resolveCall({ arch, syscall });
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
 * @throws ERR_CLOISTER_POLICY for bytes that are no such program: whole instructions, none but those that ours are made of.
 */
export function programFromBytes(bytes: Uint8Array, architectures: readonly SeccompArch[]): SeccompProgram {
  const known = [0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length > 0 && bytes.length % INSTRUCTION_SIZE === 0;
  if (
    !whole ||
    Array.from({ length: bytes.length / INSTRUCTION_SIZE }, (_, at) => view.getUint16(at * 8, true)).some(
      (code) => !known.includes(code),
    )
  ) {
    throw policyError(
      [{ code: 'wrong-type', path: 'bytes', message: 'must be instructions of a seccomp filter' }],
      'argument',
    );
  }
  return new CompiledProgram(new Uint8Array(bytes), architectures, new Map());
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
