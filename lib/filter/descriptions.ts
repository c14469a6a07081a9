/** The words for the line that a process writes when it ends for a refused call: names of calls, and what each promise allows. */

import { ByteWriter } from '../native/writer.js';
import { OPENS, READ_ONLY } from '../policy/promises/files.js';
import { bits } from '../policy/promises/rules.js';
import { promisedCalls, type SignalTargets } from '../policy/promises.js';
import type { ArgCondition, SeccompArch } from '../policy/seccomp-types.js';
import { syscallName, syscallNumber } from '../policy/syscalls/lookup.js';
import { argumentWidth } from '../policy/syscalls/widths.js';
import type { PledgePromise } from '../policy/types.js';
import { PROMISES } from '../policy/vocabulary.js';

/** enum Comparison of native/violations/descriptions.h. */
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

/**
 * Read by DecodeDescriptions in native/violations.
 *
 * @param held promises that are in force; null where none are, and none would help
 * @param options.byPath as for promiseFor
 */
export function describeCalls(
  arch: SeccompArch,
  held: readonly PledgePromise[] | null,
  options: { readonly signals: SignalTargets; readonly byPath: boolean },
): Uint8Array {
  const key = JSON.stringify([arch, held, options]);
  const known = cache.get(key);
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
  writer.texts(held === null ? [] : PROMISES);
  const allowances = held === null ? [] : allowancesBeyond(held, arch, options);
  writer.u32(allowances.length);
  for (const { number, promise, args } of allowances) {
    encodeAllowance(writer, number, promise, args, arch);
  }
  const bytes = Uint8Array.from(writer.finish());
  if (cache.size >= MOST_KEPT) {
    cache.clear();
  }
  cache.set(key, bytes);
  return bytes;
}

const MOST_KEPT = 16;
const cache = new Map<string, Uint8Array>();

function encodeAllowance(
  writer: ByteWriter,
  number: number,
  promise: number,
  args: readonly ArgCondition[],
  arch: SeccompArch,
): void {
  writer.u32(number);
  writer.u32(promise);
  writer.u32(args.length);
  for (const { index, op, value, mask, width } of args) {
    writer.u32(index);
    writer.u32(COMPARISONS[op]);
    writer.flag((width ?? argumentWidth(syscallName(number, arch), index, arch)) === 64);
    writer.u64(BigInt.asUintN(64, BigInt(value)));
    writer.u64(BigInt.asUintN(64, BigInt(mask ?? -1)));
  }
}

/** What each further promise adds to those that are held: some calls take two, of which neither has them alone. */
function allowancesBeyond(
  held: readonly PledgePromise[],
  arch: SeccompArch,
  { signals, byPath }: { readonly signals: SignalTargets; readonly byPath: boolean },
): Allowance[] {
  const present = new Set(allowances(held, arch, signals).map(textOf));
  if (byPath) {
    for (const { call, flags } of OPENS) {
      const number = syscallNumber(call, arch);
      present.delete(textOf({ number: number ?? -1, args: [bits(flags, READ_ONLY, 0)] }));
    }
  }
  return PROMISES.flatMap((promise, index) =>
    promise === 'error' || held.includes(promise)
      ? []
      : allowances([...held, promise], arch, signals)
          .filter((allowance) => !present.has(textOf(allowance)))
          .map((allowance) => ({ ...allowance, promise: index })),
  );
}

function textOf({ number, args }: Omit<Allowance, 'promise'>): string {
  return JSON.stringify([number, args]);
}

function allowances(
  promises: readonly PledgePromise[],
  arch: SeccompArch,
  signals: SignalTargets,
): Omit<Allowance, 'promise'>[] {
  const refused = { errno: 'EPERM' } as const;
  const policy = promisedCalls(promises, { violation: refused, unknown: refused, foreign: refused, arch, signals });
  return policy.rules.flatMap(({ syscalls, action, args = [] }) => {
    if (action !== 'allow') {
      return [];
    }
    const list = typeof syscalls === 'string' || typeof syscalls === 'number' ? [syscalls] : syscalls;
    return list.flatMap((call) => {
      const number = typeof call === 'number' ? call : syscallNumber(call, arch);
      return number === undefined ? [] : [{ number, args }];
    });
  });
}
