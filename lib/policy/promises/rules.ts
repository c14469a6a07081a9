/** Shorthands for the rules that promises are made of. */

import type { ArgCondition, SeccompAction, SeccompRule } from '../seccomp-types.js';

type Index = ArgCondition['index'];

export const is = (index: Index, value: number): ArgCondition => ({ index, op: '==', value });

/** None of the bits. */
export const without = (index: Index, mask: number): ArgCondition => ({ index, op: '&==', mask, value: 0 });

/** Of the bits in `mask` exactly those in `value`. */
export const bits = (index: Index, mask: number, value: number): ArgCondition => ({ index, op: '&==', mask, value });

/** A pointer that leads nowhere: both halves of the register are zero. */
export const isNull = (index: Index): ArgCondition => ({ index, op: '==', value: 0, width: 64 });

/** `calls`: names separated by spaces or line breaks. */
function words(calls: string): string[] {
  return calls.trim().split(/\s+/);
}

export function allow(calls: string, ...args: ArgCondition[]): SeccompRule {
  return answer('allow', calls, ...args);
}

export function answer(action: SeccompAction, calls: string, ...args: ArgCondition[]): SeccompRule {
  const syscalls = words(calls);
  return { syscalls, action, ...(args.length > 0 ? { args } : {}) };
}

/** One rule for each value that the argument may have. */
export function allowValues(
  calls: string,
  index: Index,
  values: readonly number[],
  ...args: ArgCondition[]
): SeccompRule[] {
  return values.map((value) => allow(calls, is(index, value), ...args));
}
