/** Policies as bytes for the compiler. Counterpart of native/seccomp/decode.cc. */

import { ByteWriter } from '../native/writer.js';
import type { SeccompArch } from '../policy/seccomp-types.js';
import { knownNumbers } from '../policy/syscalls/lookup.js';
import { OPERATORS, type ResolvedArch, type ResolvedPolicy, type ResolvedRule } from './resolved.js';

const REQUEST_VERSION = 1;

/** Numbers of Arch in native/seccomp/policy.h. */
const ARCHS: Readonly<Record<SeccompArch, number>> = { x86_64: 0, x86: 1, x32: 2, aarch64: 3, arm: 4, riscv64: 5 };

export interface EncodedWeight {
  readonly arch: SeccompArch;
  readonly number: number;
  /** Relative to the others, a whole number. */
  readonly weight: number;
}

export interface RequestOptions {
  readonly weights: readonly EncodedWeight[];
  /** For kernels before 5.11, which run the program at every call. */
  readonly withoutCache: boolean;
}

export function encodeRequest(
  policies: readonly ResolvedPolicy[],
  { weights, withoutCache }: RequestOptions,
): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(REQUEST_VERSION);
  writer.flag(withoutCache);
  writer.u32(weights.length);
  for (const { arch, number, weight } of weights) {
    writer.u32(ARCHS[arch]);
    writer.u32(number);
    writer.u32(weight);
  }
  writer.u32(policies.length);
  for (const policy of policies) {
    writer.u32(policy.defaultAnswer);
    writer.u32(policy.foreignAnswer);
    writer.u32(policy.unknownAnswer);
    writer.u32(policy.architectures.length);
    for (const section of policy.architectures) {
      encodeArch(writer, section);
    }
  }
  return writer.finish();
}

function encodeArch(writer: ByteWriter, { arch, rules }: ResolvedArch): void {
  writer.u32(ARCHS[arch]);
  const known = knownNumbers(arch);
  writer.u32(known.length);
  for (const [first, last] of known) {
    writer.u32(first);
    writer.u32(last);
  }
  const used = rules.filter(({ numbers }) => numbers.length > 0);
  writer.u32(used.length);
  for (const rule of used) {
    encodeRule(writer, rule);
  }
}

function encodeRule(writer: ByteWriter, { answer, limit, numbers, conditions }: ResolvedRule): void {
  writer.u32(answer);
  writer.flag(limit);
  writer.u32(numbers.length);
  for (const number of numbers) {
    writer.u32(number);
  }
  writer.u32(conditions.length);
  for (const { index, op, wide, value, mask } of conditions) {
    writer.u32(index);
    writer.u32(OPERATORS[op]);
    writer.flag(wide);
    writer.u64(value);
    writer.u64(mask);
  }
}
