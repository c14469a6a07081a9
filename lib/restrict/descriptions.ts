/** The words for the line that a process writes when it ends for a refused call: names of calls, and what each promise allows. */

import { ByteWriter } from '../native/writer.js';
import { promisedCalls } from '../policy/promises.js';
import type { ArgCondition, SeccompArch } from '../policy/seccomp-types.js';
import { syscallName, syscallNumber } from '../policy/syscalls/lookup.js';
import { argumentWidth } from '../policy/syscalls/widths.js';
import type { PledgePromise } from '../policy/types.js';
import { PROMISES } from '../policy/vocabulary.js';

/** enum Comparison of native/threads/sigsys.h. */
const COMPARISONS: Readonly<Record<ArgCondition['op'], number>> = {
  '==': 0,
  '!=': 1,
  '<': 2,
  '<=': 3,
  '>': 4,
  '>=': 5,
  '&==': 6,
};

interface Allowance {
  readonly number: number;
  readonly promise: number;
  readonly args: readonly ArgCondition[];
}

/** Read by DecodeDescriptions in native/binding/restrict_binding.cc. The same for every set of promises, so made once. */
export function describeCalls(arch: SeccompArch): Uint8Array {
  const known = cache.get(arch);
  if (known !== undefined) {
    return known;
  }
  const writer = new ByteWriter();
  const names = Array.from({ length: 512 }, (_, number) => ({ number, name: syscallName(number, arch) }));
  const calls = names.flatMap(({ number, name }) => (name === undefined ? [] : [{ number, name }]));
  writer.u32(calls.length);
  for (const { number, name } of calls) {
    writer.u32(number);
    writer.text(name);
  }
  writer.texts(PROMISES);
  const allowances = PROMISES.flatMap((promise, index) => allowancesOf(promise, index, arch));
  writer.u32(allowances.length);
  for (const { number, promise, args } of allowances) {
    writer.u32(number);
    writer.u32(promise);
    writer.u32(args.length);
    for (const { index, op, value, mask, width } of args) {
      writer.u32(index);
      writer.u32(COMPARISONS[op]);
      writer.flag((width ?? argumentWidth(syscallName(number, arch) ?? '', index)) === 64);
      writer.u64(BigInt.asUintN(64, BigInt(value)));
      writer.u64(BigInt.asUintN(64, BigInt(mask ?? -1)));
    }
  }
  const bytes = writer.finish();
  cache.set(arch, bytes);
  return bytes;
}

const cache = new Map<SeccompArch, Uint8Array>();

/** What a promise adds to none; a file opened for reading and writing takes two promises, of which neither has it alone. */
function allowancesOf(promise: PledgePromise, index: number, arch: SeccompArch): Allowance[] {
  const refused = { errno: 'EPERM' } as const;
  const policy = promisedCalls([promise], {
    violation: refused,
    unknown: refused,
    foreign: refused,
    arch,
    signals: { pid: process.pid },
  });
  return policy.rules.flatMap(({ syscalls, action, args = [] }) => {
    if (action !== 'allow') {
      return [];
    }
    const list = typeof syscalls === 'string' || typeof syscalls === 'number' ? [syscalls] : syscalls;
    return list.flatMap((call) => {
      const number = typeof call === 'number' ? call : syscallNumber(call, arch);
      return number === undefined ? [] : [{ number, promise: index, args }];
    });
  });
}
